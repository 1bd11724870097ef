import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { openPostgresStore } from '../../src/store/sql/postgres/open.ts'
import type { Store } from '../../src/store/store.ts'
import { sharedPostgres } from '../brokers/services/shared.ts'
import { aRow, claimed, encryptionKey, eventIds, subscribed } from './store-stage.ts'

let url: string
let store: Store

beforeAll(async () => {
  url = await sharedPostgres()
  store = await openPostgresStore({ url, encryptionKey, clock: systemClock })
})
afterAll(() => store.close())

test('in Postgres, a row that comes while the head of its key ends is the head after', async () => {
  const { id } = await subscribed(store)
  await store.deliveries.insert([aRow(id, 'first', { key: 'k' })])
  // Another replica in the middle of ending it.
  const ending = new Client(url)
  await ending.connect()
  await ending.query('BEGIN')
  await ending.query('SELECT 1 FROM pending WHERE subscription = $1 FOR UPDATE', [id])
  await ending.query(`UPDATE deliveries SET status = 'succeeded', at = NULL, due = NULL WHERE subscription = $1`, [id])
  const inserted = store.deliveries.insert([aRow(id, 'second', { key: 'k' })])
  const waiting = async (): Promise<boolean> => {
    const { rows } = await ending.query<{ waiting: boolean }>(
      `SELECT count(*) > 0 AS waiting FROM pg_locks WHERE NOT granted`,
    )
    return rows[0]!.waiting
  }
  await expect.poll(waiting, { timeout: 10_000 }).toBe(true)
  await ending.query('COMMIT')
  await ending.end()
  expect(await inserted).toEqual([true])
  expect(eventIds(await claimed(store, id))).toEqual(['second'])
})
