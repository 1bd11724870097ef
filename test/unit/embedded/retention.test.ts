import { describe, expect, it } from 'vitest'
import type { Broker } from '../../../src/core/index.ts'
import {
  consume,
  event,
  group,
  idsOf,
  open,
  openWithTopic,
  publish,
  pull,
  read,
  settle,
  TestClock,
  topic,
} from './support.ts'

const day = 86_400_000

/** Upkeep works in steps, one before each call where time has passed. */
async function settleDown(broker: Broker, clock: TestClock): Promise<void> {
  for (let i = 0; i < 20; i++) {
    clock.advance(1000)
    await broker.health()
  }
}

describe('retention', () => {
  it('by age takes what is older, to the last event, and positions go on', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({ retention: { ms: day } }, clock)
    await publish(broker, event('old'))
    clock.advance(day / 2)
    await publish(broker, event('young'))
    clock.advance(day / 2)
    await settleDown(broker, clock)
    expect(idsOf((await read(broker)).records)).toEqual(['young'])
    clock.advance(day)
    await settleDown(broker, clock)
    expect((await read(broker)).records).toEqual([])
    await expect(broker.log!.get(topic, '2')).rejects.toMatchObject({ code: 'not_found' })
    expect((await publish(broker, event('new')))[0]).toMatchObject({ position: '3' })
    expect(idsOf((await read(broker)).records)).toEqual(['new'])
  })

  it('by bytes keeps the newest, and the last chunk whatever its size', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({ retention: { bytes: 100_000 } }, clock)
    for (let i = 0; i < 50; i++) await publish(broker, event(`e${i}`, {}, 9_900))
    await settleDown(broker, clock)
    const { records } = await read(broker)
    expect(records.length).toBeGreaterThanOrEqual(9)
    expect(records.length).toBeLessThanOrEqual(10)
    expect(idsOf(records).at(-1)).toBe('e49')
    await publish(broker, event('huge', {}, 500_000))
    await settleDown(broker, clock)
    expect(idsOf((await read(broker)).records)).toEqual(['huge'])
  })

  it('hurries where a topic grows quickly: memory stays bounded by default', async () => {
    const broker = await open()
    await broker.admin!.ensure(topic, { dedupWindowMs: 0 })
    expect(await broker.admin!.describe(topic)).toMatchObject({ retention: { ms: 7 * day, bytes: 64 << 20 } })
    for (let i = 0; i < 100; i++) await publish(broker, ...Array.from({ length: 16 }, () => event('e', {}, 1 << 16)))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const size = (await read(broker)).records.length * (1 << 16)
    expect(size).toBeGreaterThan(60 << 20)
    expect(size).toBeLessThan(70 << 20)
  })

  it('makes cursors before it stale, and a read that it overtakes fails rather than to skip', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({ retention: { ms: day } }, clock)
    await publish(broker, event('a'))
    const { cursor } = await read(broker)
    await publish(broker, event('b'))
    clock.advance(day)
    await settleDown(broker, clock)
    await publish(broker, event('c'))
    await expect(read(broker, { cursor })).rejects.toMatchObject({ code: 'stale_cursor' })
    await expect(
      broker.groups.create(topic, 'late', { start: { cursor }, leaseMs: 1000, maxAttempts: 1 }),
    ).rejects.toMatchObject({ code: 'stale_cursor' })
    expect(idsOf((await read(broker)).records)).toEqual(['c'])
  })

  it('wins over groups: they skip what is gone, their lag is exact, and keys go on', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({ retention: { ms: day } }, clock)
    const consumer = await consume(broker, { leaseMs: 1000 })
    const keyed = (id: string) => event(id, { partitionkey: 'k' })
    await publish(broker, keyed('a'), keyed('b'), event('free'))
    const [a] = await pull(consumer, 1)
    await settle(consumer, [a!], { kind: 'nack', delayMs: 3 * day })
    await pull(consumer, 1)
    clock.advance(day / 2)
    await publish(broker, keyed('c'), event('d'))
    clock.advance(day / 2)
    await settleDown(broker, clock)
    expect((await broker.groups.describe(topic, group)).lag?.events).toBe(2)
    expect(idsOf(await pull(consumer))).toEqual(['c', 'd'])
  })

  it('leaves dead letters alone, and what is redriven', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({ retention: { ms: day } }, clock)
    const consumer = await consume(broker)
    await publish(broker, event('a', {}, 64))
    await settle(consumer, await pull(consumer), { kind: 'reject', reason: 'bad' })
    clock.advance(2 * day)
    await settleDown(broker, clock)
    expect(await broker.deadLetters!.redrive(topic, group, 'all')).toBe(1)
    await settleDown(broker, clock)
    const [again] = await pull(consumer)
    expect(again).toMatchObject({ attempt: 1, position: '1', event: { data: new Uint8Array(64) } })
    await settle(consumer, [again!], { kind: 'nack' })
    await settleDown(broker, clock)
    expect(await pull(consumer)).toMatchObject([{ attempt: 2, position: '1' }])
  })
})
