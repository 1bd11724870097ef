import { parseBinary } from '../core/binary.ts'
import { GatewayError, invalid } from '../core/errors.ts'
import { checkAttribute, type Event, isJsonType } from '../core/event.ts'
import { scanValue } from '../core/scan.ts'
import { type Defaults, notJson, parseStructured, splitBatch } from '../core/structured.ts'
import type { Gateway } from './gateway.ts'
import { type Call, param } from './route.ts'

const plainAttributes = ['type', 'key', 'subject', 'source', 'id', 'time'] as const

export type Form = 'structured' | 'batch' | 'ndjson' | 'binary' | 'plain'

export function formOf(request: Request): Form {
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
export function bodyLimit(gateway: Gateway, form: Form): number {
  if (form === 'batch') return gateway.limits.batchBytes
  return form === 'structured' ? gateway.limits.event * 2 : gateway.limits.event
}

export function parseEvents(
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
