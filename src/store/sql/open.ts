import type { Clock } from '../../core/clock.ts'
import type { Store } from '../store.ts'
import { sqlBindings } from './bindings.ts'
import { openDatabase } from './database.ts'
import { storeError } from './errors.ts'
import { sqlBegin } from './idempotency/begin.ts'
import { sqlFinish } from './idempotency/finish.ts'
import { sqlRelease } from './idempotency/release.ts'
import { sweepExpired } from './idempotency/sweep.ts'
import { sqlKeys } from './keys.ts'
import { sqlSecret } from './secret.ts'
import { Writer } from './writer.ts'

export interface SqliteOptions {
  /** An absolute path. The file and its folder are made where they are missing. */
  readonly path: string
  readonly clock: Clock
  /** How long a write may wait for another process to give up its lock. */
  readonly patienceMs?: number
  /** What the file may grow to; beyond it writes are `unavailable`. */
  readonly maxBytes?: number
}

const defaultMaxBytes = 4 * 2 ** 30

/** The store in one SQLite file, which several processes of a machine may open. */
export async function openSqliteStore({
  path,
  clock,
  patienceMs,
  maxBytes = defaultMaxBytes,
}: SqliteOptions): Promise<Store> {
  const database = await openDatabase(path, maxBytes)
  const writer = new Writer(database, path, patienceMs)
  const read = async <T>(query: () => T): Promise<T> => {
    try {
      return query()
    } catch (error) {
      throw storeError(error, path)
    }
  }
  const stopSweeping = sweepExpired(database, writer, clock)
  let closing: Promise<void> | undefined

  async function close(): Promise<void> {
    stopSweeping()
    await writer.close()
    database.close()
  }

  return {
    bindings: sqlBindings(database, writer, read),
    keys: sqlKeys(database, writer, read),
    idempotency: {
      begin: sqlBegin(database, writer, read),
      finish: sqlFinish(database, writer, clock),
      release: sqlRelease(database, writer),
    },
    secret: sqlSecret(database, writer, clock),
    // An empty transaction takes the lock that a write would need.
    health: () => writer.run(() => undefined, 1000),
    close() {
      closing ??= close()
      return closing
    },
  }
}
