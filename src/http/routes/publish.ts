import { z } from 'zod'
import { parseBinary } from '../../core/binary.ts'
import type { PublishResult } from '../../core/broker.ts'
import { requireAtomic, requireDelay } from '../../core/capabilities.ts'
import { Ids, Timestamps } from '../../core/clock.ts'
import { parseDuration } from '../../core/duration.ts'
import { GatewayError, invalid } from '../../core/errors.ts'
import { checkAttribute, type Event, isJsonType } from '../../core/event.ts'
import { scanValue } from '../../core/scan.ts'
import { type Defaults, notJson, parseStructured, splitBatch } from '../../core/structured.ts'
import { announcedBytes, MemoryBudget, readBody } from '../body.ts'
import type { Gateway, OpenTopic } from '../gateway.ts'
import { idempotent } from '../idempotency.ts'
import { newInstance, partialFailure, problem } from '../problem.ts'
import { type Call, findTopic, param, parameters, type Route, validate } from '../route.ts'
import { duration, flag, newCloudEvent, receiptLine, stored, storedItem } from '../schemas.ts'
import { publishLines } from './publish-ndjson.ts'

/** What a publish asks for beside its events. */
export interface PublishIntent {
  readonly delayMs: number
  readonly atomic: boolean
}

const plainAttributes = ['type', 'key', 'subject', 'source', 'id', 'time'] as const

