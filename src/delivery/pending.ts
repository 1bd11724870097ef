import type { DeliveryContext } from './context.ts'

interface Amount {
  events: number
  bytes: number
  /** When the oldest of them was written; means nothing where there is none. */
  oldestAt: number
}

const nothing: Amount = { events: 0, bytes: 0, oldestAt: 0 }

/**
 * How much of each subscription waits in the store: what the store said last, moved by what this replica has added and
 * finished since. Other replicas' part is right again with the next `reload`.
 */
export class PendingRows {
  readonly #context: DeliveryContext
  #amounts = new Map<string, Amount>()

  constructor(context: DeliveryContext) {
    this.#context = context
  }

  of(subscription: string): Readonly<Amount> {
    return this.#amounts.get(subscription) ?? nothing
  }

  add(subscription: string, events: number, bytes: number): void {
    const amount = this.#amounts.get(subscription)
    if (amount === undefined || amount.events <= 0) {
      const oldestAt = this.#context.clock.now()
      this.#amounts.set(subscription, {
        events: (amount?.events ?? 0) + events,
        bytes: (amount?.bytes ?? 0) + bytes,
        oldestAt,
      })
    } else {
      amount.events += events
      amount.bytes += bytes
    }
  }

  async reload(): Promise<void> {
    const rows = await this.#context.store.deliveries.pending()
    this.#amounts = new Map(rows.map(({ subscription, ...amount }) => [subscription, amount]))
  }
}
