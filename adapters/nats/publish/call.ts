/** What one publish waits for, so that all of it ends when its signal aborts, with one listener. */
export class Call {
  readonly signal: AbortSignal
  readonly #pending = new Set<() => void>()
  readonly #abort = () => {
    for (const end of [...this.#pending]) end()
    this.#pending.clear()
  }

  constructor(signal: AbortSignal) {
    this.signal = signal
    signal.addEventListener('abort', this.#abort, { once: true })
  }

  get isOver(): boolean {
    return this.signal.aborted
  }

  /** Calls `end` when the signal aborts, unless what it answers is called before. */
  onEnd(end: () => void): () => void {
    this.#pending.add(end)
    return () => this.#pending.delete(end)
  }

  done(): void {
    this.signal.removeEventListener('abort', this.#abort)
  }
}