export function publishRoutes(gateway: Gateway): Route[] {
  const ids = new Ids(gateway.clock)
  const timestamps = new Timestamps()
  const budget = new MemoryBudget(gateway.limits.inFlightBytes)
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

  async function publish(call: Call): Promise<Response> {
    const name = param(call, 'topic')
    const known = findTopic(call, 'publish')
    const form = formOf(call.request)
    const given = parameters(call)
    // A capability that lacks comes before a field that is wrong; what cannot be read as it stands is refused after.
    if (known !== undefined)
      gate(known, { delayMs: parseDuration(given.delay ?? '') ?? 0, atomic: given.atomic === 'true' })
    const wanted = validate(form === 'plain' ? plainForm : anyForm, given, 'query parameter')
    const intent = { delayMs: wanted.delay ?? 0, atomic: wanted.atomic ?? false }
    if (form === 'ndjson') return publishLines(call, known, intent, wanted.key, defaultsFor(name), budget)
    const limit = bodyLimit(gateway, form)
    budget.check(Math.min(announcedBytes(call.request), limit))
    const share = budget.share()
    try {
      const body = await readBody(call, limit, share.hold)
      const events = parse(call, form, body, wanted, defaultsFor(name))
      const topic = known ?? (await call.gateway.topics.create(name))
      if (known === undefined) gate(topic, intent)
      if (intent.atomic) requireAtomic(topic.broker.capabilities, events.length)
      for (let i = 0; i < events.length; i++) topic.publisher.checkSize(events[i]!, form === 'batch' ? `/${i}` : '')
      if (!call.request.headers.has('idempotency-key')) return await send(call, topic, events, intent, form === 'batch')
      return await idempotent(call, body, events, (final) => send(call, topic, final, intent, form === 'batch'))
    } finally {
      share.hold(0)
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

type Form = 'structured' | 'batch' | 'ndjson' | 'binary' | 'plain'

function formOf(request: Request): Form {
  const type = request.headers.get('content-type')
  if (type !== null) {
    const essence = type.split(';', 1)[0]!.trim().toLowerCase()
    if (essence === 'application/cloudevents+json') return 'structured'
    if (essence === 'application/cloudevents-batch+json') return 'batch'
    if (essence === 'application/x-ndjson') return 'ndjson'
    if (essence.startsWith('application/cloudevents')) {
      throw new GatewayError('unsupported_media_type', `CloudEvents come in JSON here, not as ${essence}.`)
    }
  }
  return request.headers.has('ce-specversion') ? 'binary' : 'plain'
}

/** JSON writes a byte of data in up to two, with escapes or in base64; what is over the event's limit is found after. */
function bodyLimit(gateway: Gateway, form: Form): number {
  if (form === 'batch') return gateway.limits.batchBytes
  return form === 'structured' ? gateway.limits.event * 2 : gateway.limits.event
}

function gate(topic: OpenTopic, intent: PublishIntent): void {
  if (intent.delayMs > 0) requireDelay(topic.broker.capabilities, intent.delayMs)
  if (intent.atomic) requireAtomic(topic.broker.capabilities, 1)
}

function parse(
  call: Call,
  form: Form,
  body: Uint8Array,
  wanted: { readonly [name: string]: unknown },
  defaults: Defaults,
): Event[] {
  const { limits } = call.gateway
  if (form === 'plain') return [plainEvent(call, body, wanted, defaults)]
  const key = typeof wanted.key === 'string' ? wanted.key : undefined
  if (form === 'binary') return [withKey(parseBinary(call.request.headers, body, defaults), key)]
  if (form === 'structured') {
    return [withKey(parseStructured(body, 0, body.length, limits.depth, defaults), key)]
  }
  const places = splitBatch(body, limits.depth)
  if (places.length === 0) throw invalid('', 'A batch has at least one event.')
  if (places.length > limits.batchEvents) {
    throw new GatewayError(
      'too_large',
      `A batch has at most ${limits.batchEvents} events; ${places.length} were given.`,
    )
  }
  return places.map(([from, to], i) => withKey(parseStructured(body, from, to, limits.depth, defaults, `/${i}`), key))
}

/** The query's key is the ordering key of every event that has none of its own; contradicting one is refused. */
export function withKey(event: Event, key: string | undefined): Event {
  if (key === undefined) return event
  const own = event.attributes.partitionkey
  if (own === key) return event
  if (own !== undefined) throw invalid('/key', 'The key contradicts the partitionkey of the event.')
  checkParameter('key', 'partitionkey', key)
  return { ...event, attributes: { ...event.attributes, partitionkey: key } }
}

/** Checks an attribute that came in the query; what is refused there is the parameter. */
function checkParameter(name: string, attribute: string, value: string): void {
  try {
    checkAttribute(attribute, value, '')
  } catch (error) {
    throw invalid(`/${name}`, (error as Error).message)
  }
}

function plainEvent(
  call: Call,
  body: Uint8Array,
  wanted: { readonly [name: string]: unknown },
  defaults: Defaults,
): Event {
  const attributes: Record<string, string> & { specversion: '1.0' } = {
    specversion: '1.0',
    id: '',
    source: '',
    type: '',
  }
  for (const name of plainAttributes) {
    const value = wanted[name]
    if (typeof value !== 'string') continue
    const attribute = name === 'key' ? 'partitionkey' : name
    checkParameter(name, attribute, value)
    attributes[attribute] = value
  }
  if (attributes.id === '') attributes.id = defaults.id()
  if (attributes.source === '') attributes.source = defaults.source
  if (attributes.type === '') attributes.type = param(call, 'topic')
  attributes.time ??= defaults.time()
  const type = call.request.headers.get('content-type')
  const complete = attributes as typeof attributes & { id: string; source: string; type: string }
  if (type === null) return body.length === 0 ? { attributes: complete } : { attributes: complete, data: body }
  checkAttribute('datacontenttype', type, '')
  attributes.datacontenttype = type
  if (!isJsonType(type)) return { attributes: complete, data: body }
  try {
    const spaced = scanValue(body, 0, body.length, call.gateway.limits.depth)
    return { attributes: complete, data: body, form: spaced ? 'json-spaced' : 'json' }
  } catch (error) {
    throw notJson(error, '')
  }
}

async function send(
  call: Call,
  topic: OpenTopic,
  events: readonly Event[],
  intent: PublishIntent,
  several: boolean,
): Promise<Response> {
  const results = await topic.publisher.publish(events, intent)
  countResults(call.gateway, topic.name, results)
  if (!several) return one(topic.name, results[0]!)
  if (results.every(({ status }) => status === 'stored')) {
    return new Response(`{"results":[${results.map(receipt).join(',')}]}`, { headers: jsonHeaders })
  }
  return partialFailure(results)
}

const jsonHeaders = { 'content-type': 'application/json' }

function one(topic: string, result: PublishResult): Response {
  if (result.status === 'stored') {
    // Topic names need no escaping. The receipt ends with a brace; the topic goes before it.
    return new Response(`${receipt(result).slice(0, -1)},"topic":"${topic}"}`, { headers: jsonHeaders })
  }
  // Whatever an adapter names as the reason: what may be stored already is never told as a plain failure.
  const code = result.status === 'unknown' ? 'unknown_outcome' : result.error.code
  return problem(new GatewayError(code, result.error.detail), newInstance(), { results: [result] })
}

/** A result as JSON, by hand: this runs once an event. */
export function receipt(result: PublishResult): string {
  if (result.status !== 'stored') return JSON.stringify(result)
  const position = result.position === undefined ? '' : `,"position":${JSON.stringify(result.position)}`
  const duplicate = result.duplicate === true ? ',"duplicate":true' : ''
  return `{"id":${JSON.stringify(result.id)},"status":"stored"${position}${duplicate}}`
}

export function countResults(gateway: Gateway, topic: string, results: readonly PublishResult[]): void {
  let stored = 0
  let duplicates = 0
  let failed = 0
  for (const result of results) {
    if (result.status === 'failed') failed++
    else if (result.status === 'stored' && result.duplicate === true) duplicates++
    else if (result.status === 'stored') stored++
  }
  const unknown = results.length - stored - duplicates - failed
  const { metrics } = gateway
  if (stored > 0) metrics.published(topic, 'stored', stored)
  if (duplicates > 0) metrics.published(topic, 'duplicate', duplicates)
  if (failed > 0) metrics.published(topic, 'failed', failed)
  if (unknown > 0) metrics.published(topic, 'unknown', unknown)
}
