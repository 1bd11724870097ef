import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/core/broker.ts'
import type { HeldGroups, HeldSettled, LeasedEvent, NewHeldEvent } from '../../src/store/held-groups.ts'
import { databases, type StoreStage, storeStage } from './store-stage.ts'

const encoder = new TextEncoder()
const ack: Outcome = { kind: 'ack' }
const definition = { start: 'latest', leaseMs: 1000, maxAttempts: 3 }

/** What precedes a colon is the key. */
function held(id: string): NewHeldEvent {
  const key = id.includes(':') ? id.split(':')[0] : undefined
  return { id, position: `p-${id}`, bytes: encoder.encode(`{"id":"${id}"}`), ...(key !== undefined && { key }) }
}

const idOf = ({ bytes }: { readonly bytes: Uint8Array }) => JSON.parse(new TextDecoder().decode(bytes)).id as string

describe.each(databases)('held groups in %s', (database) => {
  let stage: StoreStage
  let store: HeldGroups
  /** The same store, opened by another replica. */
  let other: HeldGroups
  let group: string
  let count = 0
  beforeAll(async () => {
    stage = await storeStage(database)
    store = (await stage.open()).heldGroups
    other = (await stage.open()).heldGroups
  })
  afterAll(() => stage?.close())
  beforeEach(async () => {
    group = `topic/1/g${++count}`
    await store.close(group, definition, 0, 10)
    await store.open(group, 1, {})
  })

  const fill = (ids: readonly string[], more: { id?: string; settled?: string[]; now?: number; term?: number } = {}) =>
    store.fill(group, {
      term: more.term ?? 1,
      id: more.id ?? crypto.randomUUID(),
      events: ids.map(held),
      settled: more.settled ?? [],
      now: more.now ?? 1000,
    })
  const lease = async (now: number, max = 100, from = store): Promise<readonly LeasedEvent[]> =>
    (await from.lease(group, { max, maxBytes: 1 << 20, token: crypto.randomUUID(), now }))!
  const say = async (
    { place, token }: { place: number; token: string },
    outcome: Outcome,
    now: number,
    from = store,
  ): Promise<HeldSettled> => (await from.settle(group, [{ place, token, outcome, renewed: `${token}+` }], now))![0]!

  test('events come in the order in which they were added, and an id only once', async () => {
    expect(await fill(['b', 'a', 'b'])).toBe(true)
    expect(await fill(['a', 'c', 'b'])).toBe(true)
    const leased = await lease(1000)
    expect(leased.map(idOf)).toEqual(['b', 'a', 'c'])
    expect(leased[0]).toMatchObject({ attempt: 1, expiresAt: 2000, position: 'p-b' })
    expect(await store.amount(group, 1500, 10)).toMatchObject({ events: 3, inFlight: 3, ahead: 0, oldestAt: 1000 })
  })

  test('no two replicas lease one event', async () => {
    await fill(Array.from({ length: 60 }, (_, i) => `e${i}`))
    const all = await Promise.all(Array.from({ length: 8 }, (_, i) => lease(1000, 7, i % 2 === 0 ? store : other)))
    const ids = all.flat().map(idOf)
    expect(new Set(ids).size).toBe(56)
    expect(ids).toHaveLength(56)
  })

  test('an ack ends an event for good, and may be repeated while its lease would have lasted', async () => {
    await fill(['a'], { id: 'first' })
    const [a] = await lease(1000)
    expect(await say(a!, ack, 1100, other)).toBe('ok')
    expect(await say(a!, ack, 1999)).toBe('ok')
    expect(await say(a!, { kind: 'nack' }, 1200)).toBe('lost')
    expect(await say(a!, ack, 2000)).toBe('lost')
    expect(await lease(9000)).toEqual([])
    expect(await store.amount(group, 9000, 10)).toMatchObject({ events: 0, bytes: 0, inFlight: 0 })
    // The broker was never told: what it gives again, however late, is known.
    await fill(['a', 'b'], { id: 'again', now: 1e6 })
    expect((await lease(1e6)).map(idOf)).toEqual(['b'])
    // Once it was, the memory goes.
    await fill([], { settled: ['first', 'again'], now: 2e6 })
    await fill(['a'], { now: 2e6 })
    expect((await lease(2e6)).map(idOf)).toContain('a')
  })

  test('what is acknowledged shortly before is remembered, though the broker was told', async () => {
    await fill(['a'], { id: 'first' })
    const [a] = await lease(1000)
    await say(a!, ack, 1100)
    await fill(['a'], { settled: ['first'], now: 60_000 })
    expect(await lease(60_000)).toEqual([])
  })

  test('a lease that ended, or was renewed, settles nothing', async () => {
    await fill(['a'])
    const [first] = await lease(1000)
    expect(await lease(1999)).toEqual([])
    const [second] = await lease(2000)
    expect([second!.attempt, second!.place]).toEqual([2, first!.place])
    for (const outcome of [ack, { kind: 'nack' }, { kind: 'extend' }, { kind: 'reject', reason: 'x' }] as const) {
      expect(await say(first!, outcome, 2100)).toBe('lost')
    }
    expect(await say(second!, { kind: 'extend', durationMs: 5000 }, 2100)).toBe(7100)
    expect(await say(second!, ack, 2200)).toBe('lost')
    expect(await lease(7000)).toEqual([])
    const renewed = { ...second!, token: `${second!.token}+` }
    expect(await say(renewed, ack, 7100)).toBe('lost')
    expect((await lease(7100))[0]).toMatchObject({ attempt: 3 })
    expect(await say({ place: 77, token: 'x' }, ack, 1)).toBe('lost')
  })

  test('an event that is leased or waits holds back its key, and nothing else', async () => {
    await fill(['k:1', 'k:2', 'j:1', 'x', 'k:3'])
    const first = await lease(1000)
    expect(first.map(idOf)).toEqual(['k:1', 'j:1', 'x'])
    expect(await say(first[0]!, { kind: 'nack', delayMs: 500 }, 1100)).toBe('ok')
    await fill(['k:4', 'y'], { now: 1200 })
    expect((await lease(1300)).map(idOf)).toEqual(['y'])
    expect(await store.nextDue(group)).toBe(1600)
    const [again] = await lease(1600)
    expect([idOf(again!), again!.attempt]).toEqual(['k:1', 2])
    expect(await say(again!, { kind: 'reject', reason: 'no' }, 1700)).toBe('ok')
    const [second] = await lease(1700)
    expect(idOf(second!)).toBe('k:2')
    // Behind what waits, not before it.
    expect(await store.redrive(group, 'all', 1750)).toBe(1)
    expect(await lease(1800)).toEqual([])
    const order: string[] = []
    for (
      let next = second;
      next !== undefined;
      next = (await lease(1900)).find(({ bytes }) => idOf({ bytes }).startsWith('k'))
    ) {
      order.push(idOf(next))
      await say(next, ack, 1900)
    }
    expect(order).toEqual(['k:2', 'k:3', 'k:4', 'k:1'])
  })

  test('several settlements at once are judged one after another', async () => {
    await fill(['k:1', 'k:2', 'k:3', 'a'])
    const [k, a] = await lease(1000)
    const one = (of: LeasedEvent, outcome: Outcome) => ({ place: of.place, token: of.token, outcome, renewed: 'r' })
    const answers = await store.settle(
      group,
      [one(k!, ack), one(a!, { kind: 'nack' }), one(k!, ack), one(a!, ack), one(k!, { kind: 'nack' })],
      1100,
    )
    expect(answers).toEqual(['ok', 'ok', 'ok', 'lost', 'lost'])
    expect((await lease(1100)).map(idOf).sort()).toEqual(['a', 'k:2'])
  })

  test('the last attempt makes a dead letter, however it ends', async () => {
    await fill(['k:1', 'k:2', 'b'])
    for (const now of [1000, 2000]) await lease(now)
    const third = await lease(3000)
    expect(third.map(({ attempt }) => attempt)).toEqual([3, 3])
    expect(await say(third[1]!, { kind: 'nack' }, 3100)).toBe('ok')
    // The next of its key comes with the look that finds it dead.
    expect((await lease(4000)).map(idOf)).toEqual(['k:2'])
    const letters = (await other.dead(group, { limit: 10, after: 0 }, 4000))!
    expect(letters.map(idOf)).toEqual(['b', 'k:1'])
    expect(letters[1]).toMatchObject({
      reason: 'attempts exhausted: 3 of 3',
      attempts: 3,
      deadAt: 4000,
      position: 'p-k:1',
    })
    expect((await store.dead(group, { limit: 10, after: letters[0]!.id }, 4000))!.map(idOf)).toEqual(['k:1'])
    expect(await store.deleteDead(group, letters[1]!.id, 4000)).toBe(true)
    expect(await store.deleteDead(group, letters[1]!.id, 4000)).toBe(false)
    expect(await store.redrive(group, [letters[0]!.id, letters[0]!.id, letters[1]!.id, 99], 4000)).toBe(1)
    expect(await store.redrive(group, 'all', 4000)).toBe(0)
    expect((await lease(4000)).map((event) => [idOf(event), event.attempt])).toEqual([['b', 1]])
    // It is not brought back by the broker.
    await fill(['k:1', 'b'], { now: 4500 })
    expect(await store.amount(group, 4500, 10)).toMatchObject({ events: 2 })
  })

  test('one that nobody settles for the last time is dead without anybody pulling', async () => {
    await store.close(group, undefined, 0, 10)
    await store.open(group, 2, { definition: { ...definition, maxAttempts: 1 } })
    await fill(['a'], { term: 2 })
    await lease(1000)
    expect(await store.dead(group, { limit: 10, after: 0 }, 1999)).toEqual([])
    expect((await store.dead(group, { limit: 10, after: 0 }, 2000))!.map(idOf)).toEqual(['a'])
  })

  test('one who fills a group that was closed since adds nothing', async () => {
    expect(await store.close(group, undefined, 1000, 5000)).toEqual({ term: 2, isNew: false })
    expect(await other.close(group, undefined, 4999, 9000)).toBe('held')
    for (const term of [1, 2]) expect(await fill(['a'], { term, now: 2000 })).toBe(false)
    expect(await other.open(group, 1, {})).toBe(false)
    expect(await other.open(group, 2, {})).toBe(true)
    expect(await fill(['a'], { term: 1, now: 2000 })).toBe(false)
    expect(await fill(['a'], { term: 2, now: 2000 })).toBe(true)
    expect(await other.close(group, undefined, 3000, 4000)).toEqual({ term: 3, isNew: false })
    expect(await store.close('topic/1/none', undefined, 0, 10)).toBeUndefined()
  })

  test('one that is moved forgets what it had but its dead letters, and what comes again is new', async () => {
    await fill(['a', 'b', 'c'])
    const [a, b, c] = await lease(1000)
    await say(a!, ack, 1100)
    await say(b!, { kind: 'reject', reason: 'no' }, 1100)
    await store.close(group, undefined, 1100, 2000)
    await store.open(group, 2, { empty: 'pending' })
    expect(await say(c!, ack, 1200)).toBe('lost')
    expect(await store.amount(group, 1200, 10)).toMatchObject({ events: 0, bytes: 0 })
    await fill(['a', 'b', 'c'], { term: 2, now: 1300 })
    expect((await lease(1300)).map(idOf)).toEqual(['a', 'b', 'c'])
    expect((await store.dead(group, { limit: 10, after: 0 }, 1300))!.map(idOf)).toEqual(['b'])
    expect(await store.redrive(group, 'all', 1300)).toBe(1)
    expect((await lease(1300)).map(idOf)).toEqual(['b'])
  })

  test('one that is deleted is gone with everything', async () => {
    await fill(['a'])
    await store.close(group, undefined, 1000, 2000)
    expect(await store.delete(group, 1)).toBe(false)
    expect(await store.delete(group, 2)).toBe(true)
    expect(await store.get(group)).toBeUndefined()
    expect(await store.lease(group, { max: 1, maxBytes: 1, token: 't', now: 1000 })).toBeUndefined()
    expect(await store.settle(group, [], 1000)).toBeUndefined()
    expect(await store.close(group, definition, 1000, 2000)).toEqual({ term: 1, isNew: true })
    expect(await store.amount(group, 1000, 10)).toMatchObject({ events: 0 })
  })

  test('one pull takes no more bytes than it may, and one event at least', async () => {
    await fill(['a', 'b', 'c'])
    const size = held('a').bytes.length
    const take = (maxBytes: number) => store.lease(group, { max: 10, maxBytes, token: crypto.randomUUID(), now: 1000 })
    expect((await take(1))!.map(idOf)).toEqual(['a'])
    expect((await take(size * 2))!.map(idOf)).toEqual(['b', 'c'])
  })
})
