import { GatewayError } from '../core/errors.ts'
import { type Access, accessOf } from './access.ts'
import type { Gateway } from './gateway.ts'

const lifetimeMs = 60_000

/**
 * A ticket stands in for a key where headers cannot be sent (EventSource). It names a topic, the key and when it ends,
 * and is signed with a secret that all replicas share; so none is stored, and revoking the key ends it too.
 */
export async function issueTicket(
  gateway: Gateway,
  access: Access,
  topic: string,
): Promise<{ ticket: string; expiresAt: number }> {
  const expiresAt = gateway.clock.now() + lifetimeMs
  const payload = `${expiresAt}~${access.key?.id ?? ''}~${topic}`
  return { ticket: `${payload}~${await sign(gateway, payload)}`, expiresAt }
}

/** The ticket of a request that has one. */
export function ticketOf(request: Request): string | undefined {
  const at = request.url.indexOf('?')
  if (at < 0 || !request.url.includes('ticket=', at)) return undefined
  return new URLSearchParams(request.url.slice(at)).get('ticket') ?? undefined
}

/** What the ticket grants: to read its topic, as far as its key still may. Rejects with `unauthenticated`. */
export async function redeemTicket(gateway: Gateway, ticket: string): Promise<Access> {
  const cut = ticket.lastIndexOf('~')
  const payload = ticket.slice(0, cut)
  const [expiresAt, keyId, topic] = payload.split('~')
  const genuine = cut > 0 && same(await sign(gateway, payload), ticket.slice(cut + 1))
  const key = genuine && keyId !== undefined ? gateway.keys?.get(keyId) : undefined
  if (key === undefined || Number(expiresAt) < gateway.clock.now()) {
    throw new GatewayError('unauthenticated', 'The ticket is not valid, or is over: a ticket lasts a minute.')
  }
  const access = accessOf(key)
  return {
    key,
    may: (scope, wanted) => wanted === topic && access.may(scope, wanted),
    sees: (wanted) => wanted === topic && access.sees(wanted),
  }
}

/** HMAC-SHA-256 (RFC 2104) by the web platform. */
async function sign(gateway: Gateway, payload: string): Promise<string> {
  const secret = Uint8Array.from(await gateway.store.secret('tickets'))
  const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(payload)))
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function same(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}
