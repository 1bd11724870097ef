import { toGatewayError } from '../core/errors.ts'

interface Waiting<I, O> {
  readonly item: I
  readonly resolve: (result: O) => void
  readonly reject: (error: unknown) => void
}

const pauseMs = { first: 100, most: 5000 } as const

/**
 * Makes one call of many: what comes while a call is under way leaves together with the next. Calls go one after the
 * other, so items keep their order. A call that fails and may be tried again is, until `stop`; another failure is that
 * of the item alone which causes it.
 */
export class Batcher<I, O> {
  readonly #run: (items: readonly I[]) => Promise<readonly O[]>
  readonly #max: number
  readonly #onFault: (error: unknown) => void
  #waiting: Waiting<I, O>[] = []
  #busy: Promise<void> | undefined
  #stopped = false

  constructor(run: (items: readonly I[]) => Promise<readonly O[]>, max: number, onFault: (error: unknown) => void) {
    this.#run = run
    this.#max = max
    this.#onFault = onFault
  }

  add(item: I): Promise<O> {
    return new Promise<O>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#busy ??= this.#drain()
    })
  }

  /** Resolves once nothing waits. */
  async idle(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy
  }

  /** What fails from now on is not tried again. */
  stop(): void {
    this.#stopped = true
  }

  async #drain(): Promise<void> {
    // What one turn of the event loop brings leaves together.
    await undefined
    let pause: number = pauseMs.first
    /** How many go one by one, because of all together one was refused. */
    let alone = 0
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, alone > 0 ? 1 : this.#max)
      alone = Math.max(0, alone - 1)
      try {
        const results = await this.#run(batch.map(({ item }) => item))
        this.#waiting.splice(0, batch.length)
        for (const [i, { resolve }] of batch.entries()) resolve(results[i]!)
        pause = pauseMs.first
      } catch (error) {
        if (toGatewayError(error).retryable && !this.#stopped) {
          this.#onFault(error)
          await new Promise((resolve) => setTimeout(resolve, pause))
          pause = Math.min(pause * 2, pauseMs.most)
          continue
        }
        this.#onFault(error)
        if (batch.length > 1 && !this.#stopped) {
          alone = batch.length
          continue
        }
        this.#waiting.splice(0, batch.length)
        for (const { reject } of batch) reject(error)
      }
    }
    this.#busy = undefined
  }
}
