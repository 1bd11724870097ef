const encoder = new TextEncoder()

const slabBytes = 64 << 10
let slab = new Uint8Array(0)
let used = 0

/**
 * So many bytes to write to, which share their memory with others that are small and short-lived too: an allocation for
 * each would be most of the cost. Never to be given to another thread.
 */
export function sharedBytes(length: number): Uint8Array<ArrayBuffer> {
  if (length * 8 > slabBytes) return new Uint8Array(length)
  if (used + length > slab.length) {
    slab = new Uint8Array(slabBytes)
    used = 0
  }
  used += length
  return slab.subarray(used - length, used)
}

/** A growing buffer for building one answer out of bytes and text, copied once. */
export class ByteWriter {
  #buffer = new Uint8Array(0)
  #length = 0
  /** What the next buffer has at the least. */
  #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get length(): number {
    return this.#length
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#length++] = value
  }

  bytes(source: Uint8Array): void {
    this.#reserve(source.length)
    this.#buffer.set(source, this.#length)
    this.#length += source.length
  }

  text(text: string): void {
    // One UTF-16 unit makes at most three bytes of UTF-8.
    this.#reserve(text.length * 3)
    this.#length += encoder.encodeInto(text, this.#buffer.subarray(this.#length)).written
  }

  /** Text that is known to be ASCII; for short texts it is faster than an encoder. */
  ascii(text: string): void {
    this.#reserve(text.length)
    const buffer = this.#buffer
    let at = this.#length
    for (let i = 0; i < text.length; i++) buffer[at++] = text.charCodeAt(i)
    this.#length = at
  }

  /** Valid JSON without the line breaks between its tokens: inside of strings JSON allows none. */
  jsonOnOneLine(json: Uint8Array): void {
    this.#reserve(json.length)
    for (const byte of json) if (byte !== 0x0a && byte !== 0x0d) this.#buffer[this.#length++] = byte
  }

  /** What was written; the writer begins anew, in a new buffer. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#buffer.subarray(0, this.#length)
    this.#capacity = Math.max(64, this.#buffer.length)
    this.#buffer = new Uint8Array(0)
    this.#length = 0
    return taken
  }

  #reserve(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#buffer.length) return
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2, this.#capacity))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}
