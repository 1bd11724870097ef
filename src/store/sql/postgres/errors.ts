import { GatewayError } from '../../../core/errors.ts'

// SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const deadlock = '40P01'
const notSerializable = '40001'
const lockTimeout = '55P03'
const cancelled = '57014'
const tooManyConnections = '53300'
const diskFull = '53100'
const readOnly = '25006'

const tls = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

function codeOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

/** Whether the transaction gave way to another one, so that running it again makes sense. */
export function gaveWay(thrown: unknown): boolean {
  return [deadlock, notSerializable].includes(codeOf(thrown))
}

/** Whether the server refused one statement and goes on; else the connection is of no use any more. */
export function isAnswer(thrown: unknown): boolean {
  const code = codeOf(thrown)
  return /^[0-9][0-9A-Z]{4}$/.test(code) && !/^(57P|08)/.test(code)
}

/** What Postgres said, as the gateway's error. `where` names the server and the database, and holds no secret. */
export function postgresError(thrown: unknown, where: string): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  const code = codeOf(thrown)
  const text = thrown instanceof Error ? thrown.message : ''
  const options = { cause: thrown }
  const misconfigured = (detail: string) => new GatewayError('misconfigured', `The store ${where} ${detail}`, options)
  if (code === '3D000') return misconfigured('is not there: make the database, or correct store.url.')
  if (code.startsWith('28')) return misconfigured('refused the user: correct user and password in store.url.')
  if (text.includes('password must be')) return misconfigured('asks for a password: store.url has none.')
  if (tls.has(code)) {
    return misconfigured(`has a certificate that is not trusted (${code}): give sslrootcert=<file> in store.url.`)
  }
  if (text.includes('does not support SSL')) return misconfigured('speaks no TLS: correct sslmode in store.url.')
  if (code === '42501') return misconfigured("may not be used by this user: grant it the database's schema.")
  if (code === '42P01' || code === '42703') return misconfigured(`lacks a part of its schema. ${advice}`)
  const why = unavailability(code, text)
  if (why !== undefined) return new GatewayError('unavailable', why, { retryAfterMs: 1000, cause: thrown })
  return new GatewayError('internal', 'The store failed; the log has the cause.', options)
}

export const advice =
  'It is left as it is: restore it from a backup, or name another database in store.url and the gateway begins a new store.'

/** Undefined where trying again would not help. */
function unavailability(code: string, text: string): string | undefined {
  if (code === tooManyConnections) return 'The store has too many connections.'
  if (code === diskFull) return "The store's disk is full."
  if (code === readOnly) return 'The store takes no writes at the moment.'
  if (code === lockTimeout || code === cancelled || [deadlock, notSerializable].includes(code)) {
    return 'The store is locked by others.'
  }
  if (/^(53|57P|58|08)/.test(code)) return 'The store cannot work at the moment.'
  if (/^E[A-Z_]+$/.test(code)) return `The store cannot be reached (${code}).`
  if (/timeout|terminated|not queryable|Connection/i.test(text)) return 'The store does not answer.'
  return undefined
}
