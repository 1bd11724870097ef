/** Wakes those that wait for something that may have happened. */
export class Bell {
  readonly #waiting = new Set<() => void>()
  #rung = 0

  /** Changes with every ring: who notes it, looks, and finds it changed has to look again instead of waiting. */
  get rung(): number {
    return this.#rung
  }

  get awaited(): boolean {
    return this.#waiting.size > 0
  }

  /** Wakes so many of those that wait, the longest waiting first. */
  ring(count = Number.POSITIVE_INFINITY): void {
    this.#rung++
    for (const wake of this.#waiting) {
      if (count-- <= 0) return
      wake()
    }
  }

  /** Whether it rang; false when the time is over or the signal aborted. */
  wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.resolve(false)
    return new Promise((resolve) => {
      const end = (rang: boolean) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', stop)
        this.#waiting.delete(wake)
        resolve(rang)
      }
      const wake = () => end(true)
      const stop = () => end(false)
      const timer = ms === Number.POSITIVE_INFINITY ? undefined : setTimeout(stop, Math.min(ms, maxTimer))
      signal?.addEventListener('abort', stop, { once: true })
      this.#waiting.add(wake)
    })
  }
}

/** Longer ones overflow and would end at once. */
export const maxTimer = 2 ** 31 - 1
