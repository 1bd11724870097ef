import { randomUUID } from 'node:crypto'
import { type ChannelModel, connect } from 'amqplib'
import { afterAll, beforeAll } from 'vitest'
import { rabbitmq } from '../../../adapters/rabbitmq/index.ts'
import type { Broker, Delivery, PublishResult } from '../../../src/core/broker.ts'
import type { Event } from '../../../src/core/event.ts'
import { until } from '../../conformance/waiting.ts'
import { configOf } from '../rabbitmq-target.ts'
import type { RabbitAccess } from '../services/rabbitmq.ts'
import { sharedRabbitmq } from '../services/shared.ts'

const patienceMs = 20_000
const startMs = 180_000
export const groupOptions = { start: 'latest', leaseMs: 30_000, maxAttempts: 5 } as const

export interface Stage {
  readonly server: RabbitAccess
  /** A client that is not the gateway's. */
  readonly client: ChannelModel
  /** A broker of the adapter, which ends with the file. */
  open(more?: object): Promise<Broker>
}

/** The adapter on the server that the run's files share; call at the top of a file. */
export function stage(): Stage {
  let server: RabbitAccess | undefined
  let client: ChannelModel | undefined
  const opened: Broker[] = []
  beforeAll(async () => {
    server = await sharedRabbitmq()
    client = await connect(server.url)
  }, startMs)
  afterAll(async () => {
    await Promise.all(opened.map((broker) => broker.close()))
    await client?.close()
  })
  return {
    get server() {
      return server!
    },
    get client() {
      return client!
    },
    async open(more = {}) {
      const broker = await rabbitmq.open(configOf(server!.url, more))
      opened.push(broker)
      return broker
    },
  }
}

export const nameOf = (stem: string): string => `${stem}-${randomUUID().slice(0, 8)}`

/** A new topic with a group `g`. */
export async function topicOn(broker: Broker, stem = 'topic'): Promise<string> {
  const topic = nameOf(stem)
  await broker.admin!.ensure(topic, {})
  await broker.groups.create(topic, 'g', groupOptions)
  return topic
}

export function publish(broker: Broker, topic: string, events: readonly Event[]): Promise<readonly PublishResult[]> {
  return broker.publish(topic, events, { signal: AbortSignal.timeout(patienceMs) })
}

/** What the group gives until it is so many, acknowledged. */
export async function pull(broker: Broker, topic: string, count: number, group = 'g'): Promise<Delivery[]> {
  const consumer = await broker.open(topic, group, { prefetch: 100 })
  const taken: Delivery[] = []
  try {
    await until(patienceMs, `${count} deliveries`, async () => {
      const { deliveries } = await consumer.pull({ max: 100, waitMs: 500, signal: AbortSignal.timeout(patienceMs) })
      await consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } })))
      taken.push(...deliveries)
      return taken.length >= count
    })
  } finally {
    await consumer.close()
  }
  return taken
}
