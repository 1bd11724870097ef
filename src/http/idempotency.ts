import { GatewayError, invalid } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import type { Call } from './route.ts'

/** Visible ASCII but the comma: two headers arrive joined by one, and must not pass as a key. */
const keyPattern = /^[\x21-\x2b\x2d-\x7e]{1,255}$/

/** Statuses that say that nothing was stored and that asking again may help; anything else is for good. */
const temporary = new Set([429, 500, 503, 504])

/**
 * How much longer than the publish itself a claim lasts: a handler that still runs must not be run beside, and after a
 * crash a retry waits for no longer than it must. A publish ends at most two seconds after its deadline.
 */
const marginMs = 5000

/**
 * Runs `publish` once for each `Idempotency-Key`: the same key and payload gets the first answer, byte for byte; a key
 * whose first request still runs is a `conflict`, one that came with another payload is `unprocessable`. The ids of the
 * events are durable before anything is published, so that a retry after an unknown outcome carries the same ones.
 */
export async function idempotent(
  call: Call,
  topic: string,
  body: Uint8Array,
  events: readonly Event[],
  publish: (events: readonly Event[]) => Promise<Response>,
): Promise<Response> {
  const { gateway, request, access } = call
  const key = request.headers.get('idempotency-key') ?? ''
  if (!keyPattern.test(key)) {
    throw invalid(
      '/idempotency-key',
      'An Idempotency-Key is given once: 1 to 255 visible ASCII characters without commas.',
    )
  }
  const scope = gateway.sha256(JSON.stringify([access.key?.id ?? '', 'publish', topic, key]))
  const begun = await gateway.store.idempotency.begin({
    scope,
    fingerprint: fingerprint(call, body),
    ids: events.map(({ attributes }) => attributes.id),
    leaseMs: gateway.limits.publishDeadline + marginMs,
    now: gateway.clock.now(),
  })
  if (begun.kind === 'running') {
    throw new GatewayError('conflict', 'The first request with this Idempotency-Key still runs.')
  }
  if (begun.kind === 'mismatch') {
    throw new GatewayError('unprocessable', 'This Idempotency-Key was used with another payload.')
  }
  if (begun.kind === 'done') {
    const { status, headers, body: answer } = begun.answer
    return new Response(Uint8Array.from(answer), { status, headers })
  }
  const { token, ids } = begun
  let response: Response
  try {
    response = await publish(events.map((event, i) => withId(event, ids[i] ?? event.attributes.id)))
  } catch (error) {
    await gateway.store.idempotency.release(scope, token)
    throw error
  }
  if (temporary.has(response.status)) {
    await gateway.store.idempotency.release(scope, token)
    return response
  }
  const answer = new Uint8Array(await response.arrayBuffer())
  const headers = { 'content-type': response.headers.get('content-type') ?? 'application/json' }
  await gateway.store.idempotency
    .finish(scope, token, { status: response.status, headers, body: answer })
    // The events are stored, and that is what the caller must hear; a retry carries the same ids.
    .catch((error) => gateway.log('warn', 'An idempotent answer could not be remembered.', { cause: String(error) }))
  return new Response(answer, { status: response.status, headers })
}

function withId(event: Event, id: string): Event {
  return event.attributes.id === id ? event : { ...event, attributes: { ...event.attributes, id } }
}

/** What makes the payload: bytes, content type and query, and in binary mode the attributes, which are headers there. */
function fingerprint(call: Call, body: Uint8Array): string {
  const { headers, url } = call.request
  const attributes = [...headers].filter(([name]) => name.startsWith('ce-') || name === 'content-type').sort()
  return call.gateway.sha256(JSON.stringify([attributes, new URL(url).search, call.gateway.sha256(body)]))
}
