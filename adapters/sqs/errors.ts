import { type ErrorCode, GatewayError } from '../../src/core/index.ts'

/** What errors of the SDK, of its connections and entries of `Failed[]` have in common. */
interface AwsError {
  readonly name: string
  readonly message: string
  /** Of Node's errors, such as ECONNRESET. */
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

/** An entry of `Failed[]`, of whichever batch. */
export interface FailedEntry {
  readonly Id?: string | undefined
  readonly Code?: string | undefined
  readonly Message?: string | undefined
  readonly SenderFault?: boolean | undefined
}

/** An error that says what came of the request. */
export class AwsFailure extends GatewayError {
  override readonly name = 'AwsFailure'
  /** Whether AWS may have done what it was asked for. */
  readonly mayBeDone: boolean

  constructor(code: ErrorCode, detail: string, mayBeDone: boolean, cause: unknown, retryAfterMs?: number) {
    super(code, detail, { cause, ...(retryAfterMs !== undefined && { retryAfterMs }) })
    this.mayBeDone = mayBeDone
  }
}

const retryAfterMs = 1000
/** A queue's name is free again a minute after the queue was deleted. */
const deletedAgoMs = 60_000

const missing = /^(QueueDoesNotExist|NonExistentQueue|NotFound|NotFoundException|ResourceNotFoundException)$/
const forbidden =
  /^(AccessDenied|AccessDeniedException|AuthorizationError|AuthorizationErrorException|KmsAccessDenied|KMSAccessDeniedException|KMSAccessDenied)$/
const unknownCaller =
  /^(InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch|InvalidSignatureException|InvalidSecurity|ExpiredToken|ExpiredTokenException|MissingAuthenticationToken|MissingAuthenticationTokenException|IncompleteSignature|IncompleteSignatureException|InvalidAccessKeyId|OptInRequired|CredentialsProviderError|TokenProviderError)$/
const throttled =
  /^(Throttl\w*|RequestThrottled\w*|RequestLimitExceeded|TooManyRequests\w*|OverLimit|SlowDown|KmsThrottled|KMSThrottling\w*)$/
const tooLarge = /^(BatchRequestTooLong|MessageTooLong|BatchRequestTooLongException|RequestEntityTooLarge)$/
/** How either protocol answers what a server has not at all. */
const unheardOf = /^(InvalidAction|UnknownOperation(Exception)?)$/
const lost = /^(ReceiptHandleIsInvalid|MessageNotInflight)$/
const unsent =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ERR_TLS_CERT_ALTNAME_INVALID|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_HAS_EXPIRED)$/

/** The error's name without the namespaces that the protocols put before it. */
function nameOf({ name }: { readonly name: string }): string {
  return name.replace(/^.*[.#]/, '')
}

/**
 * What the SDK threw, as the gateway's error. `action` is what IAM calls the request, such as `sqs:SendMessage`.
 */
export function translate(thrown: unknown, action: string): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  const error = thrown as AwsError
  const status = error.$metadata?.httpStatusCode
  const known = codeOf(nameOf(error), error.message ?? '', action)
  if (known !== undefined) return new AwsFailure(known.code, known.detail, false, thrown, known.retryAfterMs)
  if (status === 429) return new AwsFailure('throttled', `AWS throttles ${action}.`, false, thrown, retryAfterMs)
  if (status !== undefined && status >= 400 && status < 500) {
    return new AwsFailure('unprocessable', `AWS refused ${action}: ${error.message}`, false, thrown)
  }
  if (unsent.test(error.code ?? '')) {
    const detail = `AWS cannot be reached for ${action} (${error.code}): look at region, endpoint and network.`
    return new AwsFailure('unavailable', detail, false, thrown, retryAfterMs)
  }
  const why = status === undefined ? 'no answer came' : `it answered ${status}`
  return new AwsFailure('unavailable', `AWS could not do ${action}: ${why}.`, true, thrown, retryAfterMs)
}

/** An entry of `Failed[]`. What the service failed at may be done all the same, unless it only throttled. */
export function translateEntry(entry: FailedEntry, action: string): AwsFailure {
  const name = nameOf({ name: entry.Code ?? '' })
  const message = entry.Message ?? ''
  const known = codeOf(name, message, action)
  if (known !== undefined) return new AwsFailure(known.code, known.detail, false, entry, known.retryAfterMs)
  const detail = `AWS refused an entry of ${action}: ${[name, message].filter((part) => part !== '').join(', ')}.`
  if (entry.SenderFault === true) return new AwsFailure('unprocessable', detail, false, entry)
  return new AwsFailure('unavailable', `AWS failed at an entry of ${action}: ${name}.`, true, entry, retryAfterMs)
}

interface Known {
  readonly code: ErrorCode
  readonly detail: string
  readonly retryAfterMs?: number
}

function codeOf(name: string, message: string, action: string): Known | undefined {
  if (missing.test(name)) return { code: 'not_found', detail: 'AWS has no such queue or topic.' }
  if (forbidden.test(name)) {
    return { code: 'misconfigured', detail: `The credentials may not do ${action}: allow it to them (IAM).` }
  }
  if (unknownCaller.test(name)) {
    return {
      code: 'misconfigured',
      detail: `AWS does not accept the credentials, or there are none (${name}): set credentials.`,
    }
  }
  if (unheardOf.test(name) && action.startsWith('sns:')) {
    const detail = `What answers at endpoint does not speak SNS (it knows no ${action}): leave out sns, or set endpoint to what speaks both SQS and SNS.`
    return { code: 'misconfigured', detail }
  }
  if (throttled.test(name)) return { code: 'throttled', detail: `AWS throttles ${action}.`, retryAfterMs }
  if (
    tooLarge.test(name) ||
    (/^Invalid(Parameter|Attribute)/.test(name) && /MessageTooLong|too long|shorter than/i.test(message))
  ) {
    return {
      code: 'too_large',
      detail: 'The queue or topic takes less at once: raise its MaximumMessageSize, or set maxMessageSize.',
    }
  }
  if (lost.test(name) || /receipt handle has expired|not available for visibility timeout change/i.test(message)) {
    return { code: 'lease_lost', detail: 'The lease has ended, was superseded or never was.' }
  }
  if (name === 'QueueDeletedRecently') {
    const detail = 'A queue of this name was deleted a moment ago: AWS makes it again after a minute.'
    return { code: 'unavailable', detail, retryAfterMs: deletedAgoMs }
  }
  return undefined
}

/** Whether AWS may have done what failed so. */
export function mayBeDone(error: GatewayError): boolean {
  return error instanceof AwsFailure && error.mayBeDone
}

export function closed(): GatewayError {
  return new GatewayError('unavailable', 'The connection to SQS is closed.')
}

export function noTopic(topic: string): GatewayError {
  return new GatewayError('not_found', `AWS has no topic ${topic}.`)
}

export function noGroup(): GatewayError {
  return new GatewayError('not_found', 'There is no such group of this topic.')
}
