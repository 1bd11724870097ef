import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { Gateway, Key } from './gateway.ts'

export type Scope = 'publish' | 'consume' | 'subscribe' | 'admin'

/** Who calls, and what of the gateway exists for them. */
export interface Access {
  /** Undefined where no keys are configured. */
  readonly key: Key | undefined
  may(scope: Scope, topic?: string): boolean
  /** Whether any scope reaches the topic. What it does not reach does not exist for the caller. */
  sees(topic: string): boolean
}

const everything: Access = { key: undefined, may: () => true, sees: () => true }

const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Who calls. With keys, by the bearer token: `unauthenticated` where it is absent, unknown or revoked, alike. Without
 * keys only loopback is served, and a page of a foreign site must not reach it through the user's browser, neither by a
 * name that resolves to loopback (DNS rebinding) nor by a plain cross-site request.
 */
export function authenticate(gateway: Gateway, headers: Headers): Access {
  if (gateway.keys === undefined) {
    refuseForeignSites(headers)
    return everything
  }
  const header = headers.get('authorization')
  const token = header !== null && /^bearer /i.test(header) ? header.slice(7).trim() : ''
  const key = token.startsWith('slk_') ? gateway.keys.find(gateway.sha256(token)) : undefined
  if (key === undefined) throw unauthenticated()
  return accessOf(key)
}

/** The same for a key that is absent, unknown or revoked: nobody learns which. */
export function unauthenticated(): GatewayError {
  const detail = 'A valid key is needed: Authorization: Bearer slk_…; this one is absent, unknown or revoked.'
  return new GatewayError('unauthenticated', detail)
}

function refuseForeignSites(headers: Headers): void {
  const host = headers.get('host') ?? ''
  if (!loopbackHosts.has(hostname(host))) {
    throw new GatewayError(
      'permission_denied',
      'Without keys the gateway answers to localhost, 127.0.0.1 and [::1] only.',
    )
  }
  const origin = headers.get('origin')
  if (origin !== null && !loopbackHosts.has(hostname(origin.replace(/^https?:\/\//, '')))) {
    throw new GatewayError('permission_denied', 'Without keys the gateway takes no requests from pages of other sites.')
  }
}

function hostname(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '')
}

const compiled = new WeakMap<Key, Access>()

/** The access of a key; what its patterns mean is worked out once. */
export function accessOf(key: Key): Access {
  const known = compiled.get(key)
  if (known !== undefined) return known
  const scopes = key.scopes.map((scope) => {
    const colon = scope.indexOf(':')
    if (colon < 0) return { scope, matches: () => true }
    const pattern = scope.slice(colon + 1).replace(/[.*+?^${}()|[\]\\]/g, (char) => (char === '*' ? '.*' : `\\${char}`))
    const regex = new RegExp(`^${pattern}$`)
    return { scope: scope.slice(0, colon), matches: (topic: string) => regex.test(topic) }
  })
  const access: Access = {
    key,
    may: (wanted, topic) =>
      scopes.some(({ scope, matches }) => scope === wanted && (topic === undefined || matches(topic))),
    sees: (topic) => scopes.some(({ matches }) => matches(topic)),
  }
  compiled.set(key, access)
  return access
}

/** Throws `permission_denied` where the key may not. What it cannot even see was `not_found` before. */
export function requireScope(access: Access, scope: Scope, topic?: string): void {
  if (access.may(scope, topic)) return
  const wanted = topic === undefined ? scope : `${scope}:${topic}`
  throw new GatewayError('permission_denied', `No scope of the key allows this; it needs ${wanted}.`)
}

/** A token bucket for each key that has a rate: a second's worth of requests may come at once. */
export class RateLimiter {
  readonly #clock: Clock
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Throws `throttled` where the key is over its rate. */
  take(key: Key): void {
    if (key.ratePerSecond === undefined) return
    const rate = key.ratePerSecond
    const burst = Math.max(1, rate)
    const now = this.#clock.now()
    const bucket = this.#buckets.get(key.id) ?? { tokens: burst, at: now }
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) * rate) / 1000)
    bucket.at = now
    this.#buckets.set(key.id, bucket)
    if (bucket.tokens < 1) {
      const retryAfterMs = ((1 - bucket.tokens) * 1000) / rate
      throw new GatewayError('throttled', `The key may send ${rate} requests a second.`, { retryAfterMs })
    }
    bucket.tokens--
  }
}
