import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { rabbitmq } from '../../../adapters/rabbitmq/index.ts'
import type { Broker, Delivery } from '../../../src/core/broker.ts'
import type { Event } from '../../../src/core/event.ts'
import { configOf } from '../../brokers/rabbitmq-target.ts'
import { until } from '../../conformance/waiting.ts'
import { Load } from '../kafka/load.ts'
import { Ledger, type ReadEvent, type Report } from '../ledger.ts'

export const group = 'all'
const publishers = 8
const deadlineMs = 5000
/** I6. */
const recoverMs = 30_000
const drainMs = 60_000

/** A broker on a topic of its own with one group, and publishers that note what they are told. */
export class Scene {
  readonly broker: Broker
  readonly topic: string
  readonly ledger = new Ledger()
  readonly load: Load

  private constructor(broker: Broker, topic: string, seed: number) {
    this.broker = broker
    this.topic = topic
    this.load = new Load(broker, topic, this.ledger, { seed, publishers, deadlineMs, paceMs: 5, batch: 30 })
  }

  static async open(url: string, seed: number): Promise<Scene> {
    const broker = await rabbitmq.open(configOf(url))
    const topic = `faults-${randomUUID().slice(0, 8)}`
    await broker.admin!.ensure(topic, {})
    await broker.groups.create(topic, group, { start: 'latest', leaseMs: 30_000, maxAttempts: 5 })
    return new Scene(broker, topic, seed)
  }

  /** Publishes in one call, and notes what is told. */
  async publish(events: readonly Event[], timeoutMs = deadlineMs) {
    for (const { attributes } of events) this.ledger.attempt({ token: attributes.id })
    const results = await this.broker.publish(this.topic, events, { signal: AbortSignal.timeout(timeoutMs) })
    for (const { id, status } of results) {
      if (status === 'stored') this.ledger.acknowledge(id, id, undefined)
      if (status === 'failed') this.ledger.fail(id)
    }
    return results
  }

  /** From now until something is acknowledged that was sent from now on. */
  async recovered(): Promise<void> {
    const since = Date.now()
    await until(recoverMs, 'publishes are acknowledged again', async () =>
      this.load.requests.some(
        ({ began, results }) => began >= since && results.some(({ status }) => status === 'stored'),
      ),
    )
  }

  /** Empties the group, and compares. */
  async check(): Promise<Report> {
    const consumer = await this.broker.open(this.topic, group, { prefetch: 1000 })
    const read: ReadEvent[] = []
    const end = Date.now() + drainMs
    try {
      for (;;) {
        const { deliveries } = await consumer.pull({ max: 500, waitMs: 1000, signal: AbortSignal.timeout(drainMs) })
        if (deliveries.length === 0) break
        assert(Date.now() < end, 'the group is emptied in time')
        for (const { event } of deliveries) read.push(readEvent(event, read.length))
        await settled(consumer.settle(deliveries.map(acked)))
      }
      return this.ledger.check(read, false)
    } finally {
      await consumer.close()
    }
  }

  async close(): Promise<void> {
    await this.load.stop()
    await this.broker.close()
  }
}

export const acked = ({ receipt }: Delivery) => ({ receipt, outcome: { kind: 'ack' } }) as const

async function settled(settling: Promise<readonly { status: string }[]>): Promise<void> {
  assert(
    (await settling).every(({ status }) => status === 'ok'),
    'what is read is settled',
  )
}

function readEvent({ attributes }: Event, at: number): ReadEvent {
  return { token: attributes.id, id: attributes.id, position: String(at) }
}

export function summary(seed: number, { violations, ...counts }: Report): string {
  return `seed ${seed}, ${JSON.stringify(counts)}, ${violations.length} violations`
}
