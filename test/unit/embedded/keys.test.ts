import { describe, expect, it } from 'vitest'
import { maxUnfinished } from '../../../adapters/embedded/engine/pull.ts'
import {
  consume,
  event,
  group,
  idsOf,
  openWithTopic,
  publish,
  pull,
  read,
  settle,
  TestClock,
  topic,
} from './support.ts'

const keyed = (id: string, partitionkey: string) => event(id, { partitionkey })

describe('events of a key', () => {
  it('come one after the other; other keys and keyless ones proceed', async () => {
    const broker = await openWithTopic()
    const consumer = await consume(broker)
    await publish(broker, keyed('a1', 'a'), keyed('a2', 'a'), keyed('b1', 'b'), event('free'), keyed('a3', 'a'))
    const [a1, b1, free] = await pull(consumer)
    expect(idsOf([a1!, b1!, free!])).toEqual(['a1', 'b1', 'free'])
    expect(await pull(consumer)).toEqual([])
    await settle(consumer, [b1!, free!])
    expect(await pull(consumer)).toEqual([])
    await settle(consumer, [a1!])
    const [a2, ...none] = await pull(consumer)
    expect([idsOf([a2!]), none]).toEqual([['a2'], []])
  })

  it('wait while the first of them is delayed by a nack, and go on when it is dead', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({}, clock)
    const consumer = await consume(broker, { maxAttempts: 2 })
    await publish(broker, keyed('a1', 'a'), keyed('a2', 'a'), keyed('b1', 'b'))
    const [a1] = await pull(consumer, 1)
    await settle(consumer, [a1!], { kind: 'nack', delayMs: 1000 })
    expect(idsOf(await pull(consumer))).toEqual(['b1'])
    clock.advance(1000)
    const again = await pull(consumer)
    expect(idsOf(again)).toEqual(['a1'])
    await settle(consumer, again, { kind: 'nack' })
    expect(idsOf(await pull(consumer))).toEqual(['a2'])
  })

  it('wait for one that was redriven', async () => {
    const broker = await openWithTopic()
    const consumer = await consume(broker)
    await publish(broker, keyed('a1', 'a'), keyed('a2', 'a'), keyed('a3', 'a'))
    await settle(consumer, await pull(consumer), { kind: 'reject', reason: 'no' })
    const a2 = await pull(consumer)
    expect(idsOf(a2)).toEqual(['a2'])
    expect(await broker.deadLetters!.redrive(topic, group, 'all')).toBe(1)
    expect(await pull(consumer)).toEqual([])
    await settle(consumer, a2)
    const a1 = await pull(consumer)
    expect(idsOf(a1)).toEqual(['a1'])
    await settle(consumer, a1)
    expect(idsOf(await pull(consumer))).toEqual(['a3'])
  })

  it('hold back any number of their own, and nothing else', async () => {
    const broker = await openWithTopic()
    const consumer = await consume(broker)
    for (let i = 0; i < 5; i++) {
      await publish(broker, ...Array.from({ length: 1000 }, (_, k) => keyed(`a${i * 1000 + k}`, 'a')))
    }
    await publish(broker, keyed('b', 'b'))
    const first = await pull(consumer, 10)
    expect(idsOf(first)).toEqual(['a0'])
    expect(idsOf(await pull(consumer, 10, 5000))).toEqual(['b'])
    expect(await broker.groups.describe(topic, group)).toMatchObject({ inFlight: 2, lag: { events: 5001 } })
    await settle(consumer, first)
    expect(idsOf(await pull(consumer, 10))).toEqual(['a1'])
  })

  it('are no more than so many in hand: beyond it a group gets fresh ones when it finishes some', async () => {
    const broker = await openWithTopic({ dedupWindowMs: 0 })
    const consumer = await consume(broker)
    for (let i = 0; i < maxUnfinished + 1000; i += 1000) {
      await publish(broker, ...Array.from({ length: 1000 }, () => keyed('e', 'a')))
    }
    await publish(broker, event('free'))
    const [first] = await pull(consumer)
    expect(await pull(consumer, 100, 2000)).toEqual([])
    await settle(consumer, [first!])
    expect(idsOf(await pull(consumer))).toEqual(['e'])
    expect((await broker.groups.describe(topic, group)).lag?.events).toBe(maxUnfinished + 1000)
  })

  it('stay in order with many consumers that drop some', async () => {
    const broker = await openWithTopic()
    await consume(broker, { maxAttempts: 100 })
    const consumers = await Promise.all(Array.from({ length: 8 }, () => broker.open(topic, group, { prefetch: 7 })))
    const total = 1000
    await publish(broker, ...Array.from({ length: total }, (_, i) => keyed(String(i), `k${i % 16}`)))
    const done: number[] = []
    await Promise.all(
      consumers.map(async (consumer, n) => {
        while (done.length < total) {
          for (const delivery of await pull(consumer, 5, 50)) {
            const drop = (Number(delivery.event.attributes.id) + delivery.attempt * 3 + n) % 5 === 0
            if (!drop) done.push(Number(delivery.event.attributes.id))
            await settle(consumer, [delivery], { kind: drop ? 'nack' : 'ack' })
          }
        }
      }),
    )
    for (let key = 0; key < 16; key++) {
      const ofKey = done.filter((id) => id % 16 === key)
      expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b))
    }
    expect(new Set(done).size).toBe(total)
  })

  it('are found in the log by their key, also after partitions were added', async () => {
    const broker = await openWithTopic({ partitions: 1 })
    const one = (from: number) => Array.from({ length: 40 }, (_, i) => keyed(`${from + i}`, `k${(from + i) % 40}`))
    for (const made of one(0)) await publish(broker, made)
    expect(await broker.admin!.ensure(topic, { partitions: 32 })).toEqual([
      { field: 'partitions', from: '1', to: '32' },
    ])
    for (const made of one(40)) await publish(broker, made)
    expect(idsOf((await read(broker, 'earliest', { key: 'k7' })).records)).toEqual(['7', '47'])
    expect((await read(broker, 'earliest', { key: 'none' })).records).toEqual([])
    await expect(broker.admin!.ensure(topic, { partitions: 8 })).rejects.toMatchObject({ code: 'conflict' })
  })
})
