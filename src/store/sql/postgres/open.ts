import type { Clock } from '../../../core/clock.ts'
import { GatewayError } from '../../../core/errors.ts'
import type { Store } from '../../store.ts'
import { sqlParts } from '../parts.ts'
import { change } from '../query.ts'
import { Vault } from '../vault.ts'
import { PostgresSql } from './drive.ts'
import { postgresError } from './errors.ts'
import { requireEncryptionKey } from './key.ts'
import { migrate } from './migrations.ts'
import { connect, openPool, placeOf } from './pool.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`, and what libpq takes after `?`. */
  readonly url: string
  readonly clock: Clock
  /** From which the key of the secrets comes. Every replica needs the same. */
  readonly encryptionKey: string | undefined
}

const healthMs = 3000

/** The store in one database of Postgres, for any number of replicas. */
export async function openPostgresStore({ url, clock, encryptionKey }: PostgresOptions): Promise<Store> {
  const key = requireEncryptionKey(encryptionKey)
  const where = placeOf(url)
  const pool = openPool(url)
  const sql = new PostgresSql(pool, where)
  const vault = new Vault(sql, where, async () => key)
  try {
    const client = await connect(pool, where)
    try {
      await migrate(client, where)
    } catch (error) {
      throw postgresError(error, where)
    } finally {
      client.release()
    }
    await vault.seal()
  } catch (error) {
    await pool.end()
    throw error
  }
  const { stop, ...parts } = sqlParts(sql, vault, clock, where)
  let closing: Promise<void> | undefined

  async function close(): Promise<void> {
    stop()
    await sql.close()
    await pool.end()
  }

  return {
    ...parts,
    async health() {
      await within(
        healthMs,
        sql.write(() => change(probe)),
      )
    },
    close() {
      closing ??= close()
      return closing
    },
  }
}

/** A write, because a server may answer and take none. */
const probe = `INSERT INTO counters (name, value) VALUES ('health', 0)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value`

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const error = new GatewayError('unavailable', 'The store does not answer.', { retryAfterMs: 1000 })
  const timer = setTimeout(() => late.reject(error), ms)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
