import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSqliteStore } from '../../../src/store/sql/open.ts'
import type { Store, StoredAnswer } from '../../../src/store/store.ts'

const hour = 3_600_000
const answer: StoredAnswer = {
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{"id":"a"}'),
}

let folder: string
let now: number
let one: Store
let other: Store

const clock = { now: () => now, random: (bytes: Uint8Array<ArrayBuffer>) => void crypto.getRandomValues(bytes) }
const open = () => openSqliteStore({ path: join(folder, 'store.db'), clock })

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-store-'))
  now = 1_000_000
  one = await open()
  other = await open()
})

afterEach(async () => {
  await Promise.all([one.close(), other.close()])
  rmSync(folder, { recursive: true })
})

function begin(store: Store, change: Partial<Parameters<Store['idempotency']['begin']>[0]> = {}) {
  return store.idempotency.begin({ scope: 's', fingerprint: 'f', ids: ['a'], leaseMs: 1000, now, ...change })
}

async function started(
  store: Store,
  change: Parameters<typeof begin>[1] = {},
): Promise<{ token: string; ids: readonly string[] }> {
  const result = await begin(store, change)
  if (result.kind !== 'started') throw new Error(`not started but ${result.kind}`)
  return result
}

describe('an idempotency entry', () => {
  test('is claimed once, over two processes on one file', async () => {
    const kinds = await Promise.all(Array.from({ length: 40 }, (_, i) => begin(i % 2 === 0 ? one : other)))
    expect(kinds.filter(({ kind }) => kind === 'started')).toHaveLength(1)
    expect(kinds.filter(({ kind }) => kind === 'running')).toHaveLength(39)
  })

  test('answers with what was remembered, byte for byte, also after a restart', async () => {
    const { token } = await started(one)
    await one.idempotency.finish('s', token, answer)
    await one.close()
    one = await open()
    expect(await begin(one, { ids: ['b'] })).toEqual({
      kind: 'done',
      answer: { ...answer, body: new Uint8Array(answer.body) },
    })
  })

  test('refuses another payload while it runs, when it is done, and when it was released', async () => {
    const { token } = await started(one)
    expect(await begin(other, { fingerprint: 'g' })).toEqual({ kind: 'mismatch' })
    await one.idempotency.release('s', token)
    expect(await begin(other, { fingerprint: 'g' })).toEqual({ kind: 'mismatch' })
    const again = await started(other)
    await other.idempotency.finish('s', again.token, answer)
    expect(await begin(one, { fingerprint: 'g' })).toEqual({ kind: 'mismatch' })
  })

  test('that was released is claimed with the ids of the first attempt', async () => {
    const { token } = await started(one, { ids: ['first', 'second'] })
    await one.idempotency.release('s', token)
    expect((await started(other, { ids: ['third', 'fourth'] })).ids).toEqual(['first', 'second'])
  })

  test('whose lease ended is taken over, and the first holder changes nothing any more', async () => {
    const slow = await started(one, { ids: ['first'] })
    now += 999
    expect(await begin(other)).toEqual({ kind: 'running' })
    now += 1
    const quick = await started(other, { ids: ['second'] })
    expect(quick.ids).toEqual(['first'])
    await one.idempotency.finish('s', slow.token, { ...answer, status: 503 })
    await one.idempotency.release('s', slow.token)
    expect(await begin(one)).toEqual({ kind: 'running' })
    await other.idempotency.finish('s', quick.token, answer)
    expect(await begin(one)).toMatchObject({ kind: 'done', answer: { status: 200 } })
  })

  test('is forgotten after 24 h, counted from its answer', async () => {
    const { token } = await started(one)
    now += hour
    await one.idempotency.finish('s', token, answer)
    now += 24 * hour - 1
    expect(await begin(one)).toMatchObject({ kind: 'done' })
    now += 1
    expect((await started(one, { fingerprint: 'g', ids: ['new'] })).ids).toEqual(['new'])
  })

  test('of another scope is another entry', async () => {
    await started(one)
    expect((await started(one, { scope: 't', ids: ['b'] })).ids).toEqual(['b'])
  })
})
