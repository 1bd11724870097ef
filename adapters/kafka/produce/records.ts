import { type Event, keyOf, utf8Length } from '../../../src/core/index.ts'

/**
 * Records as a batch of format 2 holds them (Apache Kafka, "Record Format"), of events in the binary mode of the
 * CloudEvents Kafka binding (1.0.2, section 3.2): attributes as `ce_` headers, `datacontenttype` as `content-type`, the
 * partition key as the record's key. An event without data has a null value, a tombstone.
 */
export class Records {
  #buffer: Buffer
  #length = 0
  count = 0

  constructor(capacity: number) {
    this.#buffer = Buffer.allocUnsafeSlow(capacity)
  }

  get length(): number {
    return this.#length
  }

  /** The bytes so far; good until more is added. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** `key` is the event's key in UTF-8, where it has one. */
  add(event: Event, key: Uint8Array | undefined): void {
    const { data } = event
    const offsetDelta = this.count++
    const headers = headersOf(event)
    let body = 2 + sizeOfVarint(offsetDelta) + sizeOfBytes(key) + sizeOfBytes(data) + sizeOfVarint(headers.length)
    for (const [name, value] of headers) body += sizeOfText(name.length) + sizeOfText(utf8Length(value))
    this.#reserve(body + 5)
    this.#varint(body)
    // Attributes of the record, and the difference to the batch's timestamp: none.
    this.#buffer[this.#length++] = 0
    this.#buffer[this.#length++] = 0
    this.#varint(offsetDelta)
    this.#bytes(key)
    this.#bytes(data)
    this.#varint(headers.length)
    for (const [name, value] of headers) {
      this.#text(name)
      this.#text(value)
    }
  }

  #text(text: string): void {
    const length = utf8Length(text)
    this.#varint(length)
    const buffer = this.#buffer
    if (length === text.length && length < 64) {
      let at = this.#length
      for (let i = 0; i < length; i++) buffer[at++] = text.charCodeAt(i)
      this.#length = at
    } else {
      this.#length += buffer.write(text, this.#length, length, 'utf8')
    }
  }

  #bytes(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) {
      this.#varint(-1)
      return
    }
    this.#varint(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  #varint(value: number): void {
    let left = zigzag(value)
    while (left > 0x7f) {
      this.#buffer[this.#length++] = (left & 0x7f) | 0x80
      left >>>= 7
    }
    this.#buffer[this.#length++] = left
  }

  #reserve(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}

const encoder = new TextEncoder()

export function keyBytes(event: Event): Uint8Array | undefined {
  const key = keyOf(event)
  return key === undefined ? undefined : encoder.encode(key)
}

/** In binary mode every attribute is text: this header keeps what was a number or a boolean. */
export const typesHeader = 'sluice_types'

/** The attributes as the binding has them, and the trace also by its plain name, where tracing tools look for it. */
export function headersOf({ attributes }: Event): [name: string, value: string][] {
  const headers: [string, string][] = []
  let types = ''
  for (const name in attributes) {
    const value = attributes[name]!
    const text = String(value)
    if (typeof value !== 'string') types += `${types === '' ? '' : ','}${name}=${typeof value}`
    if (name === 'datacontenttype') headers.push(['content-type', text])
    else headers.push([`ce_${name}`, text])
    if (name === 'traceparent' || name === 'tracestate') headers.push([name, text])
  }
  if (types !== '') headers.push([typesHeader, types])
  return headers
}

function zigzag(value: number): number {
  return (value << 1) ^ (value >> 31)
}

function sizeOfVarint(value: number): number {
  const left = zigzag(value)
  if (left < 0x80) return 1
  if (left < 0x4000) return 2
  if (left < 0x20_0000) return 3
  return left < 0x1000_0000 ? 4 : 5
}

function sizeOfBytes(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 1 : sizeOfVarint(bytes.length) + bytes.length
}

function sizeOfText(length: number): number {
  return sizeOfVarint(length) + length
}
