import {
  type Attributes,
  type AttributeValue,
  checkAttribute,
  type Event,
  parseStructured,
} from '../../../src/core/index.ts'
import { writePosition } from '../position.ts'
import { typesHeader } from '../produce/records.ts'
import { eachHeader, type RawRecord } from './records.ts'

const maxDepth = 64

/**
 * The event of a record: in the binary or structured mode of the CloudEvents Kafka binding (1.0.2, section 3), or of
 * whatever else was produced there: its value is the data then, its key the partition key. Never throws: what others
 * wrote into a topic must not stop its readers.
 */
export function decodeEvent(record: RawRecord, topic: string, partition: number): Event {
  const { bytes } = record
  const attributes: Record<string, AttributeValue> = { specversion: '', id: '', source: '', type: '' }
  let traceparent: string | undefined
  let tracestate: string | undefined
  let types: string | undefined
  eachHeader(record, (header, at, end) => {
    if (end < at) return
    if (header.startsWith('ce_')) {
      const attribute = header.slice(3)
      if (isName(attribute)) setAttribute(attributes, attribute, bytes.toString('utf8', at, end))
    } else if (header === 'content-type') setAttribute(attributes, 'datacontenttype', bytes.toString('utf8', at, end))
    else if (header === 'traceparent') traceparent = bytes.toString('utf8', at, end)
    else if (header === 'tracestate') tracestate = bytes.toString('utf8', at, end)
    else if (header === typesHeader) types = bytes.toString('utf8', at, end)
  })
  if (attributes.specversion !== '1.0' || attributes.id === '' || attributes.source === '' || attributes.type === '') {
    return structured(record, topic, partition, attributes.datacontenttype) ?? plain(record, topic, partition)
  }
  if (types !== undefined) giveTypes(attributes, types)
  if (traceparent !== undefined) attributes.traceparent ??= traceparent
  if (tracestate !== undefined) attributes.tracestate ??= tracestate
  if (attributes.partitionkey === undefined) addAttribute(attributes, 'partitionkey', keyOf(record))
  return eventOf(attributes, dataOf(record))
}

function keyOf({ bytes, keyAt, keyEnd }: RawRecord): Buffer | undefined {
  return keyEnd < keyAt ? undefined : bytes.subarray(keyAt, keyEnd)
}

function dataOf({ bytes, valueAt, valueEnd }: RawRecord): Buffer | undefined {
  return valueEnd < valueAt ? undefined : bytes.subarray(valueAt, valueEnd)
}

/** `types` as `headersOf` wrote it. What does not fit stays text: anybody may have written it. */
function giveTypes(attributes: Record<string, AttributeValue>, types: string): void {
  for (const entry of types.split(',')) {
    const [name = '', type] = entry.split('=')
    const text = attributes[name]
    if (typeof text !== 'string') continue
    if (type === 'number' && /^-?\d{1,10}$/.test(text)) tryAttribute(attributes, name, Number(text))
    if (type === 'boolean' && (text === 'true' || text === 'false')) tryAttribute(attributes, name, text === 'true')
  }
}

function eventOf(attributes: Record<string, AttributeValue>, data: Buffer | undefined): Event {
  const complete = attributes as unknown as Attributes
  return data === undefined ? { attributes: complete } : { attributes: complete, data }
}

function structured(
  record: RawRecord,
  topic: string,
  partition: number,
  contentType: AttributeValue | undefined,
): Event | undefined {
  const value = dataOf(record)
  const { timestamp, offset } = record
  if (value === undefined || typeof contentType !== 'string') return undefined
  if (!/^application\/cloudevents\+json\s*(;|$)/i.test(contentType)) return undefined
  let event: Event
  try {
    event = parseStructured(value, 0, value.length, maxDepth, {
      id: () => writePosition(partition, offset),
      time: () => new Date(timestamp).toISOString(),
      source: sourceOf(topic),
    })
  } catch {
    return undefined
  }
  if (event.attributes.partitionkey !== undefined) return event
  const attributes: Record<string, AttributeValue> = { ...event.attributes }
  addAttribute(attributes, 'partitionkey', keyOf(record))
  // Written anew: the key is not in the attributes that came as JSON.
  const { attributesJson: _, ...rest } = event
  return { ...rest, attributes: attributes as unknown as Attributes }
}

/** A record that is no CloudEvent. Of its headers those are kept whose names an attribute can have. */
function plain(record: RawRecord, topic: string, partition: number): Event {
  const { bytes, timestamp, offset } = record
  const attributes: Record<string, AttributeValue> = {
    specversion: '1.0',
    id: writePosition(partition, offset),
    source: sourceOf(topic),
    type: topic,
    time: new Date(timestamp).toISOString(),
  }
  eachHeader(record, (header, at, end) => {
    const value = end < at ? undefined : bytes.subarray(at, end)
    if (header === 'content-type') addAttribute(attributes, 'datacontenttype', value)
    else if (isName(header) && attributes[header] === undefined) addAttribute(attributes, header, value)
  })
  addAttribute(attributes, 'partitionkey', keyOf(record))
  return eventOf(attributes, dataOf(record))
}

function sourceOf(topic: string): string {
  return `/kafka/${topic}`
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Leaves out what no attribute can have. */
function addAttribute(attributes: Record<string, AttributeValue>, name: string, bytes: Buffer | undefined): void {
  if (bytes === undefined) return
  try {
    tryAttribute(attributes, name, decoder.decode(bytes))
  } catch {
    // It is no UTF-8.
  }
}

function tryAttribute(attributes: Record<string, AttributeValue>, name: string, value: AttributeValue): void {
  try {
    checkAttribute(name, value, '')
    attributes[name] = value
  } catch {
    // It stays as it was.
  }
}

/** What was last checked of each name: most attributes are the same from event to event. */
const checked = new Map<string, string>()
const checkedNames = 64

/** Leaves out what is no valid attribute: anybody may have written it. */
function setAttribute(attributes: Record<string, AttributeValue>, name: string, value: string): void {
  if (checked.get(name) === value) {
    attributes[name] = value
    return
  }
  tryAttribute(attributes, name, value)
  if (attributes[name] === value && (checked.size < checkedNames || checked.has(name))) checked.set(name, value)
}

function isName(name: string): boolean {
  return /^[a-z0-9]{1,128}$/.test(name) && name !== 'data' && name !== 'datacontenttype'
}
