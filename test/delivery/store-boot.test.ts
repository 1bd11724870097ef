import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { openSqliteStore } from '../../src/store/sql/open.ts'
import { openPostgresStore } from '../../src/store/sql/postgres/open.ts'
import { migrations } from '../../src/store/sql/schema.ts'
import type { Store } from '../../src/store/store.ts'
import { type PostgresServer, startPostgres } from '../brokers/services/postgres.ts'
import { sharedPostgres } from '../brokers/services/shared.ts'
import { encryptionKey, refusal, subscribed } from './store-stage.ts'

const run = promisify(execFile)
const moduleOf = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href)

/** Opens the store in a process of its own, and binds a topic there. */
async function bootElsewhere(options: object, topic: string): Promise<void> {
  const name = 'url' in options ? 'openPostgresStore' : 'openSqliteStore'
  const file = 'url' in options ? 'store/sql/postgres/open.ts' : 'store/sql/open.ts'
  const script = `
    import { systemClock } from ${moduleOf('core/clock.ts')}
    import { ${name} as open } from ${moduleOf(file)}
    const store = await open({ ...${JSON.stringify(options)}, clock: systemClock })
    await store.bindings.put({ topic: ${JSON.stringify(topic)}, broker: 'b', name: 'n', epoch: 1 })
    await store.close()`
  await run(process.execPath, ['--input-type=module', '--eval', script])
}

describe('booting on SQLite', () => {
  let folder: string
  let path: string
  let store: Store | undefined

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-store-'))
    path = join(folder, 'store.db')
  })
  afterEach(async () => {
    await store?.close()
    await rm(folder, { recursive: true })
  })

  test('several processes at once succeed where there was nothing', async () => {
    const topics = ['a', 'b', 'c']
    await Promise.all(topics.map((topic) => bootElsewhere({ path, encryptionKey }, topic)))
    store = await openSqliteStore({ path, clock: systemClock, encryptionKey })
    expect((await store.bindings.list()).map(({ topic }) => topic)).toEqual(topics)
  })

  test('a store of the first version is brought further, and keeps what it has', async () => {
    const old = new DatabaseSync(path)
    old.exec(`${migrations[0]}; PRAGMA application_id = ${0x536c6365}; PRAGMA user_version = 1`)
    old.exec(`INSERT INTO bindings VALUES ('orders', 'main', 'orders-v1', 3)`)
    old.close()
    store = await openSqliteStore({ path, clock: systemClock, encryptionKey })
    expect(await store.bindings.list()).toEqual([{ topic: 'orders', broker: 'main', name: 'orders-v1', epoch: 3 }])
    await subscribed(store)
    expect(await store.subscriptions.version()).toBe(1)
  })
})

