import { Client, type QueryResultRow } from 'pg'
import type { Binding } from '../../../core/binding.ts'
import { type DrainRow, selectDrains, toDrain } from '../bindings.ts'
import { type Peeked, type SubscriberRow, selectSubscribers, toSubscriber } from '../peek.ts'
import { Seal } from '../seal.ts'
import { checkName, requireRightKey } from '../vault.ts'
import { postgresError } from './errors.ts'
import { requireEncryptionKey } from './key.ts'
import { schemaVersion } from './migrations.ts'
import { clientConfig, placeOf } from './pool.ts'

/** What a check needs of a store, without changing it; undefined where the database is empty. */
export async function peekPostgres(url: string, encryptionKey: string | undefined): Promise<Peeked | undefined> {
  const seal = new Seal(requireEncryptionKey(encryptionKey))
  const where = placeOf(url)
  const client = new Client(clientConfig(url))
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('BEGIN READ ONLY')
    if ((await schemaVersion(client, where)) === undefined) return undefined
    const bindings = await client.query<Binding>('SELECT topic, broker, name, epoch FROM bindings ORDER BY topic')
    const keys = await client.query<{ keys: number }>('SELECT count(*) AS keys FROM keys')
    const check = await client.query<{ value: Uint8Array }>('SELECT value FROM secrets WHERE name = $1', [checkName])
    if (check.rows[0] !== undefined) requireRightKey(seal, check.rows[0].value, where)
    // A store that was not opened since has no tables of later versions.
    const rows = async <R extends QueryResultRow>(table: string, select: string): Promise<readonly R[]> => {
      const there = await client.query<{ there: string | null }>('SELECT to_regclass($1) AS there', [table])
      return there.rows[0]?.there == null ? [] : (await client.query<R>(select)).rows
    }
    const drains = (await rows<DrainRow & QueryResultRow>('drains', selectDrains)).map(toDrain)
    const subscribers = await rows<SubscriberRow & QueryResultRow>('subscriptions', selectSubscribers)
    const all = { bindings: bindings.rows, keys: keys.rows[0]!.keys }
    return { ...all, drains, subscribers: subscribers.map(toSubscriber) }
  } catch (error) {
    throw postgresError(error, where)
  } finally {
    await client.end().catch(() => {})
  }
}
