import type { DeliveryContext } from './context.ts'

const everyMs = 60_000
const busyMs = 250
const day = 86_400_000
/** How long what is over stays to be looked at. What succeeded must outlast every redelivery of its event. */
const keepMs = { succeeded: 3 * day, other: 30 * day } as const

/** Deletes what is over for long, a few at a time. */
export class Upkeep {
  readonly #context: DeliveryContext
  #timer: ReturnType<typeof setTimeout> | undefined
  #stopped = false

  constructor(context: DeliveryContext) {
    this.#context = context
  }

  start(): void {
    this.#plan(everyMs)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #plan(ms: number): void {
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#sweep(), ms)
  }

  async #sweep(): Promise<void> {
    const now = this.#context.clock.now()
    const before = { succeeded: now - keepMs.succeeded, other: now - keepMs.other }
    // What stays too long does no harm: the next sweep comes.
    const purged = await this.#context.store.deliveries.purge(before).catch(() => 0)
    this.#plan(purged > 0 ? busyMs : everyMs)
  }
}
