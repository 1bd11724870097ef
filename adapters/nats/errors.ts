import { errors } from '@nats-io/nats-core'
import { type ErrorCode, GatewayError } from '../../src/core/index.ts'

/** What JetStream's API answered instead of a result. */
export class ApiError extends Error {
  /** The number that is JetStream's own for each kind of error. */
  readonly number: number
  /** Like a status of HTTP. */
  readonly status: number

  constructor({ err_code, code, description }: { err_code: number; code: number; description: string }) {
    super(description)
    this.number = err_code
    this.status = code
  }
}

/** JetStream's numbers of what the adapter tells apart. */
export const numbers = {
  consumerNotFound: 10014,
  noMessage: 10037,
  streamNotFound: 10059,
  wrongStream: 10060,
  consumerExists: 10148,
  duplicateInProcess: 10158,
  atomicDisabled: 10174,
  atomicDuplicate: 10201,
} as const

const codes: Readonly<Record<number, ErrorCode>> = {
  [numbers.consumerNotFound]: 'not_found',
  [numbers.noMessage]: 'not_found',
  [numbers.streamNotFound]: 'not_found',
  10002: 'misconfigured', // the account's limits
  10026: 'misconfigured', // of consumers
  10027: 'misconfigured', // of streams
  10039: 'misconfigured', // JetStream is not enabled for the account
  10043: 'not_found',
  10052: 'invalid_argument', // a stream's configuration
  10054: 'too_large',
  10065: 'conflict', // subjects of another stream
  10074: 'unsupported', // replicas without a cluster
  10076: 'misconfigured', // JetStream is not enabled
  10097: 'too_large',
  [numbers.consumerExists]: 'conflict',
}

/** What to do, where the server's own sentence leaves it open. */
const remedies: Readonly<Record<number, string>> = {
  10002: ' Raise the limits of the account.',
  10026: ' Raise the limit of consumers, of the account or the stream.',
  10027: ' Raise the limit of streams of the account.',
  10039: ' Set jetstream: enabled for the account.',
}

export function isApiError(error: unknown, ...wanted: readonly number[]): error is ApiError {
  return error instanceof ApiError && wanted.includes(error.number)
}

/** The error itself and its causes. */
function* chain(error: unknown): Iterable<Error> {
  for (let one = error; one instanceof Error; one = one.cause) yield one
}

/** Nobody listened: nothing was done. */
export function isNoResponders(error: unknown): boolean {
  for (const one of chain(error)) if (one instanceof errors.NoRespondersError) return true
  return false
}

/** The user may not publish there: nothing was done. */
export function isForbidden(error: unknown): boolean {
  return error instanceof errors.PermissionViolationError && error.operation === 'publish'
}

const refusedByTls = /^(ERR_TLS|ERR_SSL|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|CERT_|EPROTO)/

/** The server looked at no credentials: they did not come in time, or it is too busy. */
function isTooSlow({ message }: Error): boolean {
  return /authentication timeout/i.test(message)
}

/** What refuses this client for good, or undefined where nothing does. */
function refusal(error: unknown): string | undefined {
  for (const one of chain(error)) {
    if (one instanceof errors.UserAuthenticationExpiredError) return 'The credentials have expired'
    if (one instanceof errors.AuthorizationError && !isTooSlow(one)) {
      return 'The server refuses the credentials (user and password, token, nkey or credentials)'
    }
    const { code = '', message } = one as Error & { code?: string }
    if (refusedByTls.test(code)) return `TLS with the server fails (tls): ${message}`
    if (/does not support 'tls'|tls.*(not available|required)|server requires TLS|secure connection/i.test(message)) {
      return `The server and tls do not fit together: ${message}`
    }
  }
  return undefined
}

/** What was thrown, as the gateway's error. `doing` says what was tried, for the sentence. */
export function translate(error: unknown, doing: string): GatewayError {
  if (error instanceof GatewayError) return error
  const refused = refusal(error)
  if (refused !== undefined) return new GatewayError('misconfigured', `${refused}.`, { cause: error })
  for (const one of chain(error)) {
    if (one instanceof errors.PermissionViolationError) {
      const what = one.operation === 'publish' ? 'publish to' : 'subscribe to'
      const detail = `NATS does not allow this user to ${what} ${one.subject}: ${doing} needs it.`
      return new GatewayError('misconfigured', detail, { cause: error })
    }
    if (one instanceof ApiError) {
      const code = codes[one.number] ?? (one.status >= 500 || one.status === 429 ? 'unavailable' : 'unprocessable')
      const detail = `NATS refused ${doing}: ${one.message}.${remedies[one.number] ?? ''}`
      return new GatewayError(code, detail, { cause: error, ...(code === 'unavailable' && { retryAfterMs: 1000 }) })
    }
  }
  const why = isNoResponders(error) ? 'nobody answers for it now' : 'no server answered'
  return new GatewayError('unavailable', `NATS could not do ${doing}: ${why}.`, { retryAfterMs: 1000, cause: error })
}

/** Whether the same request may succeed without anything being changed. */
export function isTransient(error: unknown): boolean {
  return translate(error, '').code === 'unavailable'
}

export function closed(): GatewayError {
  return new GatewayError('unavailable', 'The connection to NATS is closed.')
}
