import type { Clock } from '../core/clock.ts'
import type { AttemptResult } from '../core/delivery.ts'
import { GatewayError, invalid } from '../core/errors.ts'
import type { Outgoing, Sender } from '../core/sender.ts'
import type { Subscription } from '../core/subscription.ts'
import { Addresses } from './address.ts'
import { Attempt, failed } from './attempt.ts'
import { Deadlines, Stops } from './deadlines.ts'
import type { Bounds } from './exchange.ts'
import { Failure } from './failure.ts'
import { type Dialler, systemDialler } from './link.ts'
import { asAuth, type ClientCredentials, type Token, TokenRequest } from './oauth.ts'
import type { Origin } from './origin.ts'
import { Origins } from './origins.ts'
import { type Listening, ownAddress } from './own-address.ts'
import { type Prepared, prepare } from './prepared.ts'
import { type Resolver, resolveTarget, systemResolver } from './resolve.ts'
import { readTarget, type Target } from './target.ts'
import { Tokens } from './tokens.ts'
import { within } from './wait.ts'

export interface SenderOptions {
  readonly clock: Clock
  /** Networks that may be called although they are not the public internet, as CIDRs. */
  readonly allowPrivate: readonly string[]
  /** Only in `dev`. */
  readonly allowLoopback: boolean
  /** To one scheme, host and port. What each subscription may have under way is bounded by its own policy. */
  readonly maxConnectionsPerHost: number
  readonly userAgent: string
  /** It never calls itself, whatever name leads there. */
  readonly listening?: Listening
  readonly resolver?: Resolver
  readonly dialler?: Dialler
}

/** A prepared subscription and what its requests go through. */
interface Ready extends Prepared {
  origin: Origin
  readonly tokens: Tokens | undefined
}

/** How long a token server may take, and how many subscriptions' tokens are remembered. */
const tokenMs = 10_000
const maxTokens = 1000

/** Throws `misconfigured` where `allowPrivate` names no network. */
export function createSender(options: SenderOptions): Sender {
  return new HttpSender(options)
}

class HttpSender implements Sender {
  readonly #clock: Clock
  readonly #userAgent: string
  readonly #addresses: Addresses
  readonly #resolve: (target: Target) => Promise<readonly string[]>
  readonly #origins: Origins
  readonly #bounds: Bounds = { deadlines: new Deadlines(), stops: new Stops() }
  readonly #ready = new WeakMap<Subscription, Ready | Failure>()
  /** By the subscription and its credentials, so that a new snapshot of it needs no new token. */
  readonly #tokens = new Map<string, Tokens>()
  readonly #closing = new AbortController()

