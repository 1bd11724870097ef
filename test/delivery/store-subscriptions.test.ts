import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EndpointAuth } from '../../src/core/subscription.ts'
import type { Store } from '../../src/store/store.ts'
import type { Feed } from '../../src/store/subscriptions.ts'
import {
  aRow,
  aSubscription,
  claimed,
  databases,
  refusal,
  type StoreStage,
  storeStage,
  subscribed,
} from './store-stage.ts'

describe.each(databases)('subscriptions in %s', (database) => {
  let stage: StoreStage
  let one: Store
  let other: Store

  beforeAll(async () => {
    stage = await storeStage(database)
    one = await stage.open()
    other = await stage.open()
  })
  afterAll(() => stage.close())

  test('come back as they were given, with or without what may be left out', async () => {
    const auth: EndpointAuth = { basic: { user: 'u', password: 'p' } }
    const full = aSubscription({
      name: 'full',
      auth,
      status: 'paused',
      reason: 'asked',
      failingSince: 5,
      declared: true,
    })
    const feed: Feed = { state: 'detached', from: 'a', next: 'b' }
    const created = await one.subscriptions.create(full, feed)
    expect(created).toEqual({ ...full, revision: 1, feed })
    expect(await other.subscriptions.get(full.id)).toEqual(created)
    const plain = await subscribed(one)
    expect(await other.subscriptions.get(plain.id)).toStrictEqual(plain)
    expect(await one.subscriptions.get('nowhere')).toBeUndefined()
  })

  test('move the counter, which another replica sees as soon as create has resolved', async () => {
    for (let round = 0; round < 20; round++) {
      const before = await other.subscriptions.version()
      const { id } = await subscribed(one)
      expect(await other.subscriptions.version()).toBeGreaterThan(before)
      const { version, subscriptions } = await other.subscriptions.load()
      expect(version).toBe(await one.subscriptions.version())
      expect(subscriptions.map((subscription) => subscription.id)).toContain(id)
    }
  })

  test('tell what has changed since, and what there is in all', async () => {
    const kept = await subscribed(one)
    const gone = await subscribed(one)
    const { version } = await other.subscriptions.load()
    const changed = await subscribed(one)
    await one.subscriptions.feed(kept.id, kept.feed, { state: 'detached', from: 'a', next: 'a' })
    await one.subscriptions.delete(gone.id)
    const later = await other.subscriptions.load(version)
    expect(later.subscriptions.map(({ id }) => id).sort()).toEqual([kept.id, changed.id].sort())
    const ids = await other.subscriptions.ids()
    expect(ids).toHaveLength(later.total)
    expect(ids).not.toContain(gone.id)
    expect((await other.subscriptions.load(later.version)).subscriptions).toEqual([])
  })

  test('have names of their own', async () => {
    const first = await subscribed(one, { name: 'taken' })
    expect(await refusal(subscribed(other, { name: 'taken' }))).toMatchObject({ code: 'conflict' })
    const second = await subscribed(other, { name: 'free' })
    const renamed = one.subscriptions.update({ ...second, name: 'taken' }, second.revision)
    expect(await refusal(renamed)).toMatchObject({ code: 'conflict' })
    expect(
      (await one.subscriptions.update({ ...first, name: 'taken', url: 'https://b.example.com' }, 1)).revision,
    ).toBe(2)
  })

  test('are replaced by whoever has the revision, and by nobody else', async () => {
    const subscription = await subscribed(one, { name: 'changing' })
    const { name: _, ...changed } = { ...subscription, url: 'https://new.example.com', updatedAt: 7 }
    const results = await Promise.allSettled([one, other].map((store) => store.subscriptions.update(changed, 1)))
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await other.subscriptions.get(subscription.id)).toStrictEqual({ ...changed, revision: 2 })
    expect(await refusal(one.subscriptions.update(changed, 1))).toMatchObject({ code: 'conflict' })
    expect(await refusal(one.subscriptions.update(aSubscription(), 1))).toMatchObject({ code: 'not_found' })
  })

  test('are refused alone: what came in the same turn is done', async () => {
    await subscribed(one, { name: 'together' })
    const { id } = aSubscription()
    const results = await Promise.allSettled([
      subscribed(one, { name: 'together' }),
      one.bindings.put({ topic: id, broker: 'b', name: 'n', epoch: 1 }),
    ])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect((await one.bindings.list()).map(({ topic }) => topic)).toContain(id)
  })

  test('change their status where it is one of those that were named', async () => {
    const { id } = await subscribed(one)
    const before = await one.subscriptions.version()
    expect(await one.subscriptions.transition(id, ['paused'], 'active', undefined, 5)).toBe(false)
    expect(await one.subscriptions.version()).toBe(before)
    expect(await one.subscriptions.transition(id, ['active', 'paused'], 'disabled', 'it fails', 6)).toBe(true)
    expect(await one.subscriptions.version()).toBeGreaterThan(before)
    expect(await other.subscriptions.get(id)).toMatchObject({
      status: 'disabled',
      reason: 'it fails',
      updatedAt: 6,
      revision: 2,
    })
    await one.subscriptions.transition(id, ['disabled'], 'active', undefined, 7)
    expect(await other.subscriptions.get(id)).not.toHaveProperty('reason')
  })

  test('note since when they fail without moving the counter or the revision', async () => {
    const { id } = await subscribed(one)
    const before = await one.subscriptions.version()
    await one.subscriptions.failing(id, 77)
    expect(await other.subscriptions.get(id)).toMatchObject({ failingSince: 77, revision: 1 })
    await one.subscriptions.failing(id, undefined)
    expect(await other.subscriptions.get(id)).not.toHaveProperty('failingSince')
    expect(await one.subscriptions.version()).toBe(before)
  })

  test('change their feed where it is still what it was', async () => {
    const { id } = await subscribed(one)
    const detached: Feed = { state: 'detached', from: 'c1', next: 'c1' }
    const rejoined: Feed = { state: 'attached', gap: { from: 'c1', to: 'c9' } }
    const changes = await Promise.all(
      [one, other].map((store) => store.subscriptions.feed(id, { state: 'attached' }, detached)),
    )
    expect(changes.sort()).toEqual([false, true])
    expect(await one.subscriptions.feed(id, { ...detached, next: 'c2' }, rejoined)).toBe(false)
    const before = await one.subscriptions.version()
    expect(await one.subscriptions.feed(id, detached, rejoined)).toBe(true)
    expect(await other.subscriptions.version()).toBeGreaterThan(before)
    expect((await other.subscriptions.get(id))?.feed).toEqual(rejoined)
  })

  test('have their feed pumped by one replica at a time', async () => {
    const { id } = await subscribed(one)
    const before = await one.subscriptions.version()
    const leases = await Promise.all(
      [one, other].map((store, i) => store.subscriptions.leaseFeed(id, `r${i}`, 100, 50)),
    )
    expect(leases.filter(Boolean)).toHaveLength(1)
    const [owner, loser] = leases[0] ? ['r0', 'r1'] : ['r1', 'r0']
    expect(await other.subscriptions.leaseFeed(id, owner!, 200, 60)).toBe(true)
    expect(await other.subscriptions.leaseFeed(id, loser!, 300, 199)).toBe(false)
    expect(await other.subscriptions.leaseFeed(id, loser!, 300, 200)).toBe(true)
    expect(await one.subscriptions.version()).toBe(before)
  })

  test('are listed by id, a page at a time, of all topics or of one', async () => {
    const ids = ['b', 'a', 'C', 'é'].map((id) => `list-${id}`)
    for (const id of ids) await subscribed(one, { id, topic: 'listed' })
    const list = async (page: { after?: string; limit: number; topic?: string }) =>
      (await other.subscriptions.list(page)).map(({ id }) => id)
    expect(await list({ topic: 'listed', limit: 10 })).toEqual(['list-C', 'list-a', 'list-b', 'list-é'])
    expect(await list({ topic: 'listed', limit: 2, after: 'list-C' })).toEqual(['list-a', 'list-b'])
    expect((await list({ limit: 3 })).length).toBe(3)
    expect(await list({ topic: 'nothing', limit: 3 })).toEqual([])
  })

  test('are deleted with everything that they own, and take no rows any more', async () => {
    const { id } = await subscribed(one)
    const { id: neighbour } = await subscribed(one)
    const rows = Array.from({ length: 1200 }, (_, i) => aRow(id, `gone-${i}`))
    await one.deliveries.insert([...rows, aRow(neighbour, 'gone-0')])
    await claimed(one, id, { max: 10 })
    await one.operations.create({
      id: `op-${id}`,
      subscription: id,
      topic: 'orders',
      what: { kind: 'redrive', before: 1 },
      state: 'running',
      done: 0,
      failed: 0,
      startedAt: 1,
    })
    const before = await one.subscriptions.version()
    expect(await other.subscriptions.delete(id)).toBe(true)
    expect(await one.subscriptions.version()).toBeGreaterThan(before)
    expect(await one.subscriptions.delete(id)).toBe(false)
    expect(await one.subscriptions.get(id)).toBeUndefined()
    expect(await one.deliveries.known(rows.map((row) => row.id))).toEqual(new Set())
    expect(await one.deliveries.pending(id)).toEqual([])
    expect((await one.operations.get(`op-${id}`))?.state).toBe('cancelled')
    expect(await one.deliveries.insert([aRow(id, 'late')])).toEqual([false])
    expect(await claimed(one, id)).toEqual([])
    expect((await claimed(one, neighbour))[0]?.bytes).toEqual(aRow(id, 'gone-0').event.bytes)
  })
})
