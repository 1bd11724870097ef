import { z } from 'zod'
import type { PublishResult } from '../../core/broker.ts'
import { Timestamps } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import type { Hook } from '../../core/hook.ts'
import type { OpenTopic } from '../../core/topic.ts'
import { providers } from '../../webhook/providers/index.ts'
import { payloadOf } from '../../webhook/providers/payload.ts'
import { announcedBytes, budgetOf, readBody } from '../body.ts'
import type { Gateway } from '../gateway.ts'
import { type EventMaker, eventMaker } from '../hook-event.ts'
import { RequestTrace } from '../publish-trace.ts'
import { answerOne, countResults } from '../receipts.ts'
import { type Call, param, type Route } from '../route.ts'
import { stored } from '../schemas.ts'

/** How much longer than the publish itself a claim lasts, as for an Idempotency-Key. */
const marginMs = 5000

export function hookRoutes(gateway: Gateway): Route[] {
  const timestamps = new Timestamps()
  const budget = budgetOf(gateway)
  const makers = new Map<string, EventMaker>()
  for (const [name, hook] of gateway.hooks) makers.set(name, eventMaker(name, hook, gateway.limits.depth))

  async function receive(call: Call): Promise<Response> {
    const name = param(call, 'source')
    const hook = gateway.hooks.get(name)
    const make = makers.get(name)
    if (hook === undefined || make === undefined) {
      throw new GatewayError('not_found', 'There is no such hook. Hooks are declared in the configuration.')
    }
    const limit = gateway.limits.event
    budget.check(Math.min(announcedBytes(call.request), limit))
    const share = budget.share()
    try {
      const body = await readBody(call, limit, share.hold)
      const signature = await verified(call, hook, body)
      const { headers } = call.request
      const reply = providers[hook.provider].reply?.(payloadOf(headers.get('content-type'), body, gateway.limits.depth))
      if (reply !== undefined) return reply
      const time = timestamps.format(gateway.clock.now())
      const event = make({ headers, body, signature: gateway.sha256(signature), time })
      return await publishOnce(gateway, name, topicOf(gateway, hook), event)
    } finally {
      share.hold(0)
    }
  }

  return [
    {
      method: 'POST',
      path: '/v1/hooks/:source',
      access: 'public',
      handle: receive,
      doc: {
        summary: 'Take a webhook of a configured source, known by its signature',
        tag: 'Hooks',
        body: { '*/*': z.unknown() },
        answers: { 200: { 'application/json': z.union([stored, z.strictObject({ challenge: z.string() })]) } },
      },
    },
  ]
}

/** The signature that is right. Whatever is wrong, the answer is the same: a forger learns nothing from it. */
async function verified(call: Call, hook: Hook, body: Uint8Array<ArrayBuffer>): Promise<string> {
  const { headers, url } = call.request
  const at = url.indexOf('?')
  const query = at < 0 ? '' : url.slice(at)
  const now = call.gateway.clock.now()
  const request = { headers, body, query, url: hook.url, secrets: hook.secrets, now }
  const signature = await providers[hook.provider].verify(request)
  if (signature === undefined) throw new GatewayError('unauthenticated', 'The signature is not valid.')
  return signature
}

function topicOf(gateway: Gateway, hook: Hook): OpenTopic {
  const topic = gateway.topics.resolve(hook.topic)
  if (topic === undefined) throw new GatewayError('misconfigured', `The topic ${hook.topic} of a hook is not open.`)
  return topic
}

/**
 * Publishes an event whose id was not here within the last day: some providers sign no time, so that a request which is
 * sent again is right for ever, and few brokers remember ids for that long. Only what is certainly stored is remembered.
 * The body does not matter: of the same id, a retry may hold another count of retries.
 */
async function publishOnce(gateway: Gateway, name: string, topic: OpenTopic, event: Event): Promise<Response> {
  const { idempotency } = gateway.store
  const bytes = topic.publisher.checkSize(event)
  const scope = gateway.sha256(JSON.stringify(['hook', name, event.attributes.id]))
  const leaseMs = gateway.limits.publishDeadline + marginMs
  const begun = await idempotency.begin({ scope, fingerprint: '', ids: [], leaseMs, now: gateway.clock.now() })
  if (begun.kind === 'done') {
    gateway.metrics.published(topic.name, 'duplicate', 1)
    return new Response(Uint8Array.from(begun.answer.body), { headers: begun.answer.headers })
  }
  if (begun.kind !== 'started') {
    throw new GatewayError('conflict', 'The same webhook is being taken right now.')
  }
  // A trace begins here: whoever sent it signed no trace of its own.
  const trace = RequestTrace.begin(gateway, topic.name, undefined)
  let results: readonly PublishResult[]
  try {
    results = await topic.publisher.publish([trace?.apply(event) ?? event], { bytes })
    trace?.published(results)
  } catch (error) {
    trace?.failed(error)
    await idempotency.release(scope, begun.token)
    throw error
  } finally {
    trace?.end()
  }
  countResults(gateway, topic.name, results)
  const result = results[0]!
  if (result.status !== 'stored') {
    await idempotency.release(scope, begun.token)
    return answerOne(gateway, topic.name, result)
  }
  const again = answerOne(gateway, topic.name, { ...result, duplicate: true })
  const headers = { 'content-type': 'application/json' }
  await idempotency
    .finish(scope, begun.token, { status: 200, headers, body: new Uint8Array(await again.arrayBuffer()) })
    // The event is stored, and that is what the sender must hear.
    .catch((error) => gateway.log('warn', 'A webhook could not be remembered.', { cause: String(error) }))
  return answerOne(gateway, topic.name, result)
}
