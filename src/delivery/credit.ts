/** How much a new event's size moves the average. */
const weight = 0.05

/** What of a topic may be in memory, unsettled: pulling waits while there is more. */
export class Credit {
  readonly #maxEvents: number
  readonly #maxBytes: number
  #averageBytes = 1024
  #events = 0
  #bytes = 0
  #wake: (() => void) | undefined

  constructor(maxEvents: number, maxBytes: number) {
    this.#maxEvents = maxEvents
    this.#maxBytes = maxBytes
  }

  /** How many more events may be pulled now, once a quarter of all may, so that pulling is worth it. */
  async room(signal: AbortSignal): Promise<number> {
    while (!this.#isEnough && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const woken = (): void => resolve()
      this.#wake = woken
      signal.addEventListener('abort', woken)
      await promise
      signal.removeEventListener('abort', woken)
    }
    // How large the next ones are nobody knows: like those before.
    const bySize = Math.floor((this.#maxBytes - this.#bytes) / this.#averageBytes)
    return Math.max(1, Math.min(this.#maxEvents - this.#events, bySize))
  }

  take(bytes: number): void {
    this.#averageBytes += weight * (bytes - this.#averageBytes)
    this.#events++
    this.#bytes += bytes
  }

  give(bytes: number): void {
    this.#events--
    this.#bytes -= bytes
    if (this.#wake === undefined || !this.#isEnough) return
    this.#wake()
    this.#wake = undefined
  }

  get #isEnough(): boolean {
    return this.#events * 4 <= this.#maxEvents * 3 && this.#bytes < this.#maxBytes
  }
}
