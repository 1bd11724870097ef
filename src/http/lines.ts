const LF = 0x0a

/**
 * Cuts a stream of bytes into lines. A line is a view of the chunk that it came in, and only one that spans chunks is
 * copied. A line over the limit is given up as `too-long`, and its bytes are let go as they come. Empty lines are left out.
 */
export class LineSplitter {
  readonly #max: number
  #carry: Uint8Array[] = []
  #carried = 0
  #skipping = false

  constructor(max: number) {
    this.#max = max
  }

  /** Bytes of a line whose end has not come. */
  get carried(): number {
    return this.#carried
  }

  /** The lines that end in this chunk. */
  push(chunk: Uint8Array): (Uint8Array | 'too-long')[] {
    const lines: (Uint8Array | 'too-long')[] = []
    let from = 0
    for (;;) {
      const to = chunk.indexOf(LF, from)
      if (to < 0) break
      this.#line(lines, chunk.subarray(from, to))
      from = to + 1
    }
    const rest = chunk.subarray(from)
    if (rest.length === 0 || this.#skipping) return lines
    this.#carry.push(rest)
    this.#carried += rest.length
    if (this.#carried > this.#max) {
      lines.push('too-long')
      this.#drop()
      this.#skipping = true
    }
    return lines
  }

  /** The last line, where the stream did not end with a line break. */
  end(): (Uint8Array | 'too-long')[] {
    const lines: (Uint8Array | 'too-long')[] = []
    this.#line(lines, new Uint8Array(0))
    return lines
  }

  #line(lines: (Uint8Array | 'too-long')[], tail: Uint8Array): void {
    if (this.#skipping) {
      this.#skipping = false
      return
    }
    const line = this.#carried === 0 ? tail : this.#join(tail)
    if (line.length > this.#max) lines.push('too-long')
    else if (!isBlank(line)) lines.push(line)
  }

  #join(tail: Uint8Array): Uint8Array {
    const whole = new Uint8Array(this.#carried + tail.length)
    let at = 0
    for (const part of this.#carry) {
      whole.set(part, at)
      at += part.length
    }
    whole.set(tail, at)
    this.#drop()
    return whole
  }

  #drop(): void {
    this.#carry = []
    this.#carried = 0
  }
}

function isBlank(line: Uint8Array): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false
  return true
}
