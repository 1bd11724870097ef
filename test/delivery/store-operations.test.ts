import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Operation, Redrive, Replay } from '../../src/store/operations.ts'
import type { Store } from '../../src/store/store.ts'
import {
  aRow,
  claimed,
  databases,
  endedRow,
  eventIds,
  refusal,
  type StoreStage,
  storeStage,
  subscribed,
} from './store-stage.ts'

describe.each(databases)('operations in %s', (database) => {
  let stage: StoreStage
  let one: Store
  let other: Store
  let id: string
  let count = 0

  beforeAll(async () => {
    stage = await storeStage(database)
    one = await stage.open()
    other = await stage.open()
  })
  beforeEach(async () => {
    id = (await subscribed(one)).id
  })
  afterAll(() => stage.close())

  async function started(what: Redrive | Replay): Promise<Operation> {
    const operation: Operation = {
      id: `op-${++count}`,
      subscription: id,
      topic: 'orders',
      what,
      state: 'running',
      done: 0,
      failed: 0,
      startedAt: count,
    }
    await one.operations.create(operation)
    return operation
  }
  const redrive = (change: Partial<Redrive> = {}) => started({ kind: 'redrive', before: 1000, ...change })
  const deadRows = (total: number) => Array.from({ length: total }, (_, i) => endedRow(id, `dead-${i}`))

  test('come back as they were given, and change their state where it is as expected', async () => {
    const replay = {
      kind: 'replay',
      epoch: 1,
      from: 'earliest',
      to: 9,
      filters: [],
      dryRun: false,
      next: 'c0',
    } as const
    const first = await started(replay)
    const second = await redrive({ ids: ['a'], since: 5, ratePerSecond: 2 })
    expect(await other.operations.get(first.id)).toEqual(first)
    expect(await other.operations.get(second.id)).toEqual(second)
    expect(await other.operations.get('nothing')).toBeUndefined()
    expect(await refusal(one.operations.create(first))).toMatchObject({ code: 'conflict' })
    const mine = async () =>
      (await other.operations.unfinished()).map((one) => one.id).filter((one) => [first.id, second.id].includes(one))
    expect(await mine()).toEqual([first.id, second.id])
    expect(await one.operations.transition(first.id, ['paused'], 'running', 10)).toBe(false)
    expect(await one.operations.transition(first.id, ['running'], 'paused', 10)).toBe(true)
    expect(await mine()).toEqual([first.id, second.id])
    expect(await one.operations.transition(first.id, ['running', 'paused'], 'failed', 11, 'it broke')).toBe(true)
    expect(await mine()).toEqual([second.id])
    expect(await other.operations.get(first.id)).toMatchObject({ state: 'failed', error: 'it broke', finishedAt: 11 })
  })

  test('are worked on by one replica at a time', async () => {
    const operation = await redrive()
    const leases = await Promise.all(
      [one, other].map((store, i) => store.operations.lease(operation.id, `r${i}`, 100, 50)),
    )
    expect(leases.filter(Boolean)).toHaveLength(1)
    const [owner, loser] = leases[0] ? ['r0', 'r1'] : ['r1', 'r0']
    expect(await one.operations.lease(operation.id, owner!, 200, 99)).toBe(true)
    expect(await one.operations.lease(operation.id, loser!, 300, 199)).toBe(false)
    expect(await one.operations.lease(operation.id, loser!, 300, 200)).toBe(true)
  })

  test('redrive what was dead, each exactly once, also when two replicas do it at once', async () => {
    await one.deliveries.insert([...deadRows(300), aRow(id, 'parked'), endedRow(id, 'done', { status: 'succeeded' })])
    const operation = await redrive()
    const take = async (store: Store): Promise<number> => {
      let taken = 0
      for (let some = 1; some > 0; taken += some) some = await store.operations.redrive(operation.id, 40, 1500)
      return taken
    }
    const taken = await Promise.all([take(one), take(other)])
    expect(taken[0]! + taken[1]!).toBe(300)
    expect(await one.operations.pending(operation.id)).toBe(300)
    expect(await one.deliveries.pending(id)).toMatchObject([{ events: 301 }])
    const rows = await claimed(one, id, { max: 500 })
    expect(rows.filter((row) => row.operation === operation.id)).toHaveLength(300)
    // What dies again is not taken again by the same operation, but by the next.
    await one.deliveries.finish(rows.map((row) => ({ id: row.id, token: 'token', status: 'dead', now: 1600 })))
    expect(await one.operations.redrive(operation.id, 1000, 1600)).toBe(0)
    expect(await one.operations.get(operation.id)).toMatchObject({ done: 0, failed: 300 })
    expect(await one.operations.redrive((await redrive({ before: 2000 })).id, 1000, 2100)).toBe(301)
  })

  test('redrive what was selected: by id, by age, and only what was dead before', async () => {
    await one.deliveries.insert([
      endedRow(id, 'a', { now: 100 }),
      endedRow(id, 'b', { now: 200 }),
      endedRow(id, 'c', { now: 300 }),
      endedRow(id, 'late', { now: 1001 }),
    ])
    const { id: stranger } = await subscribed(one)
    await one.deliveries.insert([endedRow(stranger, 'a', { now: 100 })])
    const named = await redrive({ ids: [`${id}/a`, `${stranger}/a`, 'nothing', `${id}/late`] })
    expect(await one.operations.redrive(named.id, 10, 1500)).toBe(1)
    expect(await one.operations.redrive(named.id, 10, 1500)).toBe(0)
    const recent = await redrive({ since: 300 })
    expect(await one.operations.redrive(recent.id, 10, 1500)).toBe(1)
    expect(new Set(eventIds(await claimed(one, id)))).toEqual(new Set(['a', 'c']))
  })

  test('by many ids, a few at a time, lose none', async () => {
    const rows = deadRows(600)
    await one.deliveries.insert(rows)
    const operation = await redrive({ ids: rows.map((row) => row.id).toReversed() })
    let taken = 0
    for (let some = 1; some > 0; taken += some) some = await one.operations.redrive(operation.id, 70, 1500)
    expect(taken).toBe(600)
  })

  test('redrive in the order of a key, before what came later', async () => {
    await one.deliveries.insert([
      endedRow(id, 'first', { key: 'k' }),
      endedRow(id, 'second', { key: 'k' }),
      aRow(id, 'third', { key: 'k' }),
    ])
    await one.operations.redrive((await redrive()).id, 10, 1500)
    for (const event of ['first', 'second', 'third']) {
      expect(eventIds(await claimed(one, id))).toEqual([event])
      await one.deliveries.finish([{ id: `${id}/${event}`, token: 'token', status: 'succeeded', now: 2000 }])
    }
  })

  test('that are paused redrive nothing', async () => {
    await one.deliveries.insert(deadRows(3))
    const operation = await redrive()
    await one.operations.transition(operation.id, ['running'], 'paused', 1)
    expect(await other.operations.redrive(operation.id, 10, 1500)).toBe(0)
  })

  test('count what became of their rows, each once', async () => {
    const attempt = { number: 1, at: 1, durationMs: 1, status: 500, error: 'HTTP 500' }
    await one.deliveries.insert([...deadRows(4).map((row) => ({ ...row, attempts: [attempt] }))])
    const operation = await redrive()
    await one.operations.redrive(operation.id, 10, 1500)
    const rows = await claimed(one, id)
    expect(rows.map(({ tried, triedEver }) => [tried, triedEver])).toEqual(Array(4).fill([0, 1]))
    const [a, b, c, d] = rows.map((row) => ({ id: row.id, token: 'token', now: 1600 }))
    await one.deliveries.finish([
      { ...a!, status: 'succeeded' },
      { ...b!, status: 'dead', attempt },
      { ...c!, status: 'parked', at: 1700 },
      { ...d!, status: 'discarded' },
    ])
    expect(await other.operations.get(operation.id)).toMatchObject({ done: 1, failed: 2 })
    expect(await other.operations.pending(operation.id)).toBe(1)
    expect(await one.deliveries.kill(id, 'gone', 1800)).toBe(1)
    expect(await other.operations.get(operation.id)).toMatchObject({ done: 1, failed: 3 })
    // One that a user retries is not of the operation any more.
    await one.deliveries.retry(b!.id, 1900)
    expect(await other.operations.pending(operation.id)).toBe(0)
    await claimed(one, id)
    await one.deliveries.finish([{ ...b!, status: 'succeeded' }])
    expect(await other.operations.get(operation.id)).toMatchObject({ done: 1, failed: 3 })
  })

  test('that replay move with the rows that they insert', async () => {
    const operation = await started({
      kind: 'replay',
      epoch: 1,
      from: 'earliest',
      filters: [],
      dryRun: false,
      next: 'c0',
    })
    const progress = { operation: operation.id, from: 'c0', to: 'c1', matched: 2 }
    const rows = [
      aRow(id, 'r1', { operation: operation.id }),
      endedRow(id, 'r2', { operation: operation.id, status: 'discarded' }),
    ]
    await one.deliveries.insert(rows, progress)
    expect(await refusal(other.deliveries.insert([aRow(id, 'r3')], progress))).toMatchObject({ code: 'conflict' })
    expect(await one.deliveries.known([`${id}/r3`])).toEqual(new Set())
    expect(await other.operations.get(operation.id)).toMatchObject({
      what: { next: 'c1' },
      matched: 2,
      done: 0,
      failed: 1,
    })
    expect(await other.operations.pending(operation.id)).toBe(1)
  })

  test('share buckets of tokens, which fill with time and hold a second', async () => {
    const name = `bucket-${id}`
    const takes = await Promise.all([one, other, one, other].map((store) => store.rates.take(name, 4, 10, 1000)))
    expect(takes.reduce((sum, { granted }) => sum + granted, 0)).toBe(10)
    expect(await one.rates.take(name, 1, 10, 1000)).toEqual({ granted: 0, retryAfterMs: 100 })
    expect(await other.rates.take(name, 5, 10, 1200)).toEqual({ granted: 2, retryAfterMs: 0 })
    expect(await other.rates.take(name, 50, 10, 99_000)).toEqual({ granted: 10, retryAfterMs: 0 })
    // A replica whose clock is behind gains nothing by that.
    expect((await one.rates.take(name, 1, 10, 1000)).granted).toBe(0)
    expect(await one.rates.take(`slow-${id}`, 1, 0.5, 1000)).toEqual({ granted: 1, retryAfterMs: 0 })
    expect(await one.rates.take(`slow-${id}`, 1, 0.5, 1000)).toEqual({ granted: 0, retryAfterMs: 2000 })
  })
})
