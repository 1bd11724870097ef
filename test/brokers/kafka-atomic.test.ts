import { setTimeout as sleep } from 'node:timers/promises'
import type { Producer } from 'kafkajs'
import { expect, test } from 'vitest'
import type { LogRecord, PublishResult } from '../../src/core/broker.ts'
import type { Event } from '../../src/core/event.ts'
import { event, events } from '../conformance/events.ts'
import { until } from '../conformance/waiting.ts'
import { gateway, groupOptions } from './kafka/gateway.ts'
import { consumeByKafkajs, withProducer } from './kafka/kafkajs.ts'

const gate = gateway(3)
const patienceMs = 20_000
/** For what must not show to show itself. */
const quietMs = 700
const idsOf = (records: readonly Pick<LogRecord, 'event'>[]) => records.map((record) => record.event.attributes.id)
const offsetOf = (position: string) => Number(position.split('-')[1])

function atomically(topic: string, some: readonly Event[]): Promise<readonly PublishResult[]> {
  return gate.broker.publish(topic, some, { atomic: true, signal: AbortSignal.timeout(patienceMs) })
}

/** Runs `work` with a producer of another client whose transactions are its own. */
function beside<T>(work: (producer: Producer) => Promise<T>): Promise<T> {
  return withProducer(gate.cluster.bootstrap, work, `beside-${Math.random()}`)
}

test('a batch over several partitions is stored whole, at the positions that it is told', async () => {
  const topic = await gate.topic('whole', { partitions: 3, replicas: 3 })
  const some = Array.from({ length: 30 }, (_, i) => event(`e-${i}`, { partitionkey: `key-${i % 10}` }))
  const results = await atomically(topic, some)
  expect(results.map(({ status }) => status)).toEqual(some.map(() => 'stored'))
  const positions = results.map((result) => ('position' in result ? result.position! : ''))
  expect(new Set(positions.map((position) => position.split('-')[0])).size).toBe(3)
  const read = await gate.read(topic)
  expect(new Map(read.map(({ position, event: { attributes } }) => [attributes.id, position]))).toEqual(
    new Map(some.map(({ attributes }, i) => [attributes.id, positions[i]])),
  )
  for (const [i, position] of positions.entries()) {
    expect(idsOf([await gate.broker.log!.get(topic, position)])).toEqual([`e-${i}`])
  }
})

test('a batch with an event that cannot be stored leaves nothing, in no partition', async () => {
  const topic = await gate.topic('nothing', { partitions: 3 })
  const some = events(6, 'good').map((one, i) => event(one.attributes.id, { partitionkey: `key-${i}` }))
  const large = event('large', { partitionkey: 'key-0' }, Buffer.alloc(gate.broker.capabilities.maxEventBytes + 1))
  await expect(atomically(topic, [...some, large])).rejects.toMatchObject({ code: 'too_large' })
  expect(await gate.read(topic)).toEqual([])
})

test('nothing of a transaction is seen before its commit, by the log, by a group and by other clients', async () => {
  const topic = await gate.topic('open', { partitions: 1, replicas: 3 })
  await gate.broker.groups.create(topic, 'readers', groupOptions)
  const consumer = await gate.broker.open(topic, 'readers', { prefetch: 100 })
  const stop = new AbortController()
  const followed: string[] = []
  const following = (async () => {
    for await (const { records } of gate.broker.log!.read(topic, 'earliest', { follow: true, signal: stop.signal })) {
      followed.push(...idsOf(records))
    }
  })()
  try {
    await beside(async (producer) => {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ value: 'pending', headers: { ce_id: 'pending' } }] })
      // Behind it even what is stored for good has to wait, or order would be lost.
      await gate.publish(topic, [event('after')])
      await sleep(quietMs)
      expect(followed).toEqual([])
      expect(await gate.read(topic)).toEqual([])
      const { deliveries } = await consumer.pull({ max: 10, waitMs: quietMs, signal: stop.signal })
      expect(deliveries).toEqual([])
      await transaction.commit()
    })
    const seen = await until(patienceMs, 'the follower', async () => followed.length >= 2 && followed)
    expect(seen).toEqual(['0-0', 'after'])
    expect(idsOf(await gate.read(topic))).toEqual(['0-0', 'after'])
    const { deliveries } = await consumer.pull({ max: 10, waitMs: patienceMs, signal: stop.signal })
    expect(idsOf(deliveries)).toEqual(['0-0', 'after'])
  } finally {
    stop.abort()
    await Promise.all([following, consumer.close()])
  }
})

