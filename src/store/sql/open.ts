import type { Clock } from '../../core/clock.ts'
import type { Store } from '../store.ts'
import { openDatabase } from './database.ts'
import { sqliteSql } from './drive.ts'
import { keyFromFile } from './key-file.ts'
import { sqlParts } from './parts.ts'
import { Vault } from './vault.ts'
import { Writer } from './writer.ts'

export interface SqliteOptions {
  /** An absolute path. The file and its folder are made where they are missing. */
  readonly path: string
  readonly clock: Clock
  /** From which the key of the secrets comes; without it one is kept in a file beside the store. */
  readonly encryptionKey?: string | undefined
  /** How long a write may wait for another process to give up its lock. */
  readonly patienceMs?: number
  /** What the file may grow to; beyond it writes are `unavailable`. */
  readonly maxBytes?: number
}

const defaultMaxBytes = 4 * 2 ** 30

/** The store in one SQLite file, which several processes of a machine may open. */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  const { path, clock, encryptionKey, patienceMs, maxBytes = defaultMaxBytes } = options
  const database = await openDatabase(path, maxBytes)
  const writer = new Writer(database, path, patienceMs)
  const sql = sqliteSql(database, writer, path)
  const keyFile = `${path}.key`
  const vault: Vault = new Vault(sql, path, async () => encryptionKey ?? keyFromFile(keyFile, !(await vault.used())))
  const { stop, ...parts } = sqlParts(sql, vault, clock, path)
  let closing: Promise<void> | undefined

  async function close(): Promise<void> {
    stop()
    await writer.close()
    database.close()
  }

  const store: Store = {
    ...parts,
    // An empty transaction takes the lock that a write would need.
    health: () => writer.run(() => undefined, 1000),
    close() {
      closing ??= close()
      return closing
    },
  }
  try {
    // A wrong key is told now. One that nothing needs yet is not made.
    if (await vault.used()) await vault.seal()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}
