import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import type { GatewayError } from '../../../src/core/errors.ts'
import { openSqliteStore } from '../../../src/store/sql/open.ts'
import type { Store } from '../../../src/store/store.ts'

let folder: string
let path: string
let store: Store | undefined

const open = async (patienceMs = 5000): Promise<Store> => {
  store = await openSqliteStore({ path, clock: systemClock, patienceMs })
  return store
}
const refusal = (promise: Promise<unknown>): Promise<GatewayError> =>
  promise.then(
    () => {
      throw new Error('It was not refused.')
    },
    (error: GatewayError) => error,
  )

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-store-'))
  path = join(folder, 'deep', 'store.db')
})

afterEach(async () => {
  await store?.close()
  store = undefined
  rmSync(folder, { recursive: true })
})

describe('the store', () => {
  test('keeps bindings and keys over a restart', async () => {
    const binding = { topic: 'orders', broker: 'main', name: 'orders-v1', epoch: 3 }
    const key = {
      id: 'a',
      name: 'ci',
      hash: 'sha256:00',
      scopes: ['publish', 'consume:a.*'],
      ratePerSecond: 0.5,
      createdAt: 7,
    }
    const { ratePerSecond: _, ...plain } = { ...key, id: 'b', hash: 'sha256:01' }
    let opened = await open()
    await opened.bindings.put({ ...binding, epoch: 2 })
    await opened.bindings.put(binding)
    await opened.keys.put(key)
    await opened.keys.put(plain)
    await opened.close()
    opened = await open()
    expect(await opened.bindings.list()).toEqual([binding])
    expect(await opened.keys.list()).toEqual([key, plain])
    expect(await opened.keys.delete('a')).toBe(true)
    expect(await opened.keys.delete('a')).toBe(false)
    expect(await opened.keys.list()).toEqual([plain])
  })

  test('makes a secret once, whoever asks first', async () => {
    const one = await open()
    const other = await openSqliteStore({ path, clock: systemClock })
    const secrets = await Promise.all([one.secret('tickets'), other.secret('tickets'), one.secret('tickets')])
    expect(secrets[0]).toHaveLength(32)
    expect(secrets[1]).toEqual(secrets[0])
    expect(secrets[2]).toEqual(secrets[0])
    expect(await other.secret('else')).not.toEqual(secrets[0])
    await other.close()
  })

  test('is opened by several at once while it does not exist', async () => {
    const stores = await Promise.all(Array.from({ length: 5 }, () => openSqliteStore({ path, clock: systemClock })))
    await Promise.all(stores.map((one, i) => one.bindings.put({ topic: `t${i}`, broker: 'b', name: 't', epoch: 1 })))
    expect(await stores[0]!.bindings.list()).toHaveLength(5)
    await Promise.all(stores.map((one) => one.close()))
  })

  test('can only be read by its owner', async () => {
    await open()
    expect(statSync(path).mode & 0o077).toBe(0)
  })

  test('that is locked answers unavailable, and works again afterwards; the event loop never stands still', async () => {
    const opened = await open(200)
    const locker = new DatabaseSync(path)
    locker.exec('BEGIN IMMEDIATE')
    let turns = 0
    const ticking = setInterval(() => turns++, 5)
    const error = await refusal(opened.bindings.put({ topic: 't', broker: 'b', name: 't', epoch: 1 }))
    clearInterval(ticking)
    expect(error).toMatchObject({ code: 'unavailable', retryAfterMs: 1000 })
    expect(turns).toBeGreaterThan(5)
    expect(await opened.bindings.list()).toEqual([])
    expect(await refusal(opened.health())).toMatchObject({ code: 'unavailable' })
    const waiting = opened.health()
    locker.exec('ROLLBACK')
    locker.close()
    await waiting
    await opened.bindings.put({ topic: 't', broker: 'b', name: 't', epoch: 1 })
  })

  test('that is full answers unavailable, and keeps what it has', async () => {
    store = await openSqliteStore({ path, clock: systemClock, maxBytes: 1 << 20 })
    const full = store
    await full.bindings.put({ topic: 't', broker: 'b', name: 't', epoch: 1 })
    const big = { id: 'k', name: 'x'.repeat(1 << 20), hash: 'h', scopes: ['publish'], createdAt: 1 }
    expect(await refusal(full.keys.put(big))).toMatchObject({ code: 'unavailable' })
    expect(await full.bindings.list()).toHaveLength(1)
    expect(await full.keys.list()).toEqual([])
  })

  test('that is closed refuses, and closing again is harmless', async () => {
    const opened = await open()
    const pending = opened.bindings.put({ topic: 't', broker: 'b', name: 't', epoch: 1 })
    await Promise.all([opened.close(), opened.close()])
    await pending
    expect(await refusal(opened.keys.delete('a'))).toMatchObject({ code: 'unavailable' })
    expect((await (await open()).bindings.list())[0]?.topic).toBe('t')
  })
})

describe('a file that is no store', () => {
  beforeEach(() => {
    path = join(folder, 'store.db')
  })

  async function expectRefusal(words: RegExp): Promise<void> {
    const before = readFileSync(path)
    const error = await refusal(open())
    expect(error).toMatchObject({ code: 'misconfigured' })
    expect(error.message).toContain(path)
    expect(error.message).toMatch(words)
    expect(readFileSync(path).equals(before)).toBe(true)
  }

  test('but text is refused and left as it is', async () => {
    writeFileSync(path, 'no database, but long enough to look like something '.repeat(100))
    await expectRefusal(/not a SQLite database.*restore it from a backup/)
  })

  test('but the database of another program is refused and left as it is', async () => {
    const foreign = new DatabaseSync(path)
    foreign.exec('CREATE TABLE theirs (a)')
    foreign.close()
    await expectRefusal(/no store of Sluice/)
  })

  test('of this version is refused and left as it is', async () => {
    await (await open()).close()
    const newer = new DatabaseSync(path)
    newer.exec('PRAGMA user_version = 999')
    newer.close()
    await expectRefusal(/newer Sluice/)
  })

  test('because its beginning was overwritten is refused and left as it is', async () => {
    await (await open()).close()
    const damaged = readFileSync(path)
    damaged.fill(0xff, 0, 200)
    writeFileSync(path, damaged)
    await expectRefusal(/restore it from a backup/)
  })

  test('because it was emptied beside its log is refused, and the log stays', async () => {
    const opened = await open()
    await opened.bindings.put({ topic: 't', broker: 'b', name: 't', epoch: 1 })
    copyFileSync(`${path}-wal`, join(folder, 'kept'))
    await opened.close()
    copyFileSync(join(folder, 'kept'), `${path}-wal`)
    truncateSync(path)
    await expectRefusal(/empty/)
    expect(existsSync(`${path}-wal`)).toBe(true)
  })

  test('but a folder is refused', async () => {
    path = folder
    expect(await refusal(open())).toMatchObject({ code: 'misconfigured' })
  })
})