test('what was aborted never shows, in the log, in a group or in its lag', async () => {
  const topic = await gate.topic('aborted', { partitions: 1, replicas: 3 })
  await gate.broker.groups.create(topic, 'readers', groupOptions)
  const expected: string[] = []
  const positions: string[] = []
  await beside(async (producer) => {
    for (let round = 0; round < 4; round++) {
      const transaction = await producer.transaction()
      const messages = Array.from({ length: 3 }, (_, i) => ({ key: 'k', value: `aborted ${round} ${i}` }))
      await transaction.send({ topic, messages })
      // In between, of ours: one that needs no transaction while theirs is open.
      const some = [event(`single-${round}`, { partitionkey: 'k' })]
      positions.push(...(await gate.publish(topic, some)))
      await transaction.send({ topic, messages })
      await transaction.abort()
      const batch = events(3, `batch-${round}`, { partitionkey: 'k' })
      const results = await atomically(topic, batch)
      positions.push(...results.map((result) => ('position' in result ? result.position! : '')))
      expected.push(...[...some, ...batch].map(({ attributes }) => attributes.id))
    }
  })
  const read = await gate.read(topic)
  expect(idsOf(read)).toEqual(expected)
  expect(read.map(({ position }) => position)).toEqual(positions)
  expect(await consumeByKafkajs(gate.cluster.bootstrap, topic, expected.length)).toHaveLength(expected.length)
  // From any cursor on, also one whose next offset is of an aborted record.
  for (const [i, { cursor }] of read.entries()) {
    expect(idsOf(await gate.read(topic, { cursor }))).toEqual(expected.slice(i + 1))
  }
  // What was aborted lies at positions too, and nothing is there.
  const taken = new Set(positions.map(offsetOf))
  const hidden = Array.from({ length: Math.max(...taken) }, (_, offset) => offset).filter(
    (offset) => !taken.has(offset),
  )
  expect(hidden.length).toBeGreaterThanOrEqual(24)
  for (const offset of hidden) {
    await expect(gate.broker.log!.get(topic, `0-${offset}`), `0-${offset}`).rejects.toMatchObject({ code: 'not_found' })
  }
  expect(idsOf(await gate.pull(topic, 'readers', expected.length))).toEqual(expected)
})

test('a group has no lag in the end, also where the last that came was aborted', async () => {
  const topic = await gate.topic('lag', { partitions: 1, replicas: 3 })
  await gate.broker.groups.create(topic, 'readers', groupOptions)
  await gate.publish(topic, events(3, 'e'))
  await beside(async (producer) => {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ value: 'aborted' }, { value: 'aborted' }] })
    await transaction.abort()
  })
  const signal = AbortSignal.timeout(patienceMs)
  const consumer = await gate.broker.open(topic, 'readers', { prefetch: 100 })
  try {
    await until(patienceMs, 'no lag', async () => {
      const { deliveries } = await consumer.pull({ max: 100, waitMs: 200, signal })
      await consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } })))
      const { lag } = await gate.broker.groups.describe(topic, 'readers')
      return lag?.events === 0
    })
  } finally {
    await consumer.close()
  }
})

const own = (i: number, part: string) => event(`${i}-${part}`, { partitionkey: 'own' })

test('events of a key are stored in the order of publishes that are atomic by turns', async () => {
  const topic = await gate.topic('order', { partitions: 3, replicas: 3 })
  const signal = AbortSignal.timeout(patienceMs)
  for (let i = 0; i < 12; i++) {
    const results = await gate.broker.publish(topic, [own(i, 'a'), own(i, 'b')], { atomic: i % 2 === 0, signal })
    expect(results.map(({ status }) => status)).toEqual(['stored', 'stored'])
  }
  const expected = Array.from({ length: 12 }, (_, i) => [`${i}-a`, `${i}-b`]).flat()
  expect(idsOf(await gate.read(topic, 'earliest', { key: 'own' }))).toEqual(expected)
})

test('publishes at once do not mix with an atomic one, and each keeps its order', async () => {
  const topic = await gate.topic('at-once', { partitions: 3, replicas: 3 })
  const signal = AbortSignal.timeout(patienceMs)
  const isAtomic = (i: number) => i % 3 === 0
  const publishing = Array.from({ length: 30 }, (_, i) => {
    const others = isAtomic(i) ? [0, 1, 2].map((n) => event(`other-${i}-${n}`)) : []
    const some = [own(i, 'a'), ...others, own(i, 'b')]
    return gate.broker.publish(topic, some, { atomic: isAtomic(i), signal })
  })
  const results = (await Promise.all(publishing)).flat()
  expect(results.every(({ status }) => status === 'stored')).toBe(true)
  const ids = idsOf(await gate.read(topic, 'earliest', { key: 'own' }))
  expect(ids).toHaveLength(60)
  // What came of one call lies together, …
  const calls = ids.filter((_, at) => at % 2 === 0).map((id) => Number.parseInt(id, 10))
  expect(ids).toEqual(calls.flatMap((i) => [`${i}-a`, `${i}-b`]))
  // … and calls of a kind are in order.
  for (const kind of [true, false]) {
    const of = calls.filter((i) => isAtomic(i) === kind)
    expect(of).toEqual(of.toSorted((a, b) => a - b))
  }
})
