import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import { kafka } from '../../../adapters/kafka/index.ts'
import type {
  Broker,
  Delivery,
  LogRecord,
  PublishResult,
  ReadOptions,
  Start,
  TopicSpec,
} from '../../../src/core/broker.ts'
import type { Event } from '../../../src/core/event.ts'
import { until } from '../../conformance/waiting.ts'
import { configOf } from '../kafka-target.ts'
import type { KafkaAccess } from '../services/kafka.ts'
import { sharedKafka } from '../services/shared.ts'

const patienceMs = 20_000
const startMs = 180_000

export interface Gateway {
  readonly cluster: KafkaAccess
  readonly broker: Broker
  /** Another broker of the adapter on the same cluster, which ends with the file. */
  open(more?: object): Promise<Broker>
  /** A new topic, with one partition where `spec` does not say otherwise. */
  topic(stem: string, spec?: TopicSpec): Promise<string>
  /** Publishes, and answers the positions; what is not stored is an Error. */
  publish(topic: string, events: readonly Event[], broker?: Broker): Promise<string[]>
  /** Everything that a read gives, up to its end. */
  read(topic: string, from?: Start, options?: Partial<ReadOptions>): Promise<LogRecord[]>
  /** What a new consumer of the group is given until it has so many, or what it looks for, settled. */
  pull(topic: string, group: string, enough: number | ((taken: Delivery[]) => boolean)): Promise<Delivery[]>
}

/** The adapter on the cluster of `nodes` nodes that the run's files share; call at the top of a file. */
export function gateway(nodes: 1 | 3): Gateway {
  let cluster: KafkaAccess | undefined
  let broker: Broker | undefined
  const opened: Broker[] = []
  beforeAll(async () => {
    cluster = await sharedKafka(nodes)
    broker = await self.open()
  }, startMs)
  afterAll(() => Promise.all(opened.map((one) => one.close())))
  const self: Gateway = {
    get cluster() {
      return cluster!
    },
    get broker() {
      return broker!
    },
    async open(more = {}) {
      const one = await kafka.open(configOf(cluster!.bootstrap, more))
      opened.push(one)
      return one
    },
    async topic(stem, spec) {
      const topic = `${stem}-${randomUUID().slice(0, 8)}`
      await broker!.admin!.ensure(topic, { partitions: 1, ...spec })
      return topic
    },
    async publish(topic, events, by = broker!) {
      const results = await by.publish(topic, events, { signal: AbortSignal.timeout(patienceMs) })
      return results.map(positionOf)
    },
    async read(topic, from = 'earliest', options = {}) {
      const records: LogRecord[] = []
      const signal = AbortSignal.timeout(patienceMs)
      for await (const batch of broker!.log!.read(topic, from, { signal, ...options })) records.push(...batch.records)
      signal.throwIfAborted()
      return records
    },
    async pull(topic, group, enough) {
      const consumer = await broker!.open(topic, group, { prefetch: 100 })
      const taken: Delivery[] = []
      try {
        await until(patienceMs, 'the deliveries', async () => {
          const { deliveries } = await consumer.pull({ max: 100, waitMs: 500, signal: AbortSignal.timeout(patienceMs) })
          await consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } })))
          taken.push(...deliveries)
          return typeof enough === 'number' ? taken.length >= enough : enough(taken)
        })
      } finally {
        await consumer.close()
      }
      return taken
    },
  }
  return self
}

/** A group that the core would make. */
export const groupOptions = { start: 'earliest', leaseMs: 30_000, maxAttempts: 5 } as const

function positionOf(result: PublishResult): string {
  if (result.status === 'stored' && result.position !== undefined) return result.position
  throw new Error(`Event ${result.id} was not stored: ${JSON.stringify(result)}`)
}
