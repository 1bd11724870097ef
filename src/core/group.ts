import type { Broker, Consumer, Delivery, Settlement, SettleResult } from './broker.ts'
import { requirePortableReceipt } from './capabilities.ts'
import { formatDuration } from './duration.ts'
import { UnsupportedError } from './errors.ts'

/** How many unsettled deliveries the pullers of one group may hold together, on this replica. */
const prefetch = 100_000

/**
 * Pull groups whose receipts are portable: any replica hands out and settles. A consumer here is never closed by itself,
 * for closing returns what its pullers still hold; it ends with the broker.
 */
export class PullGroups {
  readonly #broker: Broker
  readonly #consumers = new Map<string, Promise<Consumer>>()

  constructor(broker: Broker) {
    this.#broker = broker
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
    for (const { outcome } of settlements) this.#gate(outcome)
    const consumer = await this.#consumer(topic, group)
    return consumer.settle(settlements)
  }

  /** Forgets the consumer of a group that was deleted. */
  forget(topic: string, group: string): void {
    this.#consumers.delete(`${topic}/${group}`)
  }

  #gate(outcome: Settlement['outcome']): void {
    const { reject, extend, nackDelayMs } = this.#broker.capabilities
    if (outcome.kind === 'reject' && !reject) throw new UnsupportedError('reject', 'This broker keeps no dead letters.')
    if (outcome.kind === 'extend' && !extend) throw new UnsupportedError('extend', 'This broker cannot extend a lease.')
    if (outcome.kind === 'nack' && outcome.delayMs !== undefined && outcome.delayMs > nackDelayMs) {
      throw new UnsupportedError(
        'nackDelayMs',
        `This broker delays a redelivery by ${formatDuration(nackDelayMs)} at the most.`,
      )
    }
  }

  async #consumer(topic: string, group: string): Promise<Consumer> {
    requirePortableReceipt(this.#broker.capabilities)
    const name = `${topic}/${group}`
    const opened = this.#consumers.get(name)
    if (opened !== undefined) return opened
    const opening = this.#broker.open(topic, group, { prefetch })
    this.#consumers.set(name, opening)
    opening.catch(() => this.#consumers.delete(name))
    return opening
  }
}
