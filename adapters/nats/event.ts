import type { MsgHdrs } from '@nats-io/transport-node'
import {
  type Attributes,
  type AttributeValue,
  checkAttribute,
  type Event,
  parseStructured,
} from '../../src/core/index.ts'
import { dataHeader, decodeValue, typesHeader } from './codec.ts'

const maxDepth = 64

/** What a stream keeps of one message. */
export interface StoredMessage {
  readonly subject: string
  readonly headers: MsgHdrs | undefined
  readonly data: Uint8Array
  readonly seq: number
  /** In milliseconds. */
  readonly storedAt: number
}

/**
 * The event of a message: in the binary or structured mode of the CloudEvents NATS binding, or of whatever else was
 * published there: its payload is the data then, its subject the subject. Never throws: what others wrote into a stream
 * must not stop its readers.
 */
export function decodeEvent(message: StoredMessage, topic: string): Event {
  const { headers, data } = message
  if (headers === undefined) return plain(message, topic, undefined)
  const attributes: Record<string, AttributeValue> = { specversion: '', id: '', source: '', type: '' }
  const trace: Record<string, string> = {}
  let types: string | undefined
  let form: string | undefined
  for (const [written, [value = '']] of headers) {
    const header = written.toLowerCase()
    if (header.startsWith('ce-')) setAttribute(attributes, header.slice(3), decodeValue(value))
    else if (header === 'content-type') setAttribute(attributes, 'datacontenttype', decodeValue(value))
    else if (header === 'traceparent' || header === 'tracestate') trace[header] = decodeValue(value)
    else if (header === typesHeader) types = value
    else if (header === dataHeader) form = value
  }
  if (attributes.specversion !== '1.0' || attributes.id === '' || attributes.source === '' || attributes.type === '') {
    return structured(message, topic, attributes.datacontenttype) ?? plain(message, topic, attributes.datacontenttype)
  }
  if (types !== undefined) giveTypes(attributes, types)
  for (const name in trace) if (attributes[name] === undefined) setAttribute(attributes, name, trace[name]!)
  const complete = attributes as unknown as Attributes
  const isAbsent =
    data.length === 0 && (form ?? (attributes.datacontenttype === undefined ? 'absent' : '')) === 'absent'
  return isAbsent ? { attributes: complete } : { attributes: complete, data }
}

/** `types` as `headersOf` wrote it. What does not fit stays text: anybody may have written it. */
function giveTypes(attributes: Record<string, AttributeValue>, types: string): void {
  for (const entry of types.split(',')) {
    const [name = '', type] = entry.split('=')
    const text = attributes[name]
    if (typeof text !== 'string') continue
    if (type === 'number' && /^-?\d{1,10}$/.test(text)) setAttribute(attributes, name, Number(text))
    if (type === 'boolean' && (text === 'true' || text === 'false')) setAttribute(attributes, name, text === 'true')
  }
}

function structured(message: StoredMessage, topic: string, type: AttributeValue | undefined): Event | undefined {
  const { data, seq, storedAt } = message
  if (typeof type !== 'string' || !/^application\/cloudevents\+json\s*(;|$)/i.test(type)) return undefined
  try {
    return parseStructured(data, 0, data.length, maxDepth, {
      id: () => String(seq),
      time: () => new Date(storedAt).toISOString(),
      source: sourceOf(topic),
    })
  } catch {
    return undefined
  }
}

/** A message that is no CloudEvent. Of its headers those are kept whose names an attribute can have. */
function plain(message: StoredMessage, topic: string, type: AttributeValue | undefined): Event {
  const { subject, headers, data, seq, storedAt } = message
  const attributes: Record<string, AttributeValue> = {
    specversion: '1.0',
    id: String(seq),
    source: sourceOf(topic),
    type: topic,
    time: new Date(storedAt).toISOString(),
  }
  setAttribute(attributes, 'subject', subject)
  if (type !== undefined) attributes.datacontenttype = type
  for (const [name, [value = '']] of headers ?? []) {
    if (attributes[name] === undefined) setAttribute(attributes, name, decodeValue(value))
  }
  return { attributes: attributes as unknown as Attributes, data }
}

function sourceOf(topic: string): string {
  return `/nats/${topic}`
}

/** Leaves out what is no valid attribute. */
function setAttribute(attributes: Record<string, AttributeValue>, name: string, value: AttributeValue): void {
  try {
    checkAttribute(name, value, '')
    attributes[name] = value
  } catch {
    // It stays as it was.
  }
}
