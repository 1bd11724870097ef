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
