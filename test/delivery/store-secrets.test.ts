import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { openSqliteStore } from '../../src/store/sql/open.ts'
import type { Store } from '../../src/store/store.ts'
import { aRow, databases, encryptionKey, refusal, type StoreStage, storeStage, subscribed } from './store-stage.ts'

const canary = 'canary-4f1d'
const secrets = {
  secrets: [{ secret: `whsec_${canary}` }],
  auth: { bearer: `bearer-${canary}` },
  headers: { 'x-secret': `header-${canary}` },
}
const spellings = (text: string) => [text, Buffer.from(text).toString('hex')]

describe.each(databases)('secrets in %s', (database) => {
  let stage: StoreStage

  beforeEach(async () => {
    stage = await storeStage(database)
  })
  afterEach(() => stage.close())

  test('never lie in it in the clear, and come back', async () => {
    const store = await stage.open()
    const subscription = await subscribed(store, { ...secrets, labels: { seen: 'seen-in-the-clear' } })
    await store.subscriptions.update({ ...subscription, url: 'https://else.example.com' }, 1)
    await store.deliveries.insert([aRow(subscription.id, 'seen-as-bytes')])
    const raw = await stage.raw()
    for (const spelling of spellings(canary)) expect(raw).not.toContain(spelling)
    expect(raw).toContain('seen-in-the-clear')
    expect(spellings('seen-as-bytes').some((spelling) => raw.includes(spelling))).toBe(true)
    const [read] = await (await stage.open()).subscriptions.list({ limit: 1 })
    expect(read).toMatchObject(secrets)
  })

  test('refuse another key at boot, and take the right one after', async () => {
    const store = await stage.open()
    const { id } = await subscribed(store)
    const error = await refusal(stage.open('another key'))
    expect(error).toMatchObject({ code: 'misconfigured' })
    expect(error.message).toMatch(/sealed with another key: give encryptionKey the value/)
    expect(error.message).not.toContain('another key for')
    expect((await (await stage.open(encryptionKey)).subscriptions.get(id))?.id).toBe(id)
  })

  test('that two replicas with different keys would make: one of them is refused', async () => {
    const sealing = async (key: string) => subscribed(await stage.open(key))
    const results = await Promise.allSettled([sealing('a'), sealing('b')])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('a store in SQLite without a configured key', () => {
  let folder: string
  let path: string
  const stores: Store[] = []
  const open = async (key?: string): Promise<Store> => {
    const store = await openSqliteStore({ path, clock: systemClock, encryptionKey: key })
    stores.push(store)
    return store
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-store-'))
    path = join(folder, 'store.db')
  })
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()))
    await rm(folder, { recursive: true })
  })

  test('makes one beside it, which only its owner reads, when it first needs it', async () => {
    const [one, other] = [await open(), await open()]
    await expect(stat(`${path}.key`)).rejects.toMatchObject({ code: 'ENOENT' })
    const made = await Promise.all([subscribed(one), subscribed(other)])
    expect((await stat(`${path}.key`)).mode & 0o777).toBe(0o600)
    const read = await (await open()).subscriptions.list({ limit: 10 })
    expect(read.map(({ id }) => id).sort()).toEqual(made.map(({ id }) => id).sort())
    expect(await (await open(await readFile(`${path}.key`, 'utf8'))).subscriptions.list({ limit: 10 })).toEqual(read)
  })

  test('is refused at boot where that one is missing, and where another is configured', async () => {
    await subscribed(await open())
    expect((await refusal(open('configured'))).message).toContain('sealed with another key')
    await rm(`${path}.key`)
    const error = await refusal(open())
    expect(error).toMatchObject({ code: 'misconfigured' })
    expect(error.message).toMatch(/store\.db\.key, cannot be used \(ENOENT\): put it back/)
  })
})
