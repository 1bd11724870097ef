import {
  type Attributes,
  type AttributeValue,
  checkAttribute,
  type Event,
  GatewayError,
  utf8Length,
} from '../../src/core/index.ts'

/** An attribute of a message, as both services have it. */
interface MessageAttribute {
  readonly DataType: string | undefined
  readonly StringValue?: string | undefined
}

export interface Encoded {
  readonly body: string
  readonly attributes: Record<string, { DataType: string; StringValue: string }>
  /** As AWS counts it: the body, and the names, types and values of attributes. */
  readonly bytes: number
}

/** What a dead letter says of its end. */
export interface Death {
  readonly reason: string
  readonly attempts: number
  readonly at: number
}

/** What does not fit into ten attributes of text, or would not survive: the attribute `sluice`, as JSON. */
interface Envelope {
  /** The body is base64, or stands for no data, or for data of no bytes: a body may not be empty. */
  readonly data?: 'base64' | 'empty' | 'none'
  readonly attributes?: Record<string, AttributeValue>
  readonly dead?: Death
}

const prefix = 'ce_'
const envelopeName = 'sluice'
const textType = 'String'
/** A message has ten; one is the envelope. */
const maxAttributes = 9
const maxNameLength = 200
const placeholder = '-'
/** What XML 1.0 does not have, and so no message (SQS, "Message content"). */
const foreign = /[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** An event as a message: each attribute one of the message's, the data its body. */
export function encodeEvent(event: Event, dead?: Death): Encoded {
  const attributes: Encoded['attributes'] = {}
  let packed: Record<string, AttributeValue> | undefined
  let count = 0
  let bytes = 0
  for (const name in event.attributes) {
    const value = event.attributes[name]!
    if (typeof value === 'string' && value !== '' && count < maxAttributes && name.length <= maxNameLength) {
      attributes[prefix + name] = { DataType: textType, StringValue: value }
      bytes += prefix.length + name.length + textType.length + utf8Length(value)
      count++
    } else {
      packed ??= {}
      packed[name] = value
    }
  }
  const { body, data } = encodeData(event.data)
  if (data !== undefined || packed !== undefined || dead !== undefined) {
    const envelope: Envelope = {
      ...(data !== undefined && { data }),
      ...(packed !== undefined && { attributes: packed }),
      ...(dead !== undefined && { dead }),
    }
    const text = printable(JSON.stringify(envelope))
    attributes[envelopeName] = { DataType: textType, StringValue: text }
    bytes += envelopeName.length + textType.length + utf8Length(text)
  }
  return { body, attributes, bytes: bytes + utf8Length(body) }
}

function encodeData(data: Uint8Array | undefined): { body: string; data?: Envelope['data'] } {
  if (data === undefined) return { body: placeholder, data: 'none' }
  if (data.length === 0) return { body: placeholder, data: 'empty' }
  const text = textOf(data)
  if (text !== undefined && !foreign.test(text)) return { body: text }
  return { body: Buffer.from(data.buffer, data.byteOffset, data.length).toString('base64'), data: 'base64' }
}

function textOf(data: Uint8Array): string | undefined {
  try {
    return decoder.decode(data)
  } catch {
    return undefined
  }
}

/** JSON escapes control characters and lone surrogates by itself, but not the two characters that XML lacks besides. */
function printable(json: string): string {
  return foreign.test(json) ? json.replace(/[^\x20-\x7e]/g, escapeUnit) : json
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** A message as it was received. */
export interface ReceivedMessage {
  readonly MessageId?: string | undefined
  readonly Body?: string | undefined
  readonly MessageAttributes?: Record<string, MessageAttribute> | undefined
  readonly Attributes?: Partial<Record<string, string>> | undefined
}

/**
 * The event of a message. What is none of ours is an event too, whose data is the body: what others put into a queue must
 * not stop its readers.
 */
export function decodeMessage(message: ReceivedMessage, topic: string): { event: Event; dead?: Death } {
  const envelope = envelopeOf(message)
  const attributes: Record<string, AttributeValue> = { specversion: '', id: '', source: '', type: '' }
  for (const [name, attribute] of Object.entries(message.MessageAttributes ?? {})) {
    if (name.startsWith(prefix)) set(attributes, name.slice(prefix.length), attribute.StringValue)
  }
  for (const [name, value] of Object.entries(envelope.attributes ?? {})) set(attributes, name, value)
  const dead = deathOf(envelope)
  const complete =
    attributes.specversion === '1.0' && attributes.id !== '' && attributes.source !== '' && attributes.type !== ''
  const event = complete ? eventOf(attributes, message.Body ?? '', envelope.data) : plain(message, topic)
  return dead === undefined ? { event } : { event, dead }
}

/** Whether a gateway sent it. */
export function isOurs({ MessageAttributes = {} }: ReceivedMessage): boolean {
  return `${prefix}specversion` in MessageAttributes || envelopeName in MessageAttributes
}

function eventOf(attributes: Record<string, AttributeValue>, body: string, data: Envelope['data']): Event {
  const complete = attributes as unknown as Attributes
  if (data === 'none') return { attributes: complete }
  if (data === 'empty') return { attributes: complete, data: new Uint8Array(0) }
  return { attributes: complete, data: Buffer.from(body, data === 'base64' ? 'base64' : 'utf8') }
}

function plain(
  { MessageId = '', Body = '', Attributes = {}, MessageAttributes = {} }: ReceivedMessage,
  topic: string,
): Event {
  const attributes: Record<string, AttributeValue> = {
    specversion: '1.0',
    id: MessageId,
    source: `/sqs/${topic}`,
    type: topic,
    time: new Date(Number(Attributes.SentTimestamp ?? Date.now())).toISOString(),
  }
  for (const [name, { StringValue }] of Object.entries(MessageAttributes)) {
    if (!(name in attributes)) set(attributes, name, StringValue)
  }
  if (attributes.partitionkey === undefined) set(attributes, 'partitionkey', Attributes.MessageGroupId)
  return { attributes: attributes as unknown as Attributes, data: Buffer.from(Body) }
}

/** Leaves out what is no valid attribute: anybody may have written it. */
function set(attributes: Record<string, AttributeValue>, name: string, value: unknown): void {
  try {
    checkAttribute(name, value, '')
    attributes[name] = value
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
  }
}

function envelopeOf({ MessageAttributes }: ReceivedMessage): Envelope {
  const text = MessageAttributes?.[envelopeName]?.StringValue
  if (text === undefined) return {}
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Envelope) : {}
  } catch {
    return {}
  }
}

function deathOf({ dead }: Envelope): Death | undefined {
  const { reason, attempts, at } = dead ?? {}
  if (typeof reason !== 'string' || typeof attempts !== 'number' || typeof at !== 'number') return undefined
  return { reason, attempts, at }
}
