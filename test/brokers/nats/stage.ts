import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { nats } from '../../../adapters/nats/index.ts'
import type { Broker, Delivery, PublishResult } from '../../../src/core/broker.ts'
import type { Event } from '../../../src/core/event.ts'
import { until } from '../../conformance/waiting.ts'

const patienceMs = 20_000
const groupOptions = { start: 'earliest', leaseMs: 30_000, maxAttempts: 5 } as const

/** A broker by its configuration, whose requests wait for two seconds where it does not say otherwise. */
export async function openNats(servers: readonly string[], more: object = {}): Promise<Broker> {
  return nats.open(nats.config.parse({ type: 'nats', servers, requestTimeout: '2s', ...more }))
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
export async function pull(broker: Broker, topic: string, count: number): Promise<Delivery[]> {
  const consumer = await broker.open(topic, 'g', { prefetch: 100 })
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

/** An event goes through the broker, and comes back as it was. */
export async function roundTrip(broker: Broker, sent: Event): Promise<void> {
  const topic = await topicOn(broker)
  expect(await publish(broker, topic, [sent])).toMatchObject([{ status: 'stored' }])
  const [delivery] = await pull(broker, topic, 1)
  expect(delivery!.event.attributes).toEqual(sent.attributes)
  expect(Buffer.from(delivery!.event.data ?? [])).toEqual(Buffer.from(sent.data ?? []))
}
