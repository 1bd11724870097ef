import type { FinishedDelivery, HeldDelivery, NewDelivery } from '../store/deliveries.ts'
import { Batcher } from './batcher.ts'
import type { DeliveryContext } from './context.ts'
import type { PendingRows } from './pending.ts'

const maxTogether = 500

/** Writes rows, in the order in which it is told, many at once. A store that is out of reach is tried until it is back. */
export class Journal {
  readonly #pending: PendingRows
  readonly #inserts: Batcher<NewDelivery, boolean>
  readonly #finishes: Batcher<FinishedDelivery, boolean>
  /** Of each subscription and key, how many rows are not durable yet. */
  readonly #writing = new Map<string, number>()
  #keyed = 0
  readonly #releases: Batcher<HeldDelivery & { at: number }, undefined>

  constructor(context: DeliveryContext, pending: PendingRows) {
    const { store, log, failpoint } = context
    const onFault = (error: unknown): void => {
      log('warn', 'The store takes no deliveries; trying again.', { cause: String(error) })
    }
    this.#pending = pending
    this.#inserts = new Batcher(
      async (rows) => {
        failpoint?.('before-row')
        const inserted = await store.deliveries.insert(rows)
        failpoint?.('after-row')
        return inserted
      },
      maxTogether,
      onFault,
    )
    this.#finishes = new Batcher((results) => store.deliveries.finish(results), maxTogether, onFault)
    this.#releases = new Batcher(
      async (held) => {
        await store.deliveries.release(held, Math.min(...held.map(({ at }) => at)))
        return held.map(() => undefined)
      },
      maxTogether,
      onFault,
    )
  }

  /** How many rows with a key it was given so far: what the store said of keys before another came may be out of date. */
  get keyed(): number {
    return this.#keyed
  }

  /** Whether a row of the key is not durable yet. */
  isWriting(subscription: string, key: string): boolean {
    return this.#writing.has(`${subscription} ${key}`)
  }

  /** Resolves once the row is durable: true where it is new, false where there was one of this id. */
  async insert(row: NewDelivery): Promise<boolean> {
    const pair = row.key === undefined ? undefined : `${row.subscription} ${row.key}`
    if (pair !== undefined) {
      this.#keyed++
      this.#writing.set(pair, (this.#writing.get(pair) ?? 0) + 1)
    }
    // Counted before it is durable: what comes meanwhile must know that there is less room.
    const bytes = row.at === undefined ? undefined : row.event.bytes.length
    if (bytes !== undefined) this.#pending.add(row.subscription, 1, bytes)
    let inserted = false
    try {
      inserted = await this.#inserts.add(row)
      return inserted
    } finally {
      if (bytes !== undefined && !inserted) this.#pending.add(row.subscription, -1, -bytes)
      if (pair !== undefined) this.#written(pair)
    }
  }

  #written(pair: string): void {
    const left = this.#writing.get(pair)! - 1
    if (left === 0) this.#writing.delete(pair)
    else this.#writing.set(pair, left)
  }

  /** Resolves to false where the claim is not held any more: somebody else decides then. */
  finish(result: FinishedDelivery): Promise<boolean> {
    return this.#finishes.add(result)
  }

  /** Gives a claimed row back untried, due at about `at`. Where that fails, its claim ends by itself. */
  release(held: HeldDelivery & { at: number }): void {
    this.#releases.add(held).catch(() => {})
  }

  /** Resolves once everything is written; a store that fails from now on is not waited for. */
  async close(): Promise<void> {
    this.#inserts.stop()
    this.#finishes.stop()
    this.#releases.stop()
    await Promise.all([this.#inserts.idle(), this.#finishes.idle(), this.#releases.idle()])
  }
}
