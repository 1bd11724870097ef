import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import type { Broker, Delivery, PublishResult } from '../../src/core/broker.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { Event } from '../../src/core/event.ts'
import { until } from '../conformance/waiting.ts'

/** Of every user in these tests. */
export const secret = 'p4ss-w0rd'
export const groupOptions = { start: 'latest', leaseMs: 30_000, maxAttempts: 5 } as const
const patienceMs = 20_000

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

/** An event goes through the broker, and comes back as it was. */
export async function roundTrip(broker: Broker, sent: Event): Promise<void> {
  const topic = await topicOn(broker)
  expect(await publish(broker, topic, [sent])).toMatchObject([{ status: 'stored' }])
  const [delivery] = await pull(broker, topic, 1)
  expect(delivery!.event.attributes).toEqual(sent.attributes)
  expect(Buffer.from(delivery!.event.data ?? [])).toEqual(Buffer.from(sent.data ?? []))
}

/** A refusal that says what to do, and holds no secret. */
export async function refusal(attempt: Promise<unknown>, code: string, ...words: readonly string[]): Promise<void> {
  const error: unknown = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(GatewayError)
  expect(error).toMatchObject({ code })
  const { message } = error as GatewayError
  for (const word of words) expect(message).toContain(word)
  expect(message).not.toContain(secret)
}
