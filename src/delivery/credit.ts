/** What of a topic may be in memory, unsettled: pulling waits while there is more. */
export class Credit {
  readonly #maxEvents: number
  readonly #maxBytes: number
  #events = 0
  #bytes = 0
  #wake: (() => void) | undefined

  constructor(maxEvents: number, maxBytes: number) {
    this.#maxEvents = maxEvents
    this.#maxBytes = maxBytes
  }

  /** How many more events may be pulled now; at least a quarter of all, so that pulling is worth it. */
  async room(signal: AbortSignal): Promise<number> {
    while (!this.#isEnough && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const woken = (): void => resolve()
      this.#wake = woken
      signal.addEventListener('abort', woken)
      await promise
      signal.removeEventListener('abort', woken)
    }
    return this.#maxEvents - this.#events
  }

  take(bytes: number): void {
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
