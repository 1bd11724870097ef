import type { Broker, CapabilityName, Consumer, Delivery, Settlement, SettleResult } from './broker.ts'
import { requireOutcome, requirePortableReceipt } from './capabilities.ts'

/** How many unsettled deliveries the pullers of one group may hold together, on this replica. */
const prefetch = 100_000

/** What pulling over HTTP asks of: the broker, or what the gateway makes of it where receipts are bound to a connection. */
export interface PullSource extends Pick<Broker, 'capabilities' | 'open' | 'groups' | 'deadLetters'> {
  /** The capabilities that the gateway adds. */
  readonly added?: readonly CapabilityName[]
}

/**
 * Pull groups whose receipts are portable: any replica hands out and settles. A consumer here is never closed by itself,
 * for closing returns what its pullers still hold; it ends with the broker.
 */
export class PullGroups {
  readonly #source: PullSource
  readonly #consumers = new Map<string, Promise<Consumer>>()

  constructor(source: PullSource) {
    this.#source = source
  }

  /** Waits up to `waitMs` for the first delivery. Rejects with `not_found` where there is no such group. */
  async pull(
    topic: string,
    group: string,
    max: number,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<readonly Delivery[]> {
    const consumer = await this.#consumer(topic, group)
    const batch = await consumer.pull({ max, waitMs, signal })
    return batch.deliveries
  }

  /** One result per settlement, in order. Throws UnsupportedError before settling any where the broker lacks one. */
  async settle(topic: string, group: string, settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    for (const { outcome } of settlements) requireOutcome(this.#source.capabilities, outcome)
    const consumer = await this.#consumer(topic, group)
    return consumer.settle(settlements)
  }

  /** Forgets the consumer of a group that was deleted. */
  forget(topic: string, group: string): void {
    this.#consumers.delete(`${topic}/${group}`)
  }

  async #consumer(topic: string, group: string): Promise<Consumer> {
    requirePortableReceipt(this.#source.capabilities)
    const name = `${topic}/${group}`
    const opened = this.#consumers.get(name)
    if (opened !== undefined) return opened
    const opening = this.#source.open(topic, group, { prefetch })
    this.#consumers.set(name, opening)
    opening.catch(() => this.#consumers.delete(name))
    return opening
  }
}