describe('booting on Postgres', () => {
  let url: string
  const stores: Store[] = []
  const open = async (change: Partial<{ url: string; encryptionKey: string | undefined }> = {}): Promise<Store> => {
    const store = await openPostgresStore({ url, encryptionKey, clock: systemClock, ...change })
    stores.push(store)
    return store
  }
  const sql = async (text: string): Promise<void> => {
    const client = new Client(url)
    await client.connect()
    await client.query(text).finally(() => client.end())
  }
  const changed = (change: (url: URL) => void): string => {
    const other = new URL(url)
    change(other)
    return other.href
  }

  beforeEach(async () => {
    url = await sharedPostgres()
  })
  afterEach(() => Promise.all(stores.splice(0).map((store) => store.close())))

  test('several processes at once succeed where there was nothing', async () => {
    const topics = ['a', 'b', 'c']
    await Promise.all(topics.map((topic) => bootElsewhere({ url, encryptionKey }, topic)))
    expect((await (await open()).bindings.list()).map(({ topic }) => topic)).toEqual(topics)
  })

  test('needs a key that all replicas have', async () => {
    const error = await refusal(open({ encryptionKey: undefined }))
    expect(error).toMatchObject({ code: 'misconfigured' })
    expect(error.message).toContain('needs encryptionKey')
  })

  test('refuses what is no store of ours, and leaves it', async () => {
    await sql('CREATE TABLE theirs (a int)')
    const error = await refusal(open())
    expect(error).toMatchObject({ code: 'misconfigured' })
    expect(error.message).toMatch(/127\.0\.0\.1:\d+\/test_\w+ is a database with tables that are not Sluice's/)
    await sql('SELECT a FROM theirs')
    await expect(sql('SELECT version FROM sluice_schema')).rejects.toMatchObject({ code: '42P01' })
  })

  test('refuses a store of a newer version', async () => {
    await open()
    await sql('UPDATE sluice_schema SET version = 999')
    expect((await refusal(open())).message).toContain('made by a newer Sluice (schema 999)')
  })

  test('says what is wrong with the URL, and no secret', async () => {
    const password = 'canary-password'
    const refused = async (change: (url: URL) => void) => {
      const other = changed((it) => {
        it.password = password
        change(it)
      })
      const error = await refusal(open({ url: other }))
      expect(error.message).not.toContain(password)
      return error
    }
    const missing = await refused((it) => {
      it.pathname = '/nowhere'
    })
    expect(missing).toMatchObject({ code: 'misconfigured' })
    expect(missing.message).toContain('make the database, or correct store.url')
    const stranger = await refused((it) => {
      it.username = 'stranger'
    })
    expect(stranger).toMatchObject({ code: 'misconfigured' })
    expect(stranger.message).toContain('correct user and password in store.url')
    const silent = await refused((it) => {
      it.port = '1'
    })
    expect(silent).toMatchObject({ code: 'unavailable', retryAfterMs: 1000 })
    const plain = await refused((it) => {
      it.searchParams.set('sslmode', 'require')
    })
    expect(plain).toMatchObject({ code: 'misconfigured' })
    expect(plain.message).toContain('speaks no TLS')
    const noFile = await refused((it) => {
      it.searchParams.set('sslrootcert', '/nowhere.pem')
    })
    expect(noFile).toMatchObject({ code: 'misconfigured' })
  })

  test('tells a user without rights from one with too many connections', async () => {
    const name = new URL(url).pathname.slice(1)
    await sql(`CREATE ROLE ${name}_plain LOGIN; CREATE ROLE ${name}_full LOGIN CONNECTION LIMIT 0`)
    const as = (user: string) =>
      refusal(
        open({
          url: changed((it) => {
            it.username = user
          }),
        }),
      )
    const plain = await as(`${name}_plain`)
    expect(plain).toMatchObject({ code: 'misconfigured' })
    expect(plain.message).toContain('grant it')
    expect(await as(`${name}_full`)).toMatchObject({
      code: 'unavailable',
      retryAfterMs: 1000,
      message: 'The store has too many connections.',
    })
  })

  test('that was closed refuses, and closing again is harmless', async () => {
    const store = await open()
    const pending = store.bindings.put({ topic: 't', broker: 'b', name: 't', epoch: 1 })
    await Promise.all([store.close(), store.close()])
    await pending
    expect(await refusal(store.keys.delete('a'))).toMatchObject({ code: 'unavailable' })
    expect(await (await open()).bindings.list()).toHaveLength(1)
  })

  test('a table that somebody locks makes it unavailable, not stuck', async () => {
    const store = await open()
    const locker = new Client(url)
    await locker.connect()
    await locker.query('BEGIN; LOCK TABLE counters')
    expect(await refusal(store.health())).toMatchObject({ code: 'unavailable' })
    await locker.end()
    await expect.poll(() => store.health().then(() => 'well')).toBe('well')
  })
})

describe('a Postgres that crashes', () => {
  let server: PostgresServer

  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  test('makes the store unavailable, which works again by itself afterwards', async () => {
    const store = await openPostgresStore({ url: await server.database(), encryptionKey, clock: systemClock })
    const { id } = await subscribed(store)
    await server.kill()
    expect(await refusal(store.health())).toMatchObject({ code: 'unavailable', retryAfterMs: 1000 })
    expect(await refusal(store.subscriptions.version())).toMatchObject({ code: 'unavailable' })
    expect(await refusal(subscribed(store))).toMatchObject({ code: 'unavailable' })
    await server.start()
    await store.health()
    expect((await store.subscriptions.load()).subscriptions.map((one) => one.id)).toEqual([id])
    await store.close()
  })
})
