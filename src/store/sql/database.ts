import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { GatewayError } from '../../core/errors.ts'
import { advice, isBusy, storeError } from './errors.ts'
import { migrate, requireStoreOrNew } from './migrations.ts'

/** How long opening may wait for another process that opens or migrates the same file. */
const openPatienceMs = 5000
const pageBytes = 4096
/** A million rows are looked up by ids that follow no order: without their index in memory each is a read of the disk. */
const cacheKiB = 16 << 10

/**
 * Opens the file, or makes it, and brings it to the newest schema. What is no store of ours is refused, never replaced.
 * The connection never waits for a lock: that would stop the event loop. The writer tries again instead.
 */
export async function openDatabase(file: string, maxBytes: number): Promise<DatabaseSync> {
  prepareFile(file)
  const deadline = performance.now() + openPatienceMs
  for (;;) {
    let database: DatabaseSync | undefined
    try {
      database = new DatabaseSync(file, { timeout: 0 })
      // Before anything is written, for it may be somebody else's.
      requireStoreOrNew(database, file)
      // FULL: ids must survive a power cut once `begin` has answered.
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216')
      database.exec(`PRAGMA cache_size = -${cacheKiB}; PRAGMA max_page_count = ${Math.ceil(maxBytes / pageBytes)}`)
      migrate(database, file)
      return database
    } catch (error) {
      database?.close()
      if (!isBusy(error) || performance.now() > deadline) throw storeError(error, file)
      await sleep(10)
    }
  }
}

function prepareFile(file: string): void {
  try {
    if (emptied(file)) {
      throw new GatewayError('misconfigured', `The store ${file} is empty, but its write-ahead log is not. ${advice}`)
    }
    mkdirSync(dirname(file), { recursive: true })
    // It holds the hashes of keys and the secret that signs tickets.
    closeSync(openSync(file, 'a', 0o600))
  } catch (error) {
    if (error instanceof GatewayError) throw error
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new GatewayError('misconfigured', `The store ${file} cannot be opened (${reason}).`, { cause: error })
  }
}

/** SQLite takes an empty file for a new database, and would then delete the log that belonged to the old one. */
function emptied(file: string): boolean {
  const size = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0
  return statSync(file, { throwIfNoEntry: false })?.size === 0 && size(`${file}-wal`) > 0
}
