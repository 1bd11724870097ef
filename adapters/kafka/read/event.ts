import {
  type Attributes,
  type AttributeValue,
  checkAttribute,
  type Event,
  parseStructured,
} from '../../../src/core/index.ts'
import { writePosition } from '../position.ts'
import { typesHeader } from '../produce/records.ts'
import type { RawRecord } from './fetch.ts'

const maxDepth = 64

/**
 * The event of a record: in the binary or structured mode of the CloudEvents Kafka binding (1.0.2, section 3), or of
 * whatever else was produced there: its value is the data then, its key the partition key. Never throws: what others
 * wrote into a topic must not stop its readers.
 */
export function decodeEvent(record: RawRecord, topic: string, partition: number): Event {
  const { key, value, headers } = record
  const attributes: Record<string, AttributeValue> = { specversion: '', id: '', source: '', type: '' }
  let traceparent: string | undefined
  let tracestate: string | undefined
  let types: string | undefined
  for (const [name, bytes] of headers) {
    if (name === null || bytes === null) continue
    const header = name.toString('latin1')
    if (header.startsWith('ce_')) {
      const attribute = header.slice(3)
      if (isName(attribute)) attributes[attribute] = bytes.toString()
    } else if (header === 'content-type') attributes.datacontenttype = bytes.toString()
    else if (header === 'traceparent') traceparent = bytes.toString()
    else if (header === 'tracestate') tracestate = bytes.toString()
    else if (header === typesHeader) types = bytes.toString()
  }
  if (attributes.specversion !== '1.0' || attributes.id === '' || attributes.source === '' || attributes.type === '') {
    return structured(record, topic, partition, attributes.datacontenttype) ?? plain(record, topic, partition)
  }
  if (types !== undefined) giveTypes(attributes, types)
  if (traceparent !== undefined) attributes.traceparent ??= traceparent
  if (tracestate !== undefined) attributes.tracestate ??= tracestate
  if (attributes.partitionkey === undefined && key !== null) addAttribute(attributes, 'partitionkey', key)
  return eventOf(attributes, value)
}

/** `types` as `headersOf` wrote it. What does not fit stays text. */
function giveTypes(attributes: Record<string, AttributeValue>, types: string): void {
  for (const entry of types.split(',')) {
    const [name = '', type] = entry.split('=')
    const text = attributes[name]
    if (type === 'number' && Number.isInteger(Number(text))) attributes[name] = Number(text)
    if (type === 'boolean' && (text === 'true' || text === 'false')) attributes[name] = text === 'true'
  }
}

function eventOf(attributes: Record<string, AttributeValue>, data: Buffer | null): Event {
  const complete = attributes as unknown as Attributes
  return data === null ? { attributes: complete } : { attributes: complete, data }
}

function structured(
  { value, timestamp, offset }: RawRecord,
  topic: string,
  partition: number,
  contentType: AttributeValue | undefined,
): Event | undefined {
  if (value === null || typeof contentType !== 'string') return undefined
  if (!/^application\/cloudevents\+json\s*(;|$)/i.test(contentType)) return undefined
  try {
    return parseStructured(value, 0, value.length, maxDepth, {
      id: () => writePosition(partition, offset),
      time: () => new Date(timestamp).toISOString(),
      source: sourceOf(topic),
    })
  } catch {
    return undefined
  }
}

/** A record that is no CloudEvent. Of its headers those are kept whose names an attribute can have. */
function plain({ key, value, headers, timestamp, offset }: RawRecord, topic: string, partition: number): Event {
  const attributes: Record<string, AttributeValue> = {
    specversion: '1.0',
    id: writePosition(partition, offset),
    source: sourceOf(topic),
    type: topic,
    time: new Date(timestamp).toISOString(),
  }
  for (const [name, bytes] of headers) {
    if (name === null || bytes === null) continue
    const header = name.toString('latin1')
    if (header === 'content-type') addAttribute(attributes, 'datacontenttype', bytes)
    else if (isName(header) && attributes[header] === undefined) addAttribute(attributes, header, bytes)
  }
  if (key !== null) addAttribute(attributes, 'partitionkey', key)
  return eventOf(attributes, value)
}

function sourceOf(topic: string): string {
  return `/kafka/${topic}`
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Leaves out what no attribute can have. */
function addAttribute(attributes: Record<string, AttributeValue>, name: string, bytes: Buffer): void {
  try {
    const text = decoder.decode(bytes)
    checkAttribute(name, text, '')
    attributes[name] = text
  } catch {}
}

function isName(name: string): boolean {
  return /^[a-z0-9]{1,128}$/.test(name) && name !== 'data' && name !== 'datacontenttype'
}
