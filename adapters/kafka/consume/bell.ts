/** Longer ones overflow, and would end at once. */
const maxTimer = 2 ** 31 - 1

/** Tells whoever waits that something changed. */
export class Bell {
  #next = Promise.withResolvers<void>()

  ring(): void {
    this.#next.resolve()
    this.#next = Promise.withResolvers()
  }

  /** Resolves when it rings next, after so many milliseconds, or when the signal aborts. */
  async heard(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, Math.min(ms, maxTimer))
    const stop = () => resolve()
    signal?.addEventListener('abort', stop, { once: true })
    await Promise.race([promise, this.#next.promise])
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}
