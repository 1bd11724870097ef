/** The closed list of error codes (api.md, "Errors"). Only `http/problem.ts` maps them to HTTP. */
export const errorCodes = [
  'invalid_argument',
  'unauthenticated',
  'permission_denied',
  'not_found',
  'method_not_allowed',
  'conflict',
  'lease_lost',
  'stale_cursor',
  'too_large',
  'unsupported_media_type',
  'unprocessable',
  'partial_failure',
  'throttled',
  'headers_too_large',
  'misconfigured',
  'internal',
  'unsupported',
  'unavailable',
  'unknown_outcome',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** Codes where the same request may succeed later without being changed. */
const retryableCodes: ReadonlySet<ErrorCode> = new Set(['throttled', 'unavailable', 'unknown_outcome'])

/** One field that is wrong. `pointer` is a JSON Pointer (RFC 6901) into the request body, or names a parameter. */
export interface FieldError {
  readonly pointer: string
  readonly detail: string
}

export interface GatewayErrorOptions {
  readonly errors?: readonly FieldError[]
  /** The capability that is missing; only with `unsupported`. */
  readonly capability?: string
  /** The broker that it lacks, where that is not the one that the topic is bound to. */
  readonly broker?: string
  /** After how many milliseconds a retry makes sense; only with `throttled` and `unavailable`. */
  readonly retryAfterMs?: number
  readonly cause?: unknown
}

/** What an item of a batch says went wrong. */
export interface ItemError {
  readonly code: ErrorCode
  readonly detail: string
}

/**
 * The one error type that crosses a room's border. `message` is written for the caller: it names the thing and the fix,
 * and holds no secret and no stack. What the operator needs is in `cause`.
 */
export class GatewayError extends Error {
  override readonly name: string = 'GatewayError'
  readonly code: ErrorCode
  readonly errors: readonly FieldError[] | undefined
  readonly capability: string | undefined
  readonly broker: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, detail: string, options: GatewayErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.errors = options.errors
    this.capability = options.capability
    this.broker = options.broker
    this.retryAfterMs = options.retryAfterMs
  }

  /** Whether the same request may succeed later without being changed. */
  get retryable(): boolean {
    return retryableCodes.has(this.code)
  }

  toItem(): ItemError {
    return { code: this.code, detail: this.message }
  }
}

/** A broker was asked for something that it cannot do. Thrown before any side effect. */
export class UnsupportedError extends GatewayError {
  override readonly name = 'UnsupportedError'

  constructor(capability: string, detail: string, broker?: string) {
    super('unsupported', detail, { capability, ...(broker !== undefined && { broker }) })
  }
}

/** A refusal of one field: 400 with a pointer. */
export function invalid(pointer: string, detail: string): GatewayError {
  return new GatewayError('invalid_argument', detail, { errors: [{ pointer, detail }] })
}

/** Whatever was thrown, as a GatewayError. Anything unforeseen is `internal`, and its text stays in `cause`. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  return new GatewayError('internal', 'The gateway failed; its log has the cause.', { cause: thrown })
}
