import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Attempt } from '../../src/core/delivery.ts'
import type { Store } from '../../src/store/store.ts'
import {
  aRow,
  claimed,
  databases,
  endedRow,
  eventIds,
  refusal,
  type StoreStage,
  storedEvent,
  storeStage,
  subscribed,
} from './store-stage.ts'

const failure: Attempt = {
  number: 1,
  at: 900,
  durationMs: 12,
  status: 500,
  body: 'a\0b\ud800',
  error: 'HTTP 500',
  stage: 'response',
}
const success: Attempt = { number: 2, at: 950, durationMs: 7, status: 204 }

describe.each(databases)('deliveries in %s', (database) => {
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

  const statusOf = async (event: string) => (await one.deliveries.get(`${id}/${event}`))?.status

  test('come back whole: attempts, and the event byte for byte', async () => {
    const row = aRow(id, 'whole', { attempts: [failure], reason: 'quota', operation: 'op', now: 1234 })
    expect(await one.deliveries.insert([row])).toEqual([true])
    const { bytes, ref: _, ...event } = row.event
    expect(await other.deliveries.get(row.id)).toEqual({
      id: row.id,
      subscription: id,
      topic: 'orders',
      event,
      status: 'parked',
      reason: 'quota',
      attempts: 1,
      dueAt: 1000,
      operation: 'op',
      createdAt: 1234,
      updatedAt: 1234,
      history: [failure],
      bytes,
    })
    expect(await claimed(other, id)).toEqual([
      {
        id: row.id,
        subscription: id,
        topic: 'orders',
        eventId: 'whole',
        position: 'p-whole',
        bytes,
        tried: 1,
        triedEver: 1,
        operation: 'op',
        createdAt: 1234,
      },
    ])
  })

  test('are inserted once, whatever became of them', async () => {
    const rows = ['a', 'b', 'c'].map((event) => aRow(id, event))
    expect(await one.deliveries.insert([rows[0]!, rows[1]!, rows[0]!])).toEqual([true, true, false])
    await claimed(one, id)
    await one.deliveries.finish([
      { id: rows[0]!.id, token: 'token', status: 'succeeded', attempt: success, now: 2100 },
      { id: rows[1]!.id, token: 'token', status: 'dead', now: 2100 },
    ])
    expect(await other.deliveries.insert(rows)).toEqual([false, false, true])
    expect([await statusOf('a'), await statusOf('b'), await statusOf('c')]).toEqual(['succeeded', 'dead', 'parked'])
    expect(await one.deliveries.pending(id)).toMatchObject([{ events: 1 }])
  })

  test('that two replicas insert at once, in opposite orders, are there once', async () => {
    const rows = Array.from({ length: 300 }, (_, i) => aRow(id, `both-${i}`))
    const answers = await Promise.all([one.deliveries.insert(rows), other.deliveries.insert(rows.toReversed())])
    expect(answers.flat().filter(Boolean)).toHaveLength(300)
    expect(await one.deliveries.pending(id)).toMatchObject([{ events: 300 }])
  })

  test('are claimed when they are due, those due longest first, so many of each subscription', async () => {
    const { id: second } = await subscribed(one)
    const at = [1500, 1100, 1300, 9999].map((due, i) => aRow(id, `at-${i}`, { at: due }))
    await one.deliveries.insert([...at, ...[1, 2, 3].map((n) => aRow(second, `at-${n}`))])
    const wanted = [
      { subscription: id, max: 2 },
      { subscription: second, max: 5 },
      { subscription: 'nobody', max: 5 },
    ]
    const rows = await one.deliveries.claim(wanted, { token: 't', now: 2000, until: 2500 })
    expect(eventIds(rows.filter(({ subscription }) => subscription === id))).toEqual(['at-1', 'at-2'])
    expect(rows.filter(({ subscription }) => subscription === second)).toHaveLength(3)
    expect(eventIds(await claimed(one, id))).toEqual(['at-0'])
    expect(await claimed(one, id)).toEqual([])
  })

  test('are claimed by nobody twice, however many try', async () => {
    const rows = Array.from({ length: 600 }, (_, i) => aRow(id, `race-${i}`))
    await one.deliveries.insert(rows)
    const taken: string[] = []
    const take = async (store: Store, token: string): Promise<void> => {
      for (let left = 60; left > 0 && taken.length < rows.length; left--) {
        taken.push(...eventIds(await claimed(store, id, { max: 40, token })))
      }
    }
    await Promise.all([take(one, 'a'), take(other, 'b'), take(one, 'c'), take(other, 'd')])
    expect(taken).toHaveLength(600)
    expect(new Set(taken).size).toBe(600)
  })

  test('come back when a claim ends, and then belong to the next', async () => {
    await one.deliveries.insert([aRow(id, 'late')])
    await claimed(one, id, { token: 'crashed', until: 3000 })
    expect(await one.deliveries.schedule()).toContainEqual({ subscription: id, at: 3000 })
    expect(await claimed(other, id, { token: 'next', now: 2999 })).toEqual([])
    expect(eventIds(await claimed(other, id, { token: 'next', now: 3000, until: 4000 }))).toEqual(['late'])
    const result = { id: `${id}/late`, status: 'succeeded', attempt: success, now: 3100 } as const
    expect(await one.deliveries.finish([{ ...result, token: 'crashed' }])).toEqual([false])
    await one.deliveries.release([{ id: `${id}/late`, token: 'crashed' }], 1)
    expect(await one.deliveries.schedule()).toContainEqual({ subscription: id, at: 4000 })
    expect(await other.deliveries.finish([{ ...result, token: 'next' }])).toEqual([true])
    expect(await other.deliveries.finish([{ ...result, token: 'next' }])).toEqual([false])
    expect((await one.deliveries.get(`${id}/late`))?.history).toEqual([success])
  })

  test('are inserted claimed, and come back when that claim ends', async () => {
    await one.deliveries.insert([aRow(id, 'flying', { status: 'in_flight', at: 1500, token: 'mine' })])
    expect(await claimed(other, id, { now: 1499 })).toEqual([])
    expect(await one.deliveries.counts(id)).toMatchObject({ in_flight: 1, parked: 0 })
    expect(eventIds(await claimed(other, id, { now: 1500 }))).toEqual(['flying'])
  })

  test('that are parked again count their attempts and are due when it was said', async () => {
    await one.deliveries.insert([aRow(id, 'again')])
    await claimed(one, id)
    const parked = { id: `${id}/again`, token: 'token', status: 'parked', at: 7000, now: 2100, reason: 'busy' } as const
    expect(await one.deliveries.finish([{ ...parked, attempt: failure }])).toEqual([true])
    expect(await one.deliveries.get(`${id}/again`)).toMatchObject({ dueAt: 7000, reason: 'busy', attempts: 1 })
    expect(await claimed(one, id, { now: 6999 })).toEqual([])
    expect(await claimed(one, id, { now: 7000, until: 8000 })).toMatchObject([{ tried: 1, triedEver: 1 }])
    await one.deliveries.release([{ id: `${id}/again`, token: 'token' }], 7500)
    expect(await claimed(one, id, { now: 7500, until: 8000 })).toMatchObject([{ tried: 1, triedEver: 1 }])
  })

  test('say when the first of each subscription is due', async () => {
    const { id: second } = await subscribed(one)
    await one.deliveries.insert([
      aRow(id, 's1', { at: 5000 }),
      aRow(id, 's2', { at: 4000 }),
      aRow(second, 's1', { at: 6000 }),
    ])
    const schedule = await other.deliveries.schedule()
    expect(schedule.filter(({ subscription }) => [id, second].includes(subscription))).toEqual([
      { subscription: id, at: 4000 },
      { subscription: second, at: 6000 },
    ])
  })

  test('move their feed in the same transaction, or are not inserted at all', async () => {
    const { id: fed } = await one.subscriptions.create(
      { ...(await subscribed(one)), id: `${id}-fed` },
      { state: 'detached', from: 'c0', next: 'c0' },
    )
    const progress = { feed: fed, from: 'c0', to: 'c1' }
    const answers = await Promise.allSettled([
      one.deliveries.insert([aRow(fed, 'fed-1')], progress),
      other.deliveries.insert([aRow(fed, 'fed-2')], progress),
    ])
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await one.deliveries.pending(fed)).toMatchObject([{ events: 1 }])
    expect(await refusal(one.deliveries.insert([aRow(fed, 'fed-3')], progress))).toMatchObject({ code: 'conflict' })
    expect(await one.deliveries.known([`${fed}/fed-3`])).toEqual(new Set())
    expect(await one.deliveries.insert([], { feed: fed, from: 'c1', to: 'c2' })).toEqual([])
    expect((await one.subscriptions.get(fed))?.feed).toMatchObject({ next: 'c2' })
  })

  test('are retried with a new lineage where they were over', async () => {
    await one.deliveries.insert([
      endedRow(id, 'dead', { attempts: [failure], reason: 'exhausted' }),
      aRow(id, 'parked', { at: 9000 }),
    ])
    expect(await one.deliveries.retry(`${id}/dead`, 2000)).toBe('due')
    expect(await one.deliveries.retry(`${id}/parked`, 2000)).toBe('due')
    expect(await one.deliveries.retry(`${id}/nothing`, 2000)).toBe('missing')
    expect(await one.deliveries.pending(id)).toMatchObject([{ events: 2 }])
    const rows = await claimed(one, id)
    expect(rows.find(({ eventId }) => eventId === 'dead')).toMatchObject({ tried: 0, triedEver: 1 })
    expect(await one.deliveries.retry(`${id}/dead`, 2000)).toBe('in_flight')
    await one.deliveries.finish([
      { id: `${id}/dead`, token: 'token', status: 'succeeded', attempt: success, now: 2100 },
    ])
    expect(await one.deliveries.retry(`${id}/dead`, 2000)).toBe('succeeded')
    expect((await one.deliveries.get(`${id}/dead`))?.history).toEqual([failure, success])
  })

  test('are deleted, but not while they are tried', async () => {
    await one.deliveries.insert([aRow(id, 'one'), aRow(id, 'two', { at: 9000 }), endedRow(id, 'three')])
    await claimed(one, id)
    expect(await refusal(one.deliveries.delete(`${id}/one`))).toMatchObject({ code: 'conflict' })
    expect(await one.deliveries.delete(`${id}/two`)).toBe(true)
    expect(await one.deliveries.delete(`${id}/two`)).toBe(false)
    expect(await one.deliveries.delete(`${id}/three`)).toBe(true)
    expect(await one.deliveries.pending(id)).toMatchObject([{ events: 1 }])
  })

  test('are killed, also those that are tried at the moment', async () => {
    const rows = Array.from({ length: 700 }, (_, i) =>
      aRow(id, `kill-${i}`, { ...(i % 2 === 0 && { key: `k${i % 7}` }) }),
    )
    await one.deliveries.insert(rows)
    const [held] = await claimed(one, id, { max: 1 })
    expect(await other.deliveries.kill(id, 'the endpoint is gone', 2500)).toBe(700)
    expect(await one.deliveries.finish([{ id: held!.id, token: 'token', status: 'succeeded', now: 2600 }])).toEqual([
      false,
    ])
    expect(await one.deliveries.counts(id)).toMatchObject({ dead: 700, parked: 0, in_flight: 0 })
    expect(await one.deliveries.pending(id)).toEqual([])
    expect(await one.deliveries.get(held!.id)).toMatchObject({
      status: 'dead',
      reason: 'the endpoint is gone',
      updatedAt: 2500,
    })
    expect((await one.deliveries.schedule()).filter(({ subscription }) => subscription === id)).toEqual([])
  })

  test('are listed oldest first, by every filter, a page at a time', async () => {
    const rows = [
      aRow(id, 'x1', { now: 10 }),
      endedRow(id, 'x2', { now: 20, topic: 'other' }),
      endedRow(id, 'x3', { now: 30, status: 'succeeded' }),
      aRow(id, 'x4', { now: 40, status: 'in_flight', token: 't' }),
    ]
    await one.deliveries.insert(rows)
    const list = async (filter: Parameters<Store['deliveries']['list']>[0]) =>
      (await one.deliveries.list({ subscription: id, ...filter }, { limit: 10 })).items.map(({ event }) => event.id)
    expect(await list({})).toEqual(['x1', 'x2', 'x3', 'x4'])
    expect(await list({ status: 'parked' })).toEqual(['x1'])
    expect(await list({ status: 'in_flight' })).toEqual(['x4'])
    expect(await list({ status: 'succeeded' })).toEqual(['x3'])
    expect(await list({ topic: 'other' })).toEqual(['x2'])
    expect(await list({ event: 'x3' })).toEqual(['x3'])
    expect(await list({ since: 30 })).toEqual(['x3', 'x4'])
    expect(await list({ topics: ['orders'] })).toEqual(['x1', 'x3', 'x4'])
    expect(await list({ topics: [] })).toEqual([])
    const first = await one.deliveries.list({ subscription: id }, { limit: 3 })
    const second = await one.deliveries.list({ subscription: id }, { limit: 3, after: first.next! })
    expect([first.items.length, second.items.map(({ event }) => event.id), second.next]).toEqual([3, ['x4'], undefined])
  })

  test('are purged by age, and events once no row needs them', async () => {
    const { id: second } = await subscribed(one)
    const old = 10_000_000
    await one.deliveries.insert([
      endedRow(id, 'p1', { now: 1, status: 'succeeded', attempts: [success] }),
      endedRow(id, 'p2', { now: 1 }),
      endedRow(id, 'p3', { now: old + 5 }),
      aRow(id, 'p4', { now: 1 }),
      aRow(second, 'p1', { now: 1 }),
    ])
    const before = (await stage.raw()).length
    let purged = 0
    for (let more = 1; more > 0; purged += more) more = await one.deliveries.purge({ succeeded: old, other: 0 })
    expect(purged).toBeGreaterThan(0)
    const ids = ['p1', 'p2', 'p3', 'p4'].map((event) => `${id}/${event}`)
    expect(await one.deliveries.known(ids)).toEqual(new Set(ids.slice(1)))
    for (let more = 1; more > 0; ) more = await one.deliveries.purge({ succeeded: old, other: old })
    expect(await one.deliveries.known(ids)).toEqual(new Set(ids.slice(2)))
    expect((await claimed(one, second)).map(({ bytes }) => bytes)).toEqual([storedEvent('p1').bytes])
    if (database === 'postgres') {
      const after = await stage.raw()
      expect(after.length).toBeLessThan(before)
      expect(after).toContain('ref-p1')
      expect(after).not.toContain('ref-p2')
    }
  })

  test('whose subscription or whose rows were deleted leave no events behind', async () => {
    const { id: second } = await subscribed(one)
    await one.deliveries.insert([aRow(second, 'orphan-1'), endedRow(id, 'orphan-2')])
    await one.subscriptions.delete(second)
    await one.deliveries.delete(`${id}/orphan-2`)
    for (let left = 40; left > 0; left--) await one.deliveries.purge({ succeeded: 10_000_000, other: 10_000_000 })
    // A row of the same event needs it anew.
    await one.deliveries.insert([
      aRow(id, 'orphan-1', { event: { ...storedEvent('orphan-1'), bytes: new Uint8Array([1]) } }),
    ])
    expect((await one.deliveries.get(`${id}/orphan-1`))?.bytes).toEqual(new Uint8Array([1]))
  })
})
