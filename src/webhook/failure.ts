import { errors } from 'undici'
import type { AttemptStage } from '../core/delivery.ts'

/** Why an attempt failed, for people: no secret, no stack. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly stage: AttemptStage

  constructor(stage: AttemptStage, sentence: string) {
    super(sentence)
    this.stage = stage
  }
}

interface Coded {
  readonly code?: unknown
}

function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as Coded).code : undefined
  return typeof code === 'string' ? code : ''
}

const untrusted = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
])

/** What went wrong between the connection and its encryption. */
export function tlsFailure(error: unknown): Failure {
  const code = codeOf(error)
  if (code === 'CERT_HAS_EXPIRED') return new Failure('tls', 'The certificate has expired.')
  if (code === 'CERT_NOT_YET_VALID') return new Failure('tls', 'The certificate is not valid yet.')
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return new Failure('tls', 'The certificate is for another host.')
  if (untrusted.has(code)) return new Failure('tls', 'The certificate comes from no authority that is trusted here.')
  if (code === 'ECONNRESET') return new Failure('tls', 'The connection ended within the TLS handshake.')
  return new Failure('tls', `The TLS handshake failed${shown(code)}.`)
}

const refusals: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'The connection was refused',
  EHOSTUNREACH: 'The host cannot be reached',
  ENETUNREACH: 'The network cannot be reached',
  ETIMEDOUT: 'The connection was not made in time',
  ECONNRESET: 'The connection was reset while it was made',
}

/** What went wrong while connecting. */
export function connectFailure(error: unknown): Failure {
  const code = codeOf(error)
  return new Failure('connect', `${refusals[code] ?? 'The connection failed'}${shown(code)}.`)
}

/** What went wrong once the request went out. */
export function requestFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  const code = codeOf(error)
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return new Failure('response', 'The headers of the answer are too large.')
  if (code === 'ECONNRESET') return new Failure('response', 'The connection was reset before an answer came.')
  if (code === 'EPIPE' || code === 'UND_ERR_SOCKET') {
    const informational = error instanceof Error && error.message === 'bad response'
    if (informational) return new Failure('response', 'The answer is no final one.')
    return new Failure('response', 'The connection ended before an answer came.')
  }
  if (error instanceof errors.HTTPParserError || code.startsWith('UND_ERR_RES_'))
    return new Failure('response', 'The answer is not valid HTTP/1.1.')
  // Under TLS 1.3 a server says only after the handshake that it wants another certificate.
  if (code.startsWith('ERR_SSL_')) return new Failure('tls', `The endpoint ended the TLS connection${shown(code)}.`)
  return new Failure('gateway', `The request could not be made${shown(code)}.`)
}

function shown(code: string): string {
  return /^[A-Z0-9_]{1,64}$/.test(code) ? ` (${code})` : ''
}
