import { type ErrorCode, errorCodes, type FieldError, GatewayError, type ItemError } from '../core/errors.ts'

/** The only place where codes become HTTP. `partial_failure` is 503 where any item is worth retrying. */
const statuses: Readonly<Record<ErrorCode, number>> = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  lease_lost: 409,
  stale_cursor: 409,
  too_large: 413,
  unsupported_media_type: 415,
  unprocessable: 422,
  partial_failure: 422,
  throttled: 429,
  headers_too_large: 431,
  misconfigured: 500,
  internal: 500,
  unsupported: 501,
  unavailable: 503,
  unknown_outcome: 504,
}

const titles: Readonly<Record<ErrorCode, string>> = {
  invalid_argument: 'A field is wrong',
  unauthenticated: 'No valid key',
  permission_denied: 'The key may not do this',
  not_found: 'There is no such thing',
  method_not_allowed: 'Another method is needed',
  conflict: 'It is not in the expected state',
  lease_lost: 'The lease is no longer held',
  stale_cursor: 'The cursor leads nowhere any more',
  too_large: 'Too large',
  unsupported_media_type: 'This media type is not taken',
  unprocessable: 'Understood, but not possible',
  partial_failure: 'Some items failed',
  throttled: 'Too many requests',
  headers_too_large: 'The headers are too large',
  misconfigured: 'The gateway is misconfigured',
  internal: 'The gateway failed',
  unsupported: 'The broker cannot do this',
  unavailable: 'Not available now',
  unknown_outcome: 'The outcome is unknown',
}

/** What each code means and what to do about it; the page behind `type`. */
const meanings: Readonly<Record<ErrorCode, string>> = {
  invalid_argument:
    'The request is not well formed. `errors` points at each field and says what it must be. Change it and send it again.',
  unauthenticated:
    'Send a key: `Authorization: Bearer slk_…`. A key that was revoked, or is unknown, looks the same. A webhook to `/v1/hooks/…` needs its sender’s signature instead.',
  permission_denied:
    'The key is valid, and none of its scopes allows this. Ask the operator for the scope that `detail` names.',
  not_found:
    'It does not exist, or no scope of the key can see it. Topics are declared in the configuration; `sluice dev` creates them on first use.',
  method_not_allowed: 'The path exists, and takes the methods that the `Allow` header lists.',
  conflict:
    'Something else changed or holds it: read it again, then decide. An `Idempotency-Key` whose first request still runs answers this too.',
  lease_lost:
    'The lease ran out, was replaced or was never given. Nothing was settled; the event is delivered again, so settle that delivery.',
  stale_cursor:
    'The place is beyond retention, or belongs to a log that the topic is not bound to any more. Read again from `earliest`, `latest` or a time.',
  too_large: 'A limit in bytes or in items was exceeded, and nothing was stored. `detail` has the limit.',
  unsupported_media_type:
    'Publish as `application/cloudevents+json`, `application/cloudevents-batch+json`, `application/x-ndjson`, in binary mode, or as plain data.',
  unprocessable:
    'The request is well formed and contradicts something, such as an `Idempotency-Key` that was used with another payload.',
  partial_failure:
    '`results` says of each item whether it was stored, failed, or is unknown. 503: send those that were not stored again, with their ids. 422: they will fail again as they are.',
  throttled: 'Slow down and send it again after `Retry-After` seconds. Nothing was done.',
  headers_too_large: 'The headers are over the limit in bytes or in number.',
  misconfigured: 'The operator must act: the log of the gateway names the setting.',
  internal: 'A defect of the gateway. Its log has the cause under the `instance` of the answer.',
  unsupported:
    '`capability` names what the broker behind the topic cannot do. Bind the topic to a broker that can, or do without.',
  unavailable:
    'The broker, the store or the gateway cannot take it now. Nothing was done; send it again after `Retry-After` seconds.',
  unknown_outcome:
    'The broker did not answer in time and may have stored the event. Publish it again with the id in the answer: within the deduplication window of the topic it is stored once.',
}

export interface ItemResult {
  readonly id: string | null
  readonly status: string
  readonly error?: ItemError
}

export interface ProblemExtras {
  readonly status?: number
  readonly results?: readonly ItemResult[]
  readonly headers?: Readonly<Record<string, string>>
}

/** Names one occurrence of a problem, in the answer and in the log. */
export function newInstance(): string {
  return `urn:uuid:${crypto.randomUUID()}`
}

/** The error as a response (RFC 9457). `instance` names this one occurrence, in the log too. */
export function problem(error: GatewayError, instance: string, extras: ProblemExtras = {}): Response {
  const status = extras.status ?? statuses[error.code]
  const body: Problem = {
    type: `/problems/${error.code}`,
    title: titles[error.code],
    status,
    detail: error.message,
    code: error.code,
    instance,
    ...(error.errors !== undefined && { errors: error.errors }),
    ...(error.capability !== undefined && { capability: error.capability }),
    ...(extras.results !== undefined && { results: extras.results }),
  }
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', ...extras.headers }
  if (status === 429 || status === 503) {
    headers['retry-after'] = String(Math.max(1, Math.ceil((error.retryAfterMs ?? 1000) / 1000)))
  }
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  return new Response(JSON.stringify(body), { status, headers })
}

interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly instance: string
  readonly errors?: readonly FieldError[]
  readonly capability?: string
  readonly results?: readonly ItemResult[]
}

/** Several results of which some were not stored. */
export function partialFailure(results: readonly ItemResult[]): Response {
  const failed = results.filter((result) => result.status !== 'stored')
  const retry = failed.some(
    ({ status, error }) => status === 'unknown' || (error !== undefined && new GatewayError(error.code, '').retryable),
  )
  const detail = `${failed.length} of ${results.length} events were not stored; results says which and why.`
  return problem(new GatewayError('partial_failure', detail), newInstance(), { status: retry ? 503 : 422, results })
}

/** The page behind a problem's `type`, for people. */
export function problemPage(code: string): Response | undefined {
  const known = errorCodes.find((candidate) => candidate === code)
  if (known === undefined) return undefined
  const text = `# ${known}\n\n${titles[known]} (HTTP ${known === 'partial_failure' ? '422 or 503' : statuses[known]}).\n\n${meanings[known]}\n`
  return new Response(text, { headers: { 'content-type': 'text/markdown; charset=utf-8' } })
}
