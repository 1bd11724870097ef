import { type ErrorCode, GatewayError, UnsupportedError } from '../../src/core/errors.ts'

/** A GatewayError between threads, where classes do not survive. */
export interface Failure {
  readonly code: ErrorCode
  readonly detail: string
  readonly capability?: string
  readonly retryAfterMs?: number
  /** What the operator needs. */
  readonly cause?: string
  /** What is wrong where stored data is damaged. */
  readonly damage?: string
}

/** Stored data is not what it was when it was stored. */
export class DamageError extends GatewayError {
  override readonly name = 'DamageError'
  /** What is wrong, in a few words. */
  readonly reason: string

  constructor(reason: string, cause?: unknown) {
    const advice = 'Restore the file from a backup, or move it away to begin anew.'
    super('internal', `The embedded broker's file is damaged: ${reason}. ${advice}`, { cause })
    this.reason = reason
  }
}

export function toFailure(error: GatewayError): Failure {
  return {
    code: error.code,
    detail: error.message,
    ...(error.capability !== undefined && { capability: error.capability }),
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
    ...(error.cause !== undefined && { cause: String(error.cause) }),
    ...(error instanceof DamageError && { damage: error.reason }),
  }
}

export function fromFailure(failure: Failure): GatewayError {
  const { code, detail, capability, retryAfterMs, cause, damage } = failure
  if (capability !== undefined) return new UnsupportedError(capability, detail)
  if (damage !== undefined) return new DamageError(damage, cause)
  return new GatewayError(code, detail, {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(cause !== undefined && { cause }),
  })
}

export function closed(): GatewayError {
  return new GatewayError('unavailable', 'The embedded broker is closed.')
}

export function noTopic(topic: string): GatewayError {
  return new GatewayError('not_found', `There is no topic ${topic}.`)
}

export function noGroup(group: string): GatewayError {
  return new GatewayError('not_found', `There is no group ${group}.`)
}

export function full(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('unavailable', detail, { retryAfterMs: 1000, cause })
}

/** SQLite's primary result codes (https://sqlite.org/rescode.html). */
const sqlite = { busy: 5, io: 10, corrupt: 11, full: 13, notADatabase: 26 } as const

/** What SQLite threw, as a GatewayError; anything else is a fault of ours and `internal`. */
export function fromSqlite(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  switch (resultCode(thrown)) {
    case sqlite.full:
      return full('The disk of the embedded broker is full, or its maxBytes is reached.', thrown)
    case sqlite.io:
      return full('The disk of the embedded broker fails to read or write.', thrown)
    case sqlite.busy:
      return full("Another program holds a lock on the embedded broker's file.", thrown)
    case sqlite.corrupt:
    case sqlite.notADatabase:
      return new DamageError((thrown as Error).message, thrown)
    default:
      return new GatewayError('internal', 'The embedded broker failed; the log has the cause.', { cause: thrown })
  }
}

function resultCode(thrown: unknown): number | undefined {
  const code = thrown instanceof Error ? (thrown as Error & { errcode?: unknown }).errcode : undefined
  return typeof code === 'number' ? code & 0xff : undefined
}

export function isNotADatabase(thrown: unknown): boolean {
  return resultCode(thrown) === sqlite.notADatabase
}

export function isBusy(thrown: unknown): boolean {
  return resultCode(thrown) === sqlite.busy
}
