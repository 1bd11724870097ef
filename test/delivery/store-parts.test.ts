import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { databases, type StoreStage, storeStage } from './store-stage.ts'

/** Of SQLite, test/unit/store says more. */
describe.each(databases)('what else a store in %s keeps', (database) => {
  let stage: StoreStage
  let one: Store
  let other: Store

  beforeAll(async () => {
    stage = await storeStage(database)
    one = await stage.open()
    other = await stage.open()
  })
  afterAll(() => stage.close())

  test('bindings', async () => {
    const binding = { topic: 'orders', broker: 'main', name: 'orders-v1', epoch: 3 }
    await one.bindings.put({ ...binding, epoch: 2 })
    await one.bindings.put(binding)
    await other.bindings.put({ ...binding, topic: 'Orders' })
    expect(await other.bindings.list()).toEqual([{ ...binding, topic: 'Orders' }, binding])
  })

  test('what a topic was bound to before, with its new binding and not without it', async () => {
    const { bindings } = one
    const first = { topic: 'moved', broker: 'a', name: 'moved', epoch: 1 }
    const second = { ...first, broker: 'b', epoch: 2, start: 'a place' }
    const drain = { ...first, since: 7 }
    await bindings.put(first)
    await Promise.all([bindings.put(second, drain), other.bindings.put(second, { ...drain, since: 8 })])
    const moved = (all: readonly { topic: string }[]) => all.filter(({ topic }) => topic === 'moved')
    expect(moved(await other.bindings.list())).toEqual([second])
    const [known, ...more] = await other.bindings.drains()
    expect(more).toEqual([])
    expect([7, 8]).toContain(known!.since)
    await expect(bindings.put({ ...second, broker: 'c' })).rejects.toMatchObject({ code: 'conflict' })
    await expect(bindings.put(first)).rejects.toMatchObject({ code: 'conflict' })
    await bindings.holdDrain(drain, 20)
    const marks = await Promise.all([one, other, one].map((store) => store.bindings.markDrain(drain, 'left', 9)))
    expect(marks.filter(Boolean)).toHaveLength(1)
    expect(await other.bindings.markDrain(drain, 'emptied', 10)).toBe(true)
    expect(await other.bindings.drains()).toEqual([
      { ...drain, since: known!.since, heldUntil: 20, leftAt: 9, emptiedAt: 10 },
    ])
    expect(await bindings.markDrain({ ...drain, epoch: 5 }, 'left', 9)).toBe(false)
    expect(await bindings.forgetDrain({ ...drain, epoch: 5 })).toBe(false)
    expect(await bindings.forgetDrain(drain)).toBe(true)
    expect(await other.bindings.forgetDrain(drain)).toBe(false)
    // What is abandoned is forgotten with the next binding.
    await bindings.put({ ...first, epoch: 3 }, { ...second, since: 11 })
    await bindings.put({ ...first, broker: 'c', epoch: 4 })
    expect(await other.bindings.drains()).toEqual([])
  })

  test('keys', async () => {
    const key = { id: 'a', name: 'ci', hash: 'sha256:00', scopes: ['publish'], ratePerSecond: 0.5, createdAt: 7 }
    const { ratePerSecond: _, ...plain } = { ...key, id: 'b', hash: 'sha256:01' }
    await one.keys.put(key)
    await one.keys.put(plain)
    await other.keys.put({ ...plain, name: 'renamed' })
    expect(await one.keys.list()).toEqual([key, { ...plain, name: 'renamed' }])
    expect(await other.keys.delete('a')).toBe(true)
    expect(await other.keys.delete('a')).toBe(false)
  })

  test('secrets, made once whoever asks first', async () => {
    const secrets = await Promise.all([one.secret('tickets'), other.secret('tickets'), one.secret('tickets')])
    expect(secrets[0]).toHaveLength(32)
    expect(new Set(secrets.map((secret) => Buffer.from(secret).toString('hex'))).size).toBe(1)
    expect(await other.secret('else')).not.toEqual(secrets[0])
  })

  test('answers to requests, each claimed once', async () => {
    const entry = { scope: 's', fingerprint: 'f', ids: ['a'], leaseMs: 1000, now: Date.now() }
    const begin = (store: Store, change = {}) => store.idempotency.begin({ ...entry, ...change })
    const begun = await Promise.all(Array.from({ length: 20 }, (_, i) => begin(i % 2 === 0 ? one : other)))
    const started = begun.filter(({ kind }) => kind === 'started')
    expect([started.length, begun.filter(({ kind }) => kind === 'running').length]).toEqual([1, 19])
    expect(await begin(one, { fingerprint: 'g' })).toEqual({ kind: 'mismatch' })
    const again = await begin(other, { ids: ['b'], now: entry.now + 1000 })
    expect(again).toMatchObject({ kind: 'started', ids: ['a'] })
    if (again.kind !== 'started') return
    await other.idempotency.release('s', again.token)
    const last = await begin(one)
    if (last.kind !== 'started') throw new Error(`not started but ${last.kind}`)
    const answer = { status: 200, headers: { a: 'b' }, body: new Uint8Array([0, 255, 7]) }
    await other.idempotency.finish('s', again.token, answer)
    expect(await begin(other)).toEqual({ kind: 'running' })
    await one.idempotency.finish('s', last.token, answer)
    expect(await begin(other)).toEqual({ kind: 'done', answer })
    expect(await begin(other, { fingerprint: 'g', now: entry.now + 2 * 86_400_000 })).toMatchObject({ kind: 'started' })
  })
})
