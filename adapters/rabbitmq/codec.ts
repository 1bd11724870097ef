import type { ConsumeMessage, Options } from 'amqplib'
import {
  type Attributes,
  type AttributeValue,
  checkAttribute,
  type Event,
  GatewayError,
  parseStructured,
  utf8Length,
} from '../../src/core/index.ts'

/** As the binding writes them; JMS clients cannot have a colon in a name (CloudEvents AMQP binding 1.0.2, section 3.1.3.1). */
const prefix = 'cloudEvents:'
const jmsPrefix = 'cloudEvents_'
/** AMQP does not tell empty data from none. None is the usual case, so empty data is marked. */
const emptyHeader = 'sluice_empty'

/** Of a name, a routing key and a property. */
const shortMax = 255
/** The client's own bound for the table of headers. */
const tableMax = 65_536
/** What a frame of properties has besides headers and a content type. */
const frameOverhead = 512
const maxDepth = 64

export interface Message {
  readonly content: Buffer
  readonly options: Options.Publish
}

const none = Buffer.alloc(0)

/**
 * An event in the binary mode of the CloudEvents AMQP binding. Integers have 32 bits: the client's shortest form is read
 * as unsigned by others. Throws `too_large` where its attributes do not fit into one frame.
 */
export function encodeEvent({ attributes, data }: Event, frameMax: number): Message {
  const headers: Record<string, unknown> = {}
  const options: Options.Publish = { persistent: true, mandatory: true, headers }
  let bytes = 0
  for (const name in attributes) {
    const value = attributes[name]!
    if (name === 'datacontenttype' && typeof value === 'string' && utf8Length(value) <= shortMax) {
      options.contentType = value
      continue
    }
    const key = headerOf(name)
    headers[key] = typeof value === 'number' ? { '!': 'int', value } : value
    bytes += key.length + 6 + (typeof value === 'string' ? utf8Length(value) : 8)
    if (key.length > shortMax) throw tooLarge(`The name of attribute ${name.slice(0, 32)}… is too long for RabbitMQ.`)
    // Where tracing tools look for it.
    if (name === 'traceparent' || name === 'tracestate') {
      headers[name] = value
      bytes += key.length + 6 + utf8Length(String(value))
    }
  }
  if (data?.length === 0) headers[emptyHeader] = true
  const most = Math.min(tableMax, frameMax) - frameOverhead
  if (bytes > most) {
    throw tooLarge(
      `The attributes have ${bytes} bytes as headers of a message; RabbitMQ takes ${most}. Put more into data.`,
    )
  }
  return { content: data === undefined ? none : bufferOf(data), options }
}

function tooLarge(detail: string): GatewayError {
  return new GatewayError('too_large', detail)
}

function bufferOf(data: Uint8Array): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.length)
}

const headerNames = new Map<string, string>()
const headerNamesMax = 1000

/** The same few names come with every event. */
function headerOf(name: string): string {
  const known = headerNames.get(name)
  if (known !== undefined) return known
  const header = prefix + name
  if (headerNames.size < headerNamesMax) headerNames.set(name, header)
  return header
}

/** Whether a message is this event: what is given back to its publisher has no other name. */
export function isMessageOf(
  message: { properties: { headers?: Record<string, unknown> | undefined } },
  event: Event,
): boolean {
  const { headers = {} } = message.properties
  const { id, source } = event.attributes
  return headers[`${prefix}id`] === id && headers[`${prefix}source`] === source
}

/**
 * The event of a message: in the binary or structured mode of the binding, or of whatever else was published there. Never
 * throws: what others wrote must not stop a consumer.
 */
export function decodeEvent({ content, properties }: ConsumeMessage, topic: string): Event {
  const headers = (properties.headers ?? {}) as Record<string, unknown>
  const attributes: Record<string, AttributeValue> = { specversion: '', id: '', source: '', type: '' }
  for (const header in headers) {
    if (!header.startsWith(prefix) && !header.startsWith(jmsPrefix)) continue
    const name = header.slice(prefix.length)
    if (name !== 'data') tryAttribute(attributes, name, headers[header])
  }
  const contentType: unknown = properties.contentType
  if (attributes.specversion !== '1.0' || attributes.id === '' || attributes.source === '' || attributes.type === '') {
    return structured(content, contentType, topic) ?? plain(content, properties, headers, topic)
  }
  if (contentType !== undefined) tryAttribute(attributes, 'datacontenttype', contentType)
  for (const name of ['traceparent', 'tracestate']) {
    if (attributes[name] === undefined && headers[name] !== undefined) tryAttribute(attributes, name, headers[name])
  }
  const complete = attributes as unknown as Attributes
  return content.length === 0 && headers[emptyHeader] !== true
    ? { attributes: complete }
    : { attributes: complete, data: content }
}

function structured(content: Buffer, contentType: unknown, topic: string): Event | undefined {
  if (typeof contentType !== 'string' || !/^application\/cloudevents\+json\s*(;|$)/i.test(contentType)) return undefined
  try {
    return parseStructured(content, 0, content.length, maxDepth, {
      id: () => crypto.randomUUID(),
      time: () => new Date().toISOString(),
      source: sourceOf(topic),
    })
  } catch {
    return undefined
  }
}

/** A message that is no CloudEvent. Of its headers those are kept whose names an attribute can have. */
function plain(
  content: Buffer,
  properties: ConsumeMessage['properties'],
  headers: Record<string, unknown>,
  topic: string,
): Event {
  const { messageId, type, contentType, timestamp } = properties
  const attributes: Record<string, AttributeValue> = {
    specversion: '1.0',
    id: crypto.randomUUID(),
    source: sourceOf(topic),
    type: topic,
    time: new Date().toISOString(),
  }
  tryAttribute(attributes, 'id', messageId)
  tryAttribute(attributes, 'type', type)
  tryAttribute(attributes, 'time', { '!': 'timestamp', value: timestamp })
  for (const header in headers) {
    if (attributes[header] === undefined) tryAttribute(attributes, header, headers[header])
  }
  if (contentType !== undefined) tryAttribute(attributes, 'datacontenttype', contentType)
  return { attributes: attributes as unknown as Attributes, data: content }
}

function sourceOf(topic: string): string {
  return `/rabbitmq/${topic}`
}

/** Leaves out what no attribute can have: anybody may have written it. */
function tryAttribute(attributes: Record<string, AttributeValue>, name: string, value: unknown): void {
  try {
    const plain = timeOf(value) ?? value
    checkAttribute(name, plain, '')
    attributes[name] = plain
  } catch {
    // It stays as it was.
  }
}

/** A timestamp of AMQP, as the client gives it. */
function timeOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { '!': kind, value: seconds } = value as { '!'?: unknown; value?: unknown }
  return kind === 'timestamp' && typeof seconds === 'number' ? new Date(seconds * 1000).toISOString() : undefined
}
