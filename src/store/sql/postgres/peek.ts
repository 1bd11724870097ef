import { Client } from 'pg'
import type { Binding } from '../../../core/binding.ts'
import type { Peeked } from '../peek.ts'
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
    return { bindings: bindings.rows, keys: keys.rows[0]!.keys }
  } catch (error) {
    throw postgresError(error, where)
  } finally {
    await client.end().catch(() => {})
  }
}
