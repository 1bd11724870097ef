import type { Rates } from '../store/rates.ts'

/** How much is taken from the store at once, and how long is waited where it had too little. */
const chunkMs = 250
/** How long a store that failed is left alone. */
const failurePauseMs = 1_000

/**
 * One replica's share of a token bucket that all replicas share. It asks the store for a quarter of a second's worth at a
 * time, so that an attempt seldom waits for the store, and no replica holds much that another could use. It has no timer:
 * it asks when `tryTake` is called.
 */
export class Bucket {
  readonly #rates: Rates
  readonly #name: string
  readonly #perSecond: number
  readonly #now: () => number
  /** What it holds at most. */
  readonly #chunk: number
  #tokens = 0
  #asking = false
  /** Not to ask the store before that. */
  #pausedUntil = Number.NEGATIVE_INFINITY
  #refilled: () => void = () => {}

  constructor(rates: Rates, name: string, perSecond: number, now: () => number) {
    this.#rates = rates
    this.#name = name
    this.#perSecond = perSecond
    this.#now = now
    this.#chunk = Math.max(1, Math.round((perSecond * chunkMs) / 1000))
  }

  /**
   * Takes one token where there is one. Where there is none, either the store is being asked and `onRefill` will be heard,
   * or nothing can come before `retryAt`: call it again then.
   */
  tryTake(): boolean {
    const taken = this.#tokens > 0
    if (taken) this.#tokens--
    if (this.#low(taken) && !this.#asking && this.#now() >= this.#pausedUntil) void this.#ask()
    return taken
  }

  /** When to call `tryTake` again, in milliseconds since the epoch; now where there are tokens. */
  get retryAt(): number {
    const now = this.#now()
    if (this.#tokens > 0) return now
    // The answer is what to wait for; a caller with nothing but a timer must not spin until it is there.
    return this.#asking ? now + chunkMs : Math.max(now, this.#pausedUntil)
  }

  /** `callback` is called whenever the store has answered, also where it granted nothing or failed. It replaces the last one. */
  onRefill(callback: () => void): void {
    this.#refilled = callback
  }

  /**
   * Half a chunk is what is taken ahead. Where a chunk is one token nothing is: at such rates a token in reserve at each
   * replica would be many seconds' worth.
   */
  #low(taken: boolean): boolean {
    return this.#chunk === 1 ? !taken : this.#tokens < this.#chunk / 2
  }

  async #ask(): Promise<void> {
    this.#asking = true
    const wanted = this.#chunk - this.#tokens
    try {
      const { granted, retryAfterMs } = await this.#rates.take(this.#name, wanted, this.#perSecond, this.#now())
      this.#tokens += granted
      if (granted < wanted) this.#pause(Math.max(retryAfterMs, this.#fillMs(wanted - granted)))
    } catch {
      // Whoever owns the store tells of it; without an answer there are no tokens.
      this.#pause(failurePauseMs)
    }
    this.#asking = false
    this.#refilled()
  }

  /** How long the shared bucket needs for so many, at most a chunk's time: asking sooner would bring crumbs. */
  #fillMs(tokens: number): number {
    return Math.min(chunkMs, (tokens * 1000) / this.#perSecond)
  }

  #pause(ms: number): void {
    this.#pausedUntil = this.#now() + ms
  }
}
