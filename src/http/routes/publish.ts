import { z } from 'zod'
import { requireAtomic, requireDelay } from '../../core/capabilities.ts'
import { Ids, Timestamps } from '../../core/clock.ts'
import { parseDuration } from '../../core/duration.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import type { Defaults } from '../../core/structured.ts'
import type { OpenTopic, SubmitOptions } from '../../core/topic.ts'
import { systemTopic } from '../../core/topic-name.ts'
import { announcedBytes, budgetOf, readBody } from '../body.ts'
import type { Gateway } from '../gateway.ts'
import { idempotent } from '../idempotency.ts'
import { partialFailure } from '../problem.ts'
import { bodyLimit, type Form, formOf, parseEvents } from '../publish-forms.ts'
import { RequestTrace } from '../publish-trace.ts'
import { answerOne, countResults, itemOf, receipt } from '../receipts.ts'
import { type Call, findTopic, param, parameters, type Route, validate } from '../route.ts'
import { duration, flag, newCloudEvent, receiptLine, stored, storedItem } from '../schemas.ts'
import { type PublishIntent, publishLines } from './publish-ndjson.ts'

export function publishRoutes(gateway: Gateway): Route[] {
  const ids = new Ids(gateway.clock)
  const timestamps = new Timestamps()
  const budget = budgetOf(gateway)
  const options = {
    delay: duration(gateway.limits.delay).optional(),
    atomic: flag.optional(),
    key: z.string().optional(),
  }
  const anyForm = z.strictObject(options)
  const plainForm = z.strictObject({
    ...options,
    type: z.string().optional(),
    subject: z.string().optional(),
    source: z.string().optional(),
    id: z.string().optional(),
    time: z.string().optional(),
  })

  function defaultsFor(topic: string): Defaults {
    return {
      id: () => ids.uuid(),
      time: () => timestamps.format(gateway.clock.now()),
      source: `/topics/${topic}`,
    }
  }

  function parametersFor(call: Call, known: OpenTopic | undefined, form: Form): z.output<typeof plainForm> {
    const given = parameters(call)
    // A capability that lacks comes before a field that is wrong; what cannot be read as it stands is refused after.
    if (known !== undefined) {
      // What is over the gateway's own limit is refused as that, and not as the broker's.
      const delayMs = Math.min(parseDuration(given.delay ?? '') ?? 0, gateway.limits.delay)
      gate(known, { delayMs, atomic: given.atomic === 'true' })
    }
    return validate(form === 'plain' ? plainForm : anyForm, given, 'query parameter')
  }

  async function publish(call: Call): Promise<Response> {
    const name = param(call, 'topic')
    const known = findTopic(call, 'publish')
    if (name === systemTopic) throw onlyTheGateway()
    const form = formOf(call.request)
    const wanted = call.request.url.includes('?') ? parametersFor(call, known, form) : {}
    const intent = { delayMs: wanted.delay ?? 0, atomic: wanted.atomic ?? false }
    if (form === 'ndjson') return publishLines(call, known, intent, wanted.key, defaultsFor(name))
    const trace = RequestTrace.begin(gateway, name, call.request.headers)
    const limit = bodyLimit(gateway, form)
    budget.check(Math.min(announcedBytes(call.request), limit))
    const share = budget.share()
    try {
      const body = await readBody(call, limit, share.hold)
      const parsed = parseEvents(call, form, body, wanted, defaultsFor(name))
      const events = trace === undefined ? parsed : parsed.map((event) => trace.apply(event))
      const topic = known ?? (await call.gateway.topics.create(name))
      if (known === undefined) gate(topic, intent)
      if (intent.atomic) requireAtomic(topic.broker.capabilities, events.length)
      let bytes = 0
      for (let i = 0; i < events.length; i++) {
        bytes += topic.publisher.checkSize(events[i]!, form === 'batch' ? `/${i}` : '')
      }
      const publishing = (final: readonly Event[]) =>
        send(call, topic, final, { ...intent, bytes }, form === 'batch', trace)
      if (!call.request.headers.has('idempotency-key')) return await publishing(events)
      return await idempotent(call, name, body, events, publishing)
    } catch (thrown) {
      trace?.failed(thrown)
      throw thrown
    } finally {
      share.hold(0)
      trace?.end()
    }
  }

  return [
    {
      method: 'POST',
      path: '/v1/topics/:topic/events',
      access: 'key',
      handle: publish,
      doc: {
        summary: 'Publish one event, a batch or a stream of lines',
        tag: 'Publish',
        query: plainForm,
        headers: z.object({ 'Idempotency-Key': z.string() }),
        body: {
          'application/cloudevents+json': newCloudEvent,
          'application/cloudevents-batch+json': z.array(newCloudEvent).min(1).max(gateway.limits.batchEvents),
          'application/x-ndjson': z.string(),
          '*/*': z.unknown(),
        },
        answers: {
          200: {
            'application/json': z.union([stored, z.strictObject({ results: z.array(storedItem) })]),
            'application/x-ndjson': receiptLine,
          },
        },
      },
    },
  ]
}

/** Its events say what the gateway did: subscribers must be able to believe them. */
function onlyTheGateway(): GatewayError {
  return new GatewayError(
    'permission_denied',
    `Only the gateway publishes to ${systemTopic}; it can be subscribed and read.`,
  )
}

function gate(topic: OpenTopic, intent: PublishIntent): void {
  if (intent.delayMs > 0) requireDelay(topic.broker.capabilities, intent.delayMs)
  if (intent.atomic) requireAtomic(topic.broker.capabilities, 1)
}

async function send(
  call: Call,
  topic: OpenTopic,
  events: readonly Event[],
  options: SubmitOptions,
  several: boolean,
  trace: RequestTrace | undefined,
): Promise<Response> {
  const results = await topic.publisher.publish(events, options)
  trace?.published(results)
  countResults(call.gateway, topic.name, results)
  if (!several) return answerOne(call.gateway, topic.name, results[0]!)
  if (results.every(({ status }) => status === 'stored')) {
    return new Response(`{"results":[${results.map(receipt).join(',')}]}`, { headers: jsonHeaders })
  }
  return partialFailure(results.map(itemOf))
}

const jsonHeaders = { 'content-type': 'application/json' }
