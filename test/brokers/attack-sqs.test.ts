import { afterAll, expect, test } from 'vitest'
import { sqs } from '../../adapters/sqs/index.ts'
import type { Broker, Delivery } from '../../src/core/broker.ts'
import { events, ids } from '../conformance/events.ts'
import { pause } from '../conformance/waiting.ts'
import { sharedSqs } from './services/shared.ts'
import { configOf } from './sqs-target.ts'

const opened: Broker[] = []
afterAll(() => Promise.all(opened.map((broker) => broker.close())))

const groupOptions = { start: 'latest', leaseMs: 30_000, maxAttempts: 5 } as const
const signal = () => AbortSignal.timeout(20_000)

async function open(): Promise<Broker> {
  const broker = await sqs.open(configOf((await sharedSqs()).queues))
  opened.push(broker)
  return broker
}

async function all(broker: Broker, topic: string, count: number): Promise<Delivery[]> {
  const consumer = await broker.open(topic, 'g', { prefetch: 100 })
  const taken: Delivery[] = []
  const end = Date.now() + 10_000
  while (taken.length < count && Date.now() < end) {
    const { deliveries } = await consumer.pull({ max: 100, waitMs: 1000, signal: signal() })
    taken.push(...deliveries)
  }
  await consumer.close()
  return taken
}

test.each([0, 300, 700])(
  'a replica that makes the same group %dms later deletes nothing of it',
  { timeout: 90_000 },
  async (laterMs) => {
    const [first, second] = [await open(), await open()]
    const topic = `race-${crypto.randomUUID().slice(0, 8)}`
    await first.admin!.ensure(topic, {})
    const making = first.groups.create(topic, 'g', groupOptions)
    await pause(laterMs)
    const again = second.groups.create(topic, 'g', groupOptions)
    await making
    const made = events(10, 'e')
    for (const one of made) {
      const [result] = await first.publish(topic, [one], { signal: signal() })
      expect(result?.status).toBe('stored')
    }
    await again
    const taken = await all(first, topic, made.length)
    expect(new Set(ids(taken.map(({ event }) => event)))).toEqual(new Set(ids(made)))
  },
)
