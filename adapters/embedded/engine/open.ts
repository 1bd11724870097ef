import { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../../src/core/errors.ts'
import { DamageError, fromSqlite, isNotADatabase } from '../errors.ts'
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
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { timeout: 5000 })
    db.exec(`PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = ${walPages}`)
    db.exec(`PRAGMA synchronous = ${sync}; PRAGMA temp_store = MEMORY`)
    prepareSchema(db, path)
    limit(db, maxBytes)
    if (pragma(db, 'page_count') * pageSize <= quickCheckBytes) {
      const fault = findFault(db, 'quick_check')
      if (fault !== undefined) throw new DamageError(fault)
    }
    return db
  } catch (thrown) {
    db?.close()
    throw refusal(path, thrown)
  }
}

/** What stops a file from being opened, with what to do about it. */
export function refusal(path: string, thrown: unknown): GatewayError {
  const advice = 'Nothing was changed. Restore a backup, move it away to begin anew, or choose another path.'
  if (isNotADatabase(thrown)) {
    return new GatewayError('misconfigured', `${path} is not an SQLite database. ${advice}`, { cause: thrown })
  }
  const error = fromSqlite(thrown)
  if (error.cause === thrown && error.code === 'internal') return cannotOpen(path, thrown)
  if (!(error instanceof DamageError)) return error
  return new GatewayError('misconfigured', `${path} is damaged (${error.reason}). ${advice}`, { cause: thrown })
}

/** For what the operating system says: no such folder, no permission. */
export function cannotOpen(path: string, thrown: unknown): GatewayError {
  const why = thrown instanceof Error ? thrown.message : String(thrown)
  return new GatewayError('misconfigured', `${path} cannot be opened: ${why}.`, { cause: thrown })
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

/** The first fault that SQLite's own check finds. The quick one does not compare indexes with their tables. */
export function findFault(db: DatabaseSync, check: 'quick_check' | 'integrity_check'): string | undefined {
  const row = db.prepare(`PRAGMA ${check}(1)`).get()
  const found = row === undefined ? 'nothing can be read' : String(Object.values(row)[0])
  return found === 'ok' ? undefined : found.replaceAll(/\s+/g, ' ').trim()
}
