import { GatewayError, invalid } from '../core/errors.ts'
import { escapePointer } from '../core/event.ts'

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const printable = /^[\x20-\x7e\t]*$/
/** Of one subscription. */
const maxHeaders = 32
const maxBytes = 8 << 10

/** Why a subscription cannot set a header. Framing and what the gateway says about a delivery are its own. */
const reserved = new Map<string, string>([
  ...[
    'host',
    'content-length',
    'transfer-encoding',
    'connection',
    'keep-alive',
    'proxy-connection',
    'proxy-authorization',
    'te',
    'trailer',
    'upgrade',
    'expect',
  ].map((name) => [name, 'belongs to the connection'] as const),
  ...['content-type', 'content-encoding', 'accept-encoding', 'traceparent', 'tracestate'].map(
    (name) => [name, 'is set by the gateway'] as const,
  ),
])

/**
 * Checks the headers that a subscription adds to its requests. Throws `invalid_argument` with a pointer at each one that
 * is wrong. `authenticated`: `auth` sets the header Authorization already.
 */
export function checkHeaders(headers: Readonly<Record<string, string>>, pointer: string, authenticated: boolean): void {
  const tooMuch = `A subscription sets at most ${maxHeaders} headers of ${maxBytes} bytes together.`
  if (Object.keys(headers).length > maxHeaders) throw invalid(pointer, tooMuch)
  const errors: { pointer: string; detail: string }[] = []
  const seen = new Set<string>()
  let bytes = 0
  for (const [name, value] of Object.entries(headers)) {
    const complaint = complain(name, value, authenticated, seen)
    if (complaint !== undefined) errors.push({ pointer: `${pointer}/${escapePointer(name)}`, detail: complaint })
    bytes += name.length + value.length
  }
  if (bytes > maxBytes) errors.push({ pointer, detail: tooMuch })
  if (errors.length > 0) throw new GatewayError('invalid_argument', errors[0]!.detail, { errors })
}

const credential = /authorization|cookie|token|secret|key|password|credential|signature/i

/** Whether the value of a header looks like a secret, by the header's name. */
export function isCredential(name: string): boolean {
  return credential.test(name)
}

/** A sentence about what is wrong, without the value: it may be a secret. */
function complain(name: string, value: string, authenticated: boolean, seen: Set<string>): string | undefined {
  if (!token.test(name)) return 'The name of a header is made of letters, digits and hyphens, like X-Tenant.'
  const lower = name.toLowerCase()
  if (seen.has(lower)) return `The header ${name} is given twice.`
  seen.add(lower)
  const reason = reserved.get(lower)
  if (reason !== undefined) return `The header ${name} ${reason}.`
  if (lower.startsWith('webhook-') || lower.startsWith('ce-')) return `The header ${name} is set by the gateway.`
  if (lower === 'authorization' && authenticated) return 'The header Authorization is set by auth; give one of the two.'
  if (!printable.test(value)) return `The value of the header ${name} must be printable ASCII, on one line.`
  if (value !== value.trim()) return `The value of the header ${name} must not begin or end with white space.`
  return undefined
}
