import { GatewayError } from '../core/errors.ts'
import type { Gateway } from './gateway.ts'
import type { Call } from './route.ts'

/** A strong tag (RFC 9110, section 8.8.3) of what makes a resource what it is. */
export function entityTag(gateway: Gateway, parts: readonly unknown[]): string {
  return `"${gateway.sha256(JSON.stringify(parts)).slice(0, 24)}"`
}

/** `If-Match` is optional; one that does not match is a `conflict`, and nothing matches what is not there. */
export function requireMatch(call: Call, tag: string | undefined): void {
  const wanted = call.request.headers.get('if-match')
  if (wanted === null || (wanted.trim() === '*' && tag !== undefined)) return
  if (wanted.split(',').some((candidate) => candidate.trim() === tag)) return
  throw new GatewayError('conflict', 'It changed since it was read: If-Match does not match its ETag.')
}
