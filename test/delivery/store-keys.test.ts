import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { aRow, claimed, databases, endedRow, eventIds, type StoreStage, storeStage, subscribed } from './store-stage.ts'

describe.each(databases)('rows with a key in %s', (database) => {
  let stage: StoreStage
  let one: Store
  let other: Store
  let id: string

  beforeAll(async () => {
    stage = await storeStage(database)
    one = await stage.open()
    other = await stage.open()
  })
  beforeEach(async () => {
    id = (await subscribed(one)).id
  })
  afterAll(() => stage.close())

  const keyed = (event: string, change = {}) => aRow(id, event, { key: 'k', ...change })
  const finish = (event: string, status: 'succeeded' | 'dead' | 'discarded') =>
    one.deliveries.finish([{ id: `${id}/${event}`, token: 'token', status, now: 2100 }])
  const dueAt = async () => (await one.deliveries.schedule()).find(({ subscription }) => subscription === id)?.at

  test('are claimed one by one in the order of inserting, while other keys go on', async () => {
    // The first is due last.
    await one.deliveries.insert([keyed('1', { at: 1900 }), keyed('2', { at: 1000 }), aRow(id, 'else', { key: 'l' })])
    await one.deliveries.insert([keyed('3', { at: 500 }), aRow(id, 'none')])
    expect(new Set(eventIds(await claimed(one, id)))).toEqual(new Set(['1', 'else', 'none']))
    expect(await claimed(other, id)).toEqual([])
    await finish('1', 'succeeded')
    expect(eventIds(await claimed(other, id))).toEqual(['2'])
    await finish('2', 'discarded')
    expect(eventIds(await claimed(one, id))).toEqual(['3'])
  })

  test('wait for a head that is not due, and are not said to be due meanwhile', async () => {
    await one.deliveries.insert([keyed('1', { at: 9000 }), keyed('2', { at: 1 })])
    expect(await dueAt()).toBe(9000)
    expect(await claimed(one, id)).toEqual([])
    await claimed(one, id, { now: 9000, until: 9500 })
    expect(await dueAt()).toBe(9500)
    await one.deliveries.release([{ id: `${id}/1`, token: 'token' }], 9700)
    expect(await dueAt()).toBe(9700)
    await one.deliveries.delete(`${id}/1`)
    expect(await dueAt()).toBe(1)
  })

  test('go on after a head that is deleted, killed or dead, and wait for one that comes back', async () => {
    await one.deliveries.insert([endedRow(id, '0', { key: 'k' }), keyed('1'), keyed('2')])
    expect(await one.deliveries.retry(`${id}/0`, 1500)).toBe('due')
    expect(eventIds(await claimed(one, id))).toEqual(['0'])
    await finish('0', 'dead')
    expect(eventIds(await claimed(one, id))).toEqual(['1'])
    // What is in flight goes on; what comes back is before everything else.
    await one.deliveries.retry(`${id}/0`, 1500)
    expect(eventIds(await claimed(one, id, { token: 'again' }))).toEqual(['0'])
    const parked = { id: `${id}/1`, token: 'token', status: 'parked', at: 1, now: 2100 } as const
    expect(await one.deliveries.finish([parked])).toEqual([true])
    expect(await claimed(one, id)).toEqual([])
    await one.deliveries.finish([{ id: `${id}/0`, token: 'again', status: 'succeeded', now: 2200 }])
    expect(eventIds(await claimed(one, id))).toEqual(['1'])
  })

  test('are told apart by subscription and key where they are blocked', async () => {
    const { id: second } = await subscribed(one)
    await one.deliveries.insert([
      keyed('1'),
      aRow(second, '1', { key: 'other key' }),
      endedRow(id, '2', { key: 'over' }),
    ])
    const pairs = [
      { subscription: id, key: 'k' },
      { subscription: id, key: 'other key' },
      { subscription: second, key: 'other key' },
      { subscription: id, key: 'over' },
    ]
    expect(await other.deliveries.blocked(pairs)).toEqual(new Set([`${id} k`, `${second} other key`]))
  })

  test('keep the order of the calls, also of calls that were not awaited', async () => {
    await Promise.all(Array.from({ length: 30 }, (_, i) => one.deliveries.insert([keyed(`call-${i}`)])))
    const order: string[] = []
    for (let left = 30; left > 0; left--) {
      const [row] = eventIds(await claimed(one, id))
      order.push(row!)
      await finish(row!, 'succeeded')
    }
    expect(order).toEqual(Array.from({ length: 30 }, (_, i) => `call-${i}`))
  })

  test('never get stuck: rows come while heads end', async () => {
    const total = 200
    const seen: string[] = []
    const insert = async (): Promise<void> => {
      for (let i = 0; i < total; i++) await other.deliveries.insert([aRow(id, `busy-${i}`, { key: `k${i % 3}` })])
    }
    const deliver = async (): Promise<void> => {
      for (const deadline = performance.now() + 20_000; seen.length < total && performance.now() < deadline; ) {
        const rows = await claimed(one, id, { max: 5 })
        seen.push(...eventIds(rows))
        await one.deliveries.finish(rows.map((row) => ({ id: row.id, token: 'token', status: 'succeeded', now: 1 })))
      }
    }
    await Promise.all([insert(), deliver()])
    const numbers = (key: number) => seen.map((event) => Number(event.slice(5))).filter((n) => n % 3 === key)
    for (const key of [0, 1, 2]) {
      expect(numbers(key)).toEqual(Array.from({ length: total }, (_, n) => n).filter((n) => n % 3 === key))
    }
  })
})
