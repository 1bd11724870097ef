/** Reproducible randomness: the same seed gives the same choices (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** [0, 1) */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 0x100000000
  }

  /** An integer in [from, to]. */
  between(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.between(0, items.length - 1)]
    if (item === undefined) throw new RangeError('Nothing to pick from.')
    return item
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.between(0, 255)
    return bytes
  }
}

/** The seed of this run: `SLUICE_SEED`, or a new one. */
export function seedOfRun(): number {
  const given = process.env.SLUICE_SEED
  if (given === undefined || given === '') return crypto.getRandomValues(new Uint32Array(1))[0]!
  const seed = Number(given)
  if (!Number.isInteger(seed)) throw new RangeError(`SLUICE_SEED must be an integer; it is ${JSON.stringify(given)}.`)
  return seed >>> 0
}
