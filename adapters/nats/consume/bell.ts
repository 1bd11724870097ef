import { pause } from '../client.ts'

/** Wakes whoever waits for something to happen. */
export class Bell {
  #next = new AbortController()

  ring(): void {
    const rung = this.#next
    this.#next = new AbortController()
    rung.abort()
  }

  /** What the next ring aborts: taken before one looks, no ring is missed. */
  get next(): AbortSignal {
    return this.#next.signal
  }

  /** Resolves when one of the signals aborts, or after `ms`. */
  static async heard(ms: number, ...signals: AbortSignal[]): Promise<void> {
    const any = AbortSignal.any(signals)
    if (!any.aborted) await pause(ms, any)
  }
}
