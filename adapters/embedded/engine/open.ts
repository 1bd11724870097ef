import { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../../src/core/index.ts'
import { isNotADatabase } from '../errors.ts'
import { pragma, prepareSchema } from './schema.ts'

export const pageSize = 8192
/**
 * When the write-ahead log is folded into the file, and begun again. Commits into a log that is reused are twice as
 * fast as into one that grows (0.23 against 0.46 ms), and folding 4 MiB takes 7 ms: small enough to be in a p99.
 */
const walPages = (4 << 20) / pageSize
/** A file up to this size is checked as a whole whenever it is opened. */
const quickCheckBytes = 32 << 20

export interface FileOptions {
  readonly path: string
  readonly sync: 'full' | 'normal'
  readonly maxBytes: number | null
}

/** Opens the file to write, creates it where there is none. Throws `misconfigured` where it is not ours or damaged. */
export function openFile({ path, sync, maxBytes }: FileOptions): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5000 })
  try {
    db.exec(`PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = ${walPages}`)
    db.exec(`PRAGMA synchronous = ${sync}; PRAGMA temp_store = MEMORY`)
    prepareSchema(db, path)
    limit(db, maxBytes)
    if (pragma(db, 'page_count') * pageSize <= quickCheckBytes) checkIntegrity(db, path)
    return db
  } catch (thrown) {
    db.close()
    if (!isNotADatabase(thrown)) throw thrown
    const detail = `${path} is not an SQLite database; nothing was changed. Restore a backup, move it away to begin anew, or choose another path.`
    throw new GatewayError('misconfigured', detail, { cause: thrown })
  }
}

export function openMemory(maxBytes: number | null): DatabaseSync {
  const db = new DatabaseSync(':memory:')
  db.exec(`PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = MEMORY; PRAGMA temp_store = MEMORY`)
  prepareSchema(db, ':memory:')
  limit(db, maxBytes)
  return db
}

/** A second connection of the same process, for reading. */
export function openReader(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5000 })
  db.exec('PRAGMA query_only = ON')
  return db
}

function limit(db: DatabaseSync, maxBytes: number | null): void {
  if (maxBytes !== null) db.exec(`PRAGMA max_page_count = ${Math.floor(maxBytes / pageSize)}`)
}

function checkIntegrity(db: DatabaseSync, path: string): void {
  const row = db.prepare('PRAGMA quick_check(1)').get()
  const found = row === undefined ? 'nothing' : String(Object.values(row)[0])
  if (found === 'ok') return
  const detail = `${path} is damaged (${found}); nothing was changed. Restore a backup, or move it away to begin anew.`
  throw new GatewayError('misconfigured', detail)
}
