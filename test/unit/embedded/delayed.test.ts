import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Broker, Event } from '../../../src/core/index.ts'
import {
  consume,
  event,
  folder,
  idsOf,
  never,
  open,
  openWithTopic,
  publish,
  pull,
  read,
  TestClock,
  topic,
} from './support.ts'

function later(broker: Broker, delayMs: number, ...events: Event[]) {
  return broker.publish(topic, events, { delayMs, signal: never })
}

describe('a delayed publish', () => {
  it('is seen by nobody before its time, and by everybody then, in the order of their times', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({}, clock)
    const consumer = await consume(broker)
    expect(await later(broker, 2000, event('late'))).toEqual([{ id: 'late', status: 'stored' }])
    await later(broker, 1000, event('early'), event('early too'))
    await publish(broker, event('now'))
    clock.advance(999)
    expect(idsOf((await read(broker)).records)).toEqual(['now'])
    expect((await broker.groups.describe(topic, 'workers')).lag).toMatchObject({ events: 1 })
    expect(idsOf(await pull(consumer))).toEqual(['now'])
    clock.advance(1)
    expect(idsOf(await pull(consumer))).toEqual(['early', 'early too'])
    clock.advance(1000)
    expect(idsOf((await read(broker)).records)).toEqual(['now', 'early', 'early too', 'late'])
  })

  it('wakes whoever waits when it becomes due', async () => {
    const broker = await openWithTopic()
    const consumer = await consume(broker)
    const began = Date.now()
    const waiting = pull(consumer, 1, 10_000)
    await later(broker, 150, event('a'))
    expect(idsOf(await waiting)).toEqual(['a'])
    expect(Date.now() - began).toBeGreaterThanOrEqual(150)
  })

  it('takes part in deduplication from its acceptance on, while it waits and after', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({ dedupWindowMs: 60_000 }, clock)
    const results = await later(broker, 1000, event('a'), event('b'), event('a'))
    expect(results.map((result) => 'duplicate' in result)).toEqual([false, false, true])
    expect(await publish(broker, event('a'))).toEqual([{ id: 'a', status: 'stored', duplicate: true }])
    expect(await later(broker, 5, event('b'))).toEqual([{ id: 'b', status: 'stored', duplicate: true }])
    clock.advance(1000)
    expect(await publish(broker, event('b'))).toEqual([{ id: 'b', status: 'stored', duplicate: true, position: '2' }])
    expect(idsOf((await read(broker)).records)).toEqual(['a', 'b'])
  })

  it('survives a restart, and so do its ids', async () => {
    const path = join(folder(), 'log.db')
    const first = await open({ path })
    await first.admin!.ensure(topic, {})
    await later(first, 400, event('a'))
    await first.close()
    const second = await open({ path })
    const again = await publish(second, event('a'))
    expect(again).toMatchObject([{ duplicate: true }])
    const controller = new AbortController()
    for await (const { records } of second.log!.read(topic, 'earliest', { follow: true, signal: controller.signal })) {
      if (records.length === 0) continue
      expect(idsOf(records)).toEqual(['a'])
      controller.abort()
    }
    expect((await read(second)).records).toHaveLength(1)
  })
})
