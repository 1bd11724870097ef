import { ByteWriter, sharedBytes } from './bytes.ts'
import { GatewayError, invalid } from './errors.ts'
import { type Attributes, checkAttribute, type DataForm, dataForm, type Event, isJsonType } from './event.ts'
import { type Envelope, ScanError, scanArray, scanEnvelope } from './scan.ts'

/** What an event without `id`, `source` or `time` gets. */
export interface Defaults {
  id(): string
  time(): string
  readonly source: string
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/**
 * One event in the JSON format (CloudEvents JSON Event Format 1.0.2) from [from, to). `data` is kept byte for byte: its
 * bytes are a view of `bytes`, not a copy. Throws `invalid_argument` with a pointer below `pointer`.
 */
export function parseStructured(
  bytes: Uint8Array,
  from: number,
  to: number,
  maxDepth: number,
  defaults: Defaults,
  pointer = '',
): Event {
  let envelope: Envelope
  try {
    envelope = scanEnvelope(bytes, from, to, maxDepth)
  } catch (error) {
    throw notJson(error, pointer)
  }
  const members = JSON.parse(textWithoutData(bytes, from, envelope)) as Record<string, unknown>
  const attributes = attributesOf(members, envelope, defaults, pointer)
  return withData(bytes, envelope, members, attributes, pointer)
}

/** The elements of a batch (JSON Event Format 1.0.2, section 4): [start, end) of each. Throws `invalid_argument`. */
export function splitBatch(bytes: Uint8Array, maxDepth: number): [start: number, end: number][] {
  const elements: [number, number][] = []
  try {
    scanArray(bytes, 0, bytes.length, maxDepth + 1, (start, end) => elements.push([start, end]))
  } catch (error) {
    throw notJson(error, '')
  }
  return elements
}

/** `invalid_argument` for a ScanError; anything else as it is. */
export function notJson(error: unknown, pointer: string): unknown {
  if (!(error instanceof ScanError)) return error
  return new GatewayError('invalid_argument', `The body is not valid JSON: ${error.message}.`, {
    errors: [{ pointer, detail: error.message }],
  })
}

/** Data may be large and is never decoded: its place is taken by a null, and so native parsing sees attributes only. */
function textWithoutData(bytes: Uint8Array, from: number, envelope: Envelope): string {
  const { dataStart, dataEnd, end } = envelope
  if (dataStart < 0) return decoder.decode(bytes.subarray(from, end))
  return `${decoder.decode(bytes.subarray(from, dataStart))}null${decoder.decode(bytes.subarray(dataEnd, end))}`
}

function attributesOf(
  members: Record<string, unknown>,
  envelope: Envelope,
  defaults: Defaults,
  pointer: string,
): Attributes {
  const names = Object.keys(members)
  // Native parsing keeps the last of several members with one name, so that fewer came out than the scanner counted.
  if (names.length !== envelope.members) throw invalid(pointer, 'A member of the event appears twice.')
  if (members.specversion !== '1.0') throw invalid(`${pointer}/specversion`, 'specversion must be "1.0".')
  if (members.type === undefined || members.type === null) throw invalid(`${pointer}/type`, 'type is required.')
  const attributes: Record<string, string | number | boolean> = { specversion: '1.0', id: '', source: '', type: '' }
  for (const name of names) {
    if (name === 'data' || name === 'data_base64') continue
    const value = members[name]
    if (value === null) continue // the same as absent (JSON Event Format 1.0.2, section 2.2)
    checkAttribute(name, value, pointer)
    attributes[name] = value
  }
  if (members.id === undefined || members.id === null) attributes.id = defaults.id()
  if (members.source === undefined || members.source === null) attributes.source = defaults.source
  if (attributes.time === undefined) attributes.time = defaults.time()
  return attributes as unknown as Attributes
}

function withData(
  bytes: Uint8Array,
  envelope: Envelope,
  members: Record<string, unknown>,
  attributes: Attributes,
  pointer: string,
): Event {
  const base64 = members.data_base64
  if (base64 !== undefined && base64 !== null) {
    if (envelope.dataStart >= 0) throw invalid(`${pointer}/data_base64`, 'data and data_base64 exclude each other.')
    return { attributes, data: fromBase64(base64, pointer) }
  }
  if (envelope.dataStart < 0) return { attributes }
  const data = bytes.subarray(envelope.dataStart, envelope.dataEnd)
  const type = attributes.datacontenttype
  if (typeof type !== 'string' || isJsonType(type)) {
    return { attributes, data, form: envelope.dataSpaced ? 'json-spaced' : 'json' }
  }
  if (data[0] !== 0x22) {
    const detail = `data must be a JSON string where datacontenttype is ${type}; bytes go into data_base64.`
    throw invalid(`${pointer}/data`, detail)
  }
  const text = JSON.parse(decoder.decode(data)) as string
  if (!text.isWellFormed()) throw invalid(`${pointer}/data`, 'data has half of a surrogate pair, which is no text.')
  return { attributes, data: encoder.encode(text) }
}

const base64Alphabet = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

function fromBase64(value: unknown, pointer: string): Uint8Array {
  if (typeof value !== 'string' || !base64Alphabet.test(value)) {
    throw invalid(`${pointer}/data_base64`, 'data_base64 must be base64 (RFC 4648, section 4), padded.')
  }
  const binary = atob(value)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

/** An event in the JSON format, on one line. */
export function structuredBytes(event: Event): Uint8Array {
  const { attributesJson, data } = event
  if (attributesJson !== undefined && data !== undefined && dataForm(event) === 'json')
    return joined(attributesJson, data)
  const out = new ByteWriter(512 + (event.data?.length ?? 0))
  writeStructured(out, event)
  return out.take()
}

/** As most events are stored: nothing of it is looked at again. */
function joined(attributes: Uint8Array, data: Uint8Array): Uint8Array {
  const dataAt = 1 + attributes.length + dataName.length
  const bytes = sharedBytes(dataAt + data.length + 1)
  bytes[0] = 0x7b
  bytes.set(attributes, 1)
  bytes.set(dataName, 1 + attributes.length)
  bytes.set(data, dataAt)
  bytes[bytes.length - 1] = 0x7d
  return bytes
}

const dataName = encoder.encode(',"data":')

/** Writes an event in the JSON format, on one line, without decoding its data. */
export function writeStructured(out: ByteWriter, event: Event): void {
  out.byte(0x7b)
  if (event.attributesJson !== undefined) out.bytes(event.attributesJson)
  else out.text(JSON.stringify(event.attributes).slice(1, -1))
  if (event.data !== undefined) writeData(out, event.data, dataForm(event))
  out.byte(0x7d)
}

function writeData(out: ByteWriter, data: Uint8Array, form: DataForm): void {
  if (form === 'json') {
    out.text(',"data":')
    out.bytes(data)
  } else if (form === 'json-spaced') {
    out.text(',"data":')
    out.jsonOnOneLine(data)
  } else if (form === 'text') {
    out.text(`,"data":${JSON.stringify(decoder.decode(data))}`)
  } else {
    out.text(`,"data_base64":"${toBase64(data)}"`)
  }
}

function toBase64(bytes: Uint8Array): string {
  const parts: string[] = []
  // A multiple of three bytes at a time, so that padding comes at the end only; few enough for an argument list.
  for (let i = 0; i < bytes.length; i += 0x6000) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(i, i + 0x6000))))
  }
  return parts.join('')
}