  constructor({ clock, allowPrivate, allowLoopback, maxConnectionsPerHost, ...more }: SenderOptions) {
    this.#clock = clock
    this.#userAgent = more.userAgent
    this.#addresses = new Addresses(allowPrivate, allowLoopback)
    const { resolver = systemResolver, listening } = more
    const isOwn = listening === undefined ? () => false : ownAddress(listening)
    this.#resolve = (target) => resolveTarget(target, resolver, this.#addresses, isOwn)
    this.#origins = new Origins({
      dialler: more.dialler ?? systemDialler,
      maxConnections: maxConnectionsPerHost,
      refuse: (address) => this.#addresses.refuse(address),
      resolve: this.#resolve,
      now: () => clock.now(),
    })
  }

  send(outgoing: Outgoing, signal: AbortSignal): Promise<AttemptResult> {
    const at = this.#clock.now()
    if (signal.aborted || this.#closing.signal.aborted) {
      return Promise.resolve(failed(at, 0, new Failure('gateway', 'The gateway stopped the attempt.')))
    }
    const { subscription } = outgoing
    const ready = this.#ready.get(subscription) ?? this.#prepare(subscription)
    if (ready instanceof Failure) return Promise.resolve(failed(at, 0, ready))
    if (ready.tokens !== undefined) return this.#authorized(outgoing, signal, ready, ready.tokens, at)
    return this.#attempt(outgoing, signal, ready, subscription.policy.timeoutMs, undefined, at)
  }

  async check(url: string, pointer: string): Promise<void> {
    const target = readTarget(url, this.#addresses)
    if (typeof target === 'string') throw invalid(pointer, target)
    try {
      await this.#resolve(target)
    } catch (error) {
      if (error instanceof Failure && error.stage === 'guard') throw invalid(pointer, error.message)
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#bounds.deadlines.stop()
    this.#origins.close()
  }

  #prepare(subscription: Subscription): Ready | Failure {
    let ready: Ready | Failure
    try {
      const prepared = prepare(subscription, this.#target(subscription.url), this.#userAgent)
      const origin = this.#origins.get(prepared.target, prepared.identity)
      ready = { ...prepared, origin, tokens: this.#tokensOf(subscription) }
    } catch (error) {
      if (error instanceof Failure) ready = error
      else if (error instanceof GatewayError) ready = new Failure('gateway', error.message)
      else throw error
    }
    this.#ready.set(subscription, ready)
    return ready
  }

  #target(url: string): Target {
    const target = readTarget(url, this.#addresses)
    if (typeof target === 'string') throw new Failure('guard', target)
    return target
  }

  #attempt(
    outgoing: Outgoing,
    signal: AbortSignal,
    ready: Ready,
    timeoutMs: number,
    token: string | undefined,
    at: number,
  ): Promise<AttemptResult> {
    return new Promise((resolve) => {
      const attempt = new Attempt(this.#bounds, signal, timeoutMs, ready, token, at, resolve)
      if (ready.origin.closed) ready.origin = this.#origins.get(ready.target, ready.identity)
      const preparing = ready.origin.prepare()
      if (preparing !== undefined) this.#later(preparing, attempt, outgoing, ready.origin)
      else if (attempt.write(outgoing, at)) ready.origin.take(attempt)
    })
  }

  async #later(preparing: Promise<void>, attempt: Attempt, outgoing: Outgoing, origin: Origin): Promise<void> {
    try {
      await preparing
    } catch (error) {
      attempt.fail(error as Failure)
    }
    if (!attempt.ended && attempt.write(outgoing, this.#clock.now())) origin.take(attempt)
  }

  /** With a token of the endpoint's authority, and with a new one where it was refused. */
  async #authorized(
    outgoing: Outgoing,
    signal: AbortSignal,
    ready: Ready,
    tokens: Tokens,
    at: number,
  ): Promise<AttemptResult> {
    const started = performance.now()
    const end = started + outgoing.subscription.policy.timeoutMs
    const left = () => Math.max(1, Math.ceil(end - performance.now()))
    let refused: string | undefined
    for (;;) {
      let token: string
      try {
        token = await within(this.#bounds, signal, left(), tokens.get(refused))
      } catch (error) {
        return failed(at, performance.now() - started, error as Failure)
      }
      const result = await this.#attempt(outgoing, signal, ready, left(), token, this.#clock.now())
      if (result.status !== 401 || refused !== undefined) {
        return { ...result, at, durationMs: performance.now() - started }
      }
      refused = token
    }
  }

  #tokensOf({ id, auth }: Subscription): Tokens | undefined {
    if (auth === undefined || !('oauth2' in auth)) return undefined
    const { oauth2 } = auth
    const key = JSON.stringify([id, oauth2.tokenUrl, oauth2.clientId, oauth2.clientSecret, oauth2.scope])
    let tokens = this.#tokens.get(key)
    if (tokens === undefined) {
      const now = () => this.#clock.now()
      tokens = new Tokens(() => this.#fetchToken(oauth2), now)
      const [oldest] = this.#tokens.keys()
      if (this.#tokens.size >= maxTokens) this.#tokens.delete(oldest!)
      this.#tokens.set(key, tokens)
    }
    return tokens
  }

  async #fetchToken(credentials: ClientCredentials): Promise<Token> {
    const now = () => this.#clock.now()
    try {
      const target = this.#target(credentials.tokenUrl)
      const origin = this.#origins.get(target, undefined)
      await origin.prepare()
      const { signal } = this.#closing
      const request = new TokenRequest(this.#bounds, signal, tokenMs, target.path, this.#userAgent, credentials, now)
      origin.take(request)
      return await request.token
    } catch (error) {
      if (error instanceof Failure && error.stage !== 'auth') throw asAuth(error)
      throw error
    }
  }
}
