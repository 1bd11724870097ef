import { protocolErrorsCodesById } from '@platformatic/kafka'
import { type ErrorCode, GatewayError } from '../../src/core/index.ts'

/** What the client's errors have in common; they nest by `errors` and by `cause`. */
interface ClientError extends Error {
  readonly code?: string
  /** The protocol's name of an error, such as `NOT_LEADER_OR_FOLLOWER`. */
  readonly apiId?: string
  readonly errors?: readonly unknown[]
}

/** The error itself and everything nested in it. */
function* chain(error: unknown): Iterable<ClientError> {
  if (!(error instanceof Error)) return
  const known = error as ClientError
  yield known
  for (const nested of known.errors ?? []) yield* chain(nested)
  yield* chain(known.cause)
}

/** The protocol's names of what went wrong. */
function protocolErrors(error: unknown): string[] {
  return [...chain(error)].flatMap(({ apiId }) => (apiId === undefined ? [] : [apiId]))
}

/** The answer that the library made an error of. */
export function answerOf<Answer>(error: unknown): Answer | undefined {
  for (const nested of chain(error)) {
    const { response } = nested as { response?: Answer }
    if (response !== undefined) return response
  }
  return undefined
}

/** Whether a broker answered, and not only the connection failed. */
export function hasAnswer(error: unknown): boolean {
  return error instanceof GatewayError || protocolErrors(error).length > 0
}

export function hasProtocolError(error: unknown, ...names: readonly string[]): boolean {
  return protocolErrors(error).some((name) => names.includes(name))
}

const refusedByTls = /^(ERR_TLS|ERR_SSL|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|CERT_|EPROTO)/
const refusedCertificate = /ALERT_(BAD_CERTIFICATE|CERTIFICATE_REQUIRED|UNKNOWN_CA|HANDSHAKE_FAILURE)/

/** Why a broker refuses this client for good, or undefined where it does not. */
export function refusal(error: unknown): string | undefined {
  for (const { code = '', apiId = '', message, cause } of chain(error)) {
    // A connection that broke in the midst of it says nothing of the credentials.
    if ((code === 'PLT_KFK_AUTHENTICATION' && !isBroken(cause)) || apiId.includes('SASL')) {
      return 'The broker refuses the credentials (sasl)'
    }
    if (refusedCertificate.test(code)) {
      return 'The broker asks for a certificate that it accepts: set cert and key (tls)'
    }
    if (refusedByTls.test(code)) return `TLS with the broker fails (tls): ${message}`
    if (message === 'Broker requires TLS.') return 'The broker speaks TLS: set tls'
  }
  return undefined
}

/**
 * The connection ended within the handshake: a broker that does not speak TLS looks so, and one that is being stopped. So
 * it counts as a refusal only while opening.
 */
export function isHandshakeBroken(error: unknown): boolean {
  return [...chain(error)].some(({ message }) => message.startsWith('TLS handshake failed'))
}

function isBroken(cause: unknown): boolean {
  return [...chain(cause)].some(({ code }) => code === 'PLT_KFK_NETWORK' || code === 'PLT_KFK_TIMEOUT')
}

const codes: Readonly<Record<string, ErrorCode>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'not_found',
  UNKNOWN_TOPIC_ID: 'not_found',
  INVALID_TOPIC_EXCEPTION: 'invalid_argument',
  MESSAGE_TOO_LARGE: 'too_large',
  RECORD_LIST_TOO_LARGE: 'too_large',
  INVALID_RECORD: 'unprocessable',
  POLICY_VIOLATION: 'unprocessable',
  OFFSET_OUT_OF_RANGE: 'stale_cursor',
  TOPIC_AUTHORIZATION_FAILED: 'misconfigured',
  GROUP_AUTHORIZATION_FAILED: 'misconfigured',
  CLUSTER_AUTHORIZATION_FAILED: 'misconfigured',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'misconfigured',
  NON_EMPTY_GROUP: 'conflict',
  GROUP_ID_NOT_FOUND: 'not_found',
  INVALID_PARTITIONS: 'invalid_argument',
  INVALID_REPLICATION_FACTOR: 'invalid_argument',
  INVALID_CONFIG: 'invalid_argument',
}

/** Whether the broker closed the connection without a word. */
export function isHungUp(error: unknown): boolean {
  return [...chain(error)].some(({ message }) => message === 'Connection closed')
}

/** What the client threw, as the gateway's error. `doing` says what was tried, for the sentence. */
export function translate(error: unknown, doing: string): GatewayError {
  if (error instanceof GatewayError) return error
  // Of the provider of tokens.
  const own = [...chain(error)].find((one) => one instanceof GatewayError)
  if (own !== undefined) return own
  const refused = refusal(error)
  if (refused !== undefined) return new GatewayError('misconfigured', `${refused}.`, { cause: error })
  for (const { apiId, message } of chain(error)) {
    if (/^Unknown topic /.test(message)) {
      return new GatewayError('not_found', 'The broker has no such topic.', { cause: error })
    }
    const code = apiId === undefined ? undefined : codes[apiId]
    if (code !== undefined) return new GatewayError(code, `Kafka refused ${doing}: ${apiId}.`, { cause: error })
  }
  const names = protocolErrors(error)
  const why = names.length > 0 ? names.join(', ') : 'no broker answered'
  return new GatewayError('unavailable', `Kafka could not do ${doing}: ${why}.`, { retryAfterMs: 1000, cause: error })
}

/** Whether the same request may succeed without anything being changed. */
export function isTransient(error: unknown): boolean {
  if (error instanceof GatewayError) return error.retryable
  return translate(error, '').code === 'unavailable'
}

/** What an answer says of one partition, as the library would have thrown it. */
export function partitionError(errorCode: number): Error {
  const apiId = protocolErrorsCodesById[errorCode] ?? `error ${errorCode}`
  return Object.assign(new Error(apiId), { apiId })
}

export function closed(): GatewayError {
  return new GatewayError('unavailable', 'The connection to Kafka is closed.')
}
