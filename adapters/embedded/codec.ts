import { type Attributes, type DataForm, dataForm, type Event, keyOf, utf8Length } from '../../src/core/index.ts'
import { hashText } from './engine/hash.ts'
import {
  attributesLength,
  formOf,
  forms,
  headerBytes,
  identityStart,
  recordLength,
  viewOf,
  writeHeader,
} from './engine/records.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The events as records, one after the other, in a buffer of their own that may be given away. */
export function encodeEvents(events: readonly Event[]): Uint8Array<ArrayBuffer> {
  const texts = new Array<string>(events.length)
  let capacity = 1
  for (let i = 0; i < events.length; i++) {
    const event = events[i]!
    const text = attributesText(event.attributes)
    texts[i] = text
    capacity += headerBytes + text.length + (event.data?.length ?? 0)
  }
  let bytes = allocate(capacity)
  let view = viewOf(bytes)
  let at = 0
  for (let i = 0; i < events.length; i++) {
    const event = events[i]!
    const text = texts[i]!
    const start = at + headerBytes
    // The text has braces; they fall onto bytes that are overwritten after, by the header and by what follows.
    let { read, written } = encoder.encodeInto(text, bytes.subarray(start - 1))
    if (read < text.length) {
      capacity = 2 * capacity + headerBytes + 3 * text.length
      bytes = grow(bytes, capacity)
      view = viewOf(bytes)
      written = encoder.encodeInto(text, bytes.subarray(start - 1)).written
    }
    const attributes = written - 2
    const data = event.data
    let length = headerBytes + attributes
    if (data !== undefined) {
      if (at + length + data.length > bytes.length) {
        capacity = 2 * capacity + data.length
        bytes = grow(bytes, capacity)
        view = viewOf(bytes)
      }
      bytes.set(data, at + length)
      length += data.length
    }
    const key = keyOf(event)
    writeHeader(
      view,
      at,
      length,
      attributes,
      identityOf(text, event.attributes, written === text.length),
      data === undefined ? 0 : forms.indexOf(dataForm(event)),
      key === undefined ? undefined : hashText(key),
    )
    at += length
  }
  return bytes.subarray(0, at)
}

/** Not filled with zeros, and never a part of Node's shared pool, which must not be given away. */
function allocate(size: number): Uint8Array<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(size)
}

function grow(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const grown = allocate(size)
  grown.set(bytes)
  return grown
}

/** The attributes as a JSON object whose first members are specversion, id, source and type. */
function attributesText(attributes: Attributes): string {
  // Whoever builds attributes does it in this order, and then native serialising is the fastest; it is looked at anyway.
  let place = 0
  for (const name in attributes) {
    if (name !== order[place]) break
    if (++place === order.length) return JSON.stringify(attributes)
  }
  const { specversion, id, source, type, ...rest } = attributes
  return JSON.stringify({ specversion, id, source, type, ...rest })
}

const order = ['specversion', 'id', 'source', 'type']

/** How many bytes `"id":…,"source":…` has. */
function identityOf(text: string, attributes: Attributes, ascii: boolean): number {
  const { id, source } = attributes
  const from = identityStart + 1
  // `"id":"` and `","source":"` around the two, unless one of them has to be escaped.
  const sourceAt = from + 6 + id.length + 12
  let to = sourceAt + source.length + 1
  if (
    !text.startsWith(source, sourceAt) ||
    !text.startsWith(id, from + 6) ||
    text[to - 1] !== '"' ||
    text[sourceAt - 1] !== '"'
  ) {
    to = from + 15 + JSON.stringify(id).length + JSON.stringify(source).length
  }
  return ascii ? to - from : utf8Length(text.slice(from, to))
}

/** An event as it is stored; its attributes are parsed when they are asked for. */
export class StoredEvent implements Event {
  readonly attributesJson: Uint8Array
  readonly form: DataForm
  #attributes: Attributes | undefined

  constructor(attributesJson: Uint8Array, form: DataForm) {
    this.attributesJson = attributesJson
    this.form = form
  }

  get attributes(): Attributes {
    this.#attributes ??= JSON.parse(`{${decoder.decode(this.attributesJson)}}`) as Attributes
    return this.#attributes
  }
}

class StoredEventWithData extends StoredEvent {
  readonly data: Uint8Array

  constructor(attributesJson: Uint8Array, form: DataForm, data: Uint8Array) {
    super(attributesJson, form)
    this.data = data
  }
}

/** The record at `at` as an event whose bytes are views of `bytes`. */
export function decodeRecord(bytes: Uint8Array, view: DataView, at: number): StoredEvent {
  const start = at + headerBytes
  const dataStart = start + attributesLength(view, at)
  const attributesJson = bytes.subarray(start, dataStart)
  const form = forms[formOf(view, at)]
  if (form === undefined) return new StoredEvent(attributesJson, 'json')
  return new StoredEventWithData(attributesJson, form, bytes.subarray(dataStart, at + recordLength(view, at)))
}
