import { afterAll, beforeAll, expect, test } from 'vitest'
import { kafka } from '../../adapters/kafka/index.ts'
import type { Batch, Broker, PublishResult } from '../../src/core/broker.ts'
import { configOf } from '../brokers/kafka-target.ts'
import { type KafkaCluster, startKafka } from '../brokers/services/kafka.ts'
import { event, idOf } from '../conformance/events.ts'
import { until } from '../conformance/waiting.ts'
import { nodeOf, placement } from './kafka/cluster.ts'
import { Member } from './kafka/member.ts'

const timeout = 180_000
const patienceMs = 60_000
const options = { start: 'earliest', leaseMs: 30_000, maxAttempts: 16 } as const

let cluster: KafkaCluster
beforeAll(async () => {
  cluster = await startKafka({ nodes: 3 })
}, timeout)
afterAll(() => cluster?.stop())

/** Keys that go to each of these partitions, by where a first event of each was stored. */
async function keysByPartition(broker: Broker, topic: string, partitions: number): Promise<string[]> {
  const keys: string[] = []
  for (let i = 0; keys.filter(Boolean).length < partitions; i++) {
    const [result] = await publish(broker, topic, `first-${i}`, `k${i}`)
    if (result?.status === 'stored') keys[Number(result.position!.split('-')[0])] ??= `k${i}`
  }
  return keys
}

function publish(broker: Broker, topic: string, id: string, partitionkey: string, ms = 10_000) {
  return broker.publish(topic, [event(id, { partitionkey })], { signal: AbortSignal.timeout(ms) })
}

test('a partition that nobody leads holds up no other, for publishing, reading, and groups', { timeout }, async () => {
  const broker = await kafka.open(configOf(cluster.bootstrap))
  const follow = new AbortController()
  try {
    const topic = 'alone'
    await broker.admin!.ensure(topic, { partitions: 3, replicas: 1 })
    const keys = await keysByPartition(broker, topic, 3)
    const seen: string[] = []
    const following = (async () => {
      const reading = broker.log!.read(topic, 'earliest', { follow: true, signal: follow.signal })
      for await (const { records } of reading) seen.push(...records.map((record) => idOf(record.event)))
    })()
    await broker.groups.create(topic, 'readers', options)
    const consumer = await broker.open(topic, 'readers', { prefetch: 100 })

    const [lost] = await placement(broker, topic)
    const victim = nodeOf(cluster, lost!.leader!)
    await victim.kill()
    const alive = keys.filter((_, partition) => partition !== lost!.partition)
    for (const [i, key] of alive.entries()) {
      await until(patienceMs, `${key} is stored`, async () => {
        const [result] = await publish(broker, topic, `after-${i}`, key)
        return result?.status === 'stored'
      })
    }
    const told: readonly PublishResult[] = await publish(broker, topic, 'lost', keys[lost!.partition]!, 1000)
    expect(told[0]!.status).not.toBe('stored')
    await until(patienceMs, 'what is published elsewhere is followed', async () => seen.includes('after-1'))
    const pulled: string[] = []
    await until(patienceMs, 'and pulled', async () => {
      const batch = await consumer.pull({ max: 100, waitMs: 200, signal: follow.signal })
      await consumer.settle(batch.deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } })))
      pulled.push(...batch.deliveries.map((delivery) => idOf(delivery.event)))
      return pulled.includes('after-1')
    })
    await until(patienceMs, 'health names the partition', async () => {
      const fault = await broker.health().catch((error: Error) => error.message)
      return fault === `Partition ${lost!.partition} of ${topic} has no leader.`
    })
    await victim.start()
    await until(patienceMs, 'the partition takes events again', async () => {
      const [result] = await publish(broker, topic, 'back', keys[lost!.partition]!)
      return result?.status === 'stored'
    })
    await until(patienceMs, 'and is followed again', async () => seen.includes('back'))
    await broker.health()
    follow.abort()
    await following
    await consumer.close()
  } finally {
    follow.abort()
    await broker.close()
  }
})

test('a member with a name of its own that is killed and comes back takes nothing from the others', {
  timeout,
}, async () => {
  const topic = 'static'
  const group = 'named'
  const config = (instanceId: string) => configOf(cluster.bootstrap, { sessionTimeout: '30s', instanceId })
  const broker = await kafka.open(config('other'))
  const first = new Member('first')
  const second = new Member('second')
  try {
    await broker.admin!.ensure(topic, { partitions: 4, replicas: 3 })
    await broker.groups.create(topic, group, options)
    const other = await broker.open(topic, group, { prefetch: 100 })
    const task = {
      config: config('named'),
      topic,
      group,
      prefetch: 10,
      seed: 1,
      handleMs: 5,
      early: false,
      held: false,
    }
    first.enter(task)
    await first.joined()
    const keys = await keysByPartition(broker, topic, 4)
    const batches: Batch[] = []
    const work = async () => {
      const batch = await other.pull({ max: 100, waitMs: 200, signal: AbortSignal.timeout(patienceMs) })
      await other.settle(batch.deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } })))
      if (batch.deliveries.length > 0) batches.push(batch)
    }
    const settled = async () => (await broker.groups.describe(topic, group)).lag!.events === 0
    await until(patienceMs, 'both have partitions, and settled everything', async () => {
      await work()
      return batches.length > 0 && first.count('settled') > 0 && (await settled())
    })
    const epochs = new Set(batches.map(({ epoch }) => epoch))
    const own = new Set(batches.map(({ partition }) => partition))

    await first.kill()
    for (const [partition, key] of keys.entries()) await publish(broker, topic, `meanwhile-${partition}`, key)
    second.enter(task)
    await second.joined()
    await until(patienceMs, 'everything is settled again', async () => {
      await work()
      return settled()
    })
    expect(new Set(batches.map(({ partition }) => partition))).toEqual(own)
    expect(new Set(batches.map(({ epoch }) => epoch)), 'no partition was taken away and given anew').toEqual(epochs)
    expect(second.count('settled')).toBe(4 - own.size)
    await second.stop()
    await other.close()
  } finally {
    await Promise.all([first.remove(), second.remove()])
    await broker.close()
  }
})
