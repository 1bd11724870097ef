/** What a parser tells of the responses on one connection. */
export interface ResponseEvents {
  /** Bytes of a body, [from, to) of `chunk`. */
  body?(chunk: Buffer, from: number, to: number): void
  end(status: number): void
}

type State = 'head' | 'body' | 'size' | 'chunk' | 'chunk-end' | 'trailer'

const CR = 0x0d
const LF = 0x0a

/**
 * Just enough of HTTP/1.1 to time answers: status, content-length or chunks. A complete client costs as much as the
 * server it measures; this one must not take the server's core.
 */
export class ResponseParser {
  readonly #events: ResponseEvents
  #state: State = 'head'
  #head: Buffer | undefined
  #status = 0
  /** Bytes that are left of the body or the chunk. */
  #left = 0
  #size = 0
  #inExtension = false
  #trailerLine = 0

  constructor(events: ResponseEvents) {
    this.#events = events
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) at = this.#step(chunk, at)
  }

  #step(chunk: Buffer, at: number): number {
    if (this.#state === 'head') return this.#readHead(chunk, at)
    if (this.#state === 'body' || this.#state === 'chunk') return this.#readBody(chunk, at)
    if (this.#state === 'size') return this.#readSize(chunk, at)
    if (this.#state === 'chunk-end') {
      if (chunk[at] === LF) this.#state = 'size'
      return at + 1
    }
    return this.#readTrailer(chunk, at)
  }

  #readHead(chunk: Buffer, at: number): number {
    // A head that comes in pieces is rare enough to be put together again.
    const held = this.#head?.length ?? 0
    const whole = this.#head === undefined ? chunk : Buffer.concat([this.#head, chunk.subarray(at)])
    const from = this.#head === undefined ? at : 0
    const end = whole.indexOf('\r\n\r\n', from)
    if (end < 0) {
      this.#head = Buffer.from(whole.subarray(from))
      return chunk.length
    }
    this.#head = undefined
    this.#startBody(whole.toString('latin1', from, end))
    return from === at && held === 0 ? end + 4 : at + end + 4 - held
  }

  #startBody(head: string): void {
    this.#status = Number(head.slice(9, 12))
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)
    if (length !== null) {
      this.#left = Number(length[1])
      this.#state = 'body'
      if (this.#left === 0) this.#finish()
    } else if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
      this.#state = 'size'
    } else {
      throw new Error(`An answer without a length: ${head}`)
    }
  }

  #readBody(chunk: Buffer, at: number): number {
    const to = Math.min(chunk.length, at + this.#left)
    this.#events.body?.(chunk, at, to)
    this.#left -= to - at
    if (this.#left > 0) return to
    if (this.#state === 'body') this.#finish()
    else this.#state = 'chunk-end'
    return to
  }

  #readSize(chunk: Buffer, at: number): number {
    const byte = chunk[at]!
    if (byte === LF) {
      this.#left = this.#size
      this.#state = this.#size === 0 ? 'trailer' : 'chunk'
      this.#size = 0
      this.#inExtension = false
    } else if (byte === 0x3b) {
      this.#inExtension = true
    } else if (byte !== CR && !this.#inExtension) {
      this.#size = this.#size * 16 + Number.parseInt(String.fromCharCode(byte), 16)
    }
    return at + 1
  }

  #readTrailer(chunk: Buffer, at: number): number {
    const byte = chunk[at]!
    if (byte === LF && this.#trailerLine === 0) this.#finish()
    else if (byte === LF) this.#trailerLine = 0
    else if (byte !== CR) this.#trailerLine++
    return at + 1
  }

  #finish(): void {
    this.#state = 'head'
    this.#trailerLine = 0
    this.#events.end(this.#status)
  }
}
