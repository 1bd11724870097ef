/** Time and randomness, injected so that tests can hold them still. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Fills `bytes` with cryptographically strong randomness. */
  random(bytes: Uint8Array<ArrayBuffer>): void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  random: (bytes) => {
    crypto.getRandomValues(bytes)
  },
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const nibbles = '0123456789abcdef'

function timeOf(ms: number): string {
  const digits = ms.toString(16).padStart(12, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8)}`
}

/** Makes UUIDs of version 7 (RFC 9562) that grow with every call, also within a millisecond (method 1, a counter). */
export class Ids {
  readonly #clock: Clock
  readonly #pool = new Uint8Array(1024)
  #used = 1024
  #lastMs = 0
  #counter = 0
  /** The first half of what this millisecond's ids look like. */
  #time = ''

  constructor(clock: Clock) {
    this.#clock = clock
  }

  uuid(): string {
    if (this.#used + 9 > this.#pool.length) {
      this.#clock.random(this.#pool)
      this.#used = 0
    }
    const pool = this.#pool
    const at = this.#used
    this.#used += 9
    const now = this.#clock.now()
    if (now > this.#lastMs) {
      this.#lastMs = now
      this.#counter = pool[at + 8]!
      this.#time = timeOf(now)
    } else if (++this.#counter > 0xfff) {
      this.#lastMs++
      this.#counter = 0
      this.#time = timeOf(this.#lastMs)
    }
    const counter = this.#counter
    return `${this.#time}-7${nibbles[counter >> 8]}${hex[counter & 255]}-${hex[0x80 | (pool[at]! & 0x3f)]}${hex[pool[at + 1]!]}-${hex[pool[at + 2]!]}${hex[pool[at + 3]!]}${hex[pool[at + 4]!]}${hex[pool[at + 5]!]}${hex[pool[at + 6]!]}${hex[pool[at + 7]!]}`
  }
}

/** RFC 3339 in UTC with milliseconds. Many events share a millisecond, and formatting one costs more than the rest. */
export class Timestamps {
  #ms = Number.NaN
  #text = ''

  format(ms: number): string {
    if (ms !== this.#ms) {
      this.#ms = ms
      this.#text = new Date(ms).toISOString()
    }
    return this.#text
  }
}
