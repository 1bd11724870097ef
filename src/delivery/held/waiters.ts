/** Those that wait for something of one kind, in the order in which they came. */
export class Waiters {
  #waiting: (() => void)[] = []
  #rings = 0

  /** How often it rang: whoever noted it before looking misses nothing. */
  get rings(): number {
    return this.#rings
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Wakes the one that has waited longest. */
  ring(): void {
    this.#rings++
    this.#waiting[0]?.()
  }

  ringAll(): void {
    this.#rings++
    for (const wake of [...this.#waiting]) wake()
  }

  /** Resolves when it rang since `seen`, after so long, or when `signal` aborts. */
  heard(seen: number, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted || seen !== this.#rings) {
        resolve()
        return
      }
      const wake = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        this.#waiting = this.#waiting.filter((other) => other !== wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      signal.addEventListener('abort', wake)
      this.#waiting.push(wake)
    })
  }
}
