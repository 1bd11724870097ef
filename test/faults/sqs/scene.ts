import { randomUUID } from 'node:crypto'
import { sqs } from '../../../adapters/sqs/index.ts'
import type { Broker, Delivery, PublishResult, SettleResult, TopicSpec } from '../../../src/core/broker.ts'
import type { AwsProxy, Meddler } from '../../brokers/sqs/proxy.ts'
import { configOf, type Mode } from '../../brokers/sqs-target.ts'
import { events } from '../../conformance/events.ts'
import { Ledger, type ReadEvent, type Report } from '../ledger.ts'

const group = 'all'
const patienceMs = 60_000
const leaseMs = 2000

/** A broker behind a proxy, with one topic and one group, and what is known of what was published. */
export class Scene {
  readonly broker: Broker
  readonly topic: string
  readonly ledger = new Ledger()
  readonly #proxy: AwsProxy
  readonly #meddlers: Meddler[] = []

  private constructor(broker: Broker, topic: string, proxy: AwsProxy) {
    this.broker = broker
    this.topic = topic
    this.#proxy = proxy
  }

  static async open(proxy: AwsProxy, mode: Mode, spec: TopicSpec = {}): Promise<Scene> {
    const broker = await sqs.open(configOf(proxy.endpoint, mode))
    const topic = `faults-${randomUUID().slice(0, 8)}`
    await broker.admin!.ensure(topic, spec)
    await broker.groups.create(topic, group, { start: 'latest', leaseMs, maxAttempts: 100 })
    return new Scene(broker, topic, proxy)
  }

  meddle<T extends Meddler>(meddler: T): T {
    this.#proxy.meddlers.add(meddler)
    this.#meddlers.push(meddler)
    return meddler
  }

  heal(): void {
    for (const meddler of this.#meddlers.splice(0)) this.#proxy.meddlers.delete(meddler)
  }

  /** Publishes in one call, and notes what is told. */
  async publish(count: number, stem: string, key?: (i: number) => string): Promise<readonly PublishResult[]> {
    const sent = events(count, stem).map((one, i) => {
      return key === undefined ? one : { ...one, attributes: { ...one.attributes, partitionkey: key(i) } }
    })
    for (const [i, { attributes }] of sent.entries()) {
      this.ledger.attempt({ token: attributes.id, ...(key !== undefined && { key: key(i) }) })
    }
    const results = await this.broker.publish(this.topic, sent, { signal: AbortSignal.timeout(patienceMs) })
    for (const { id, status } of results) {
      if (status === 'stored') this.ledger.acknowledge(id, id, undefined)
      if (status === 'failed') this.ledger.fail(id)
    }
    return results
  }

  /** Everything that is in the group, in the order in which it came, acknowledged; ends when nothing comes any more. */
  async drain(onResult: (delivery: Delivery, result: SettleResult) => void = () => {}): Promise<ReadEvent[]> {
    const consumer = await this.broker.open(this.topic, group, { prefetch: 1000 })
    const read: ReadEvent[] = []
    try {
      for (;;) {
        // Longer than the lease: what was not acknowledged comes again meanwhile.
        const signal = AbortSignal.timeout(patienceMs)
        const { deliveries } = await consumer.pull({ max: 100, waitMs: 2 * leaseMs, signal })
        if (deliveries.length === 0) return read
        for (const { event } of deliveries) {
          const { id } = event.attributes
          read.push({ token: id, id, position: String(read.length) })
        }
        const settlements = deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } as const }))
        const results = await consumer.settle(settlements)
        for (const [i, delivery] of deliveries.entries()) onResult(delivery, results[i]!)
      }
    } finally {
      await consumer.close()
    }
  }

  async check(): Promise<Report> {
    return this.ledger.check(await this.drain(), false)
  }

  /** One delivery of a consumer that stays open until the scene ends. */
  async one() {
    const consumer = await this.broker.open(this.topic, group, { prefetch: 10 })
    const { deliveries } = await consumer.pull({ max: 1, waitMs: patienceMs, signal: AbortSignal.timeout(patienceMs) })
    return { consumer, delivery: deliveries[0]! }
  }

  async close(): Promise<void> {
    this.heal()
    await this.broker.close()
  }
}

export function summary(seed: number, { violations, ...counts }: Report): string {
  return `seed ${seed}, ${JSON.stringify(counts)}, ${violations.length} violations`
}
