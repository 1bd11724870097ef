import type { Broker, Consumer, Delivery } from '../../../src/core/broker.ts'
import { toGatewayError } from '../../../src/core/errors.ts'
import { pause } from '../../conformance/waiting.ts'
import type { ReadEvent } from '../ledger.ts'

const retryMs = 50

/** Consumes a group with one consumer that stays open, whatever happens, and acknowledges everything. */
export class Worker {
  /** What was delivered, in the order in which it first came. */
  readonly read: ReadEvent[] = []
  /** Came again although its settlement had been confirmed. */
  readonly again: string[] = []
  /** The code of every error that a pull or a settlement came to. */
  readonly faults = new Set<string>()
  readonly #broker: Broker
  readonly #topic: string
  readonly #group: string
  readonly #seen = new Set<string>()
  readonly #settled = new Set<string>()
  #settledAt = 0
  #stop = new AbortController()
  #running: Promise<void> | undefined

  constructor(broker: Broker, topic: string, group: string) {
    this.#broker = broker
    this.#topic = topic
    this.#group = group
  }

  start(): void {
    if (this.#running !== undefined) return
    this.#stop = new AbortController()
    this.#running = this.#run(this.#stop.signal)
    this.#running.catch(() => undefined)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    const running = this.#running
    this.#running = undefined
    await running
  }

  /** Whether something was settled that was pulled from then on. */
  settledSince(time: number): boolean {
    return this.#settledAt >= time
  }

  /** The group is another one from now on: what was settled in the old one may come again. */
  forget(): void {
    this.#settled.clear()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const consumer = await this.#broker.open(this.#topic, this.#group, { prefetch: 200 })
    while (!signal.aborted) {
      try {
        await this.#work(consumer, signal)
      } catch (error) {
        this.faults.add(toGatewayError(error).code)
        await pause(retryMs)
      }
    }
    await consumer.close()
  }

  async #work(consumer: Consumer, signal: AbortSignal): Promise<void> {
    const began = Date.now()
    const { deliveries } = await consumer.pull({ max: 50, waitMs: 500, signal })
    for (const delivery of deliveries) this.#note(delivery)
    if (deliveries.length === 0) return
    const settlements = deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } as const }))
    const results = await consumer.settle(settlements)
    for (const [i, result] of results.entries()) {
      if (result.status === 'failed') this.faults.add(result.error.code)
      else {
        this.#settled.add(deliveries[i]!.position!)
        this.#settledAt = began
      }
    }
  }

  #note({ event, position = '' }: Delivery): void {
    const { id } = event.attributes
    if (this.#settled.has(position)) this.again.push(id)
    // The same place again is another attempt; the same event at another place is a double.
    if (this.#seen.has(position)) return
    this.#seen.add(position)
    this.read.push({ token: id, id, position })
  }
}
