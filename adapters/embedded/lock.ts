import { openSync, readSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../src/core/index.ts'
import { isBusy, isNotADatabase } from './errors.ts'

/** Where an SQLite file keeps its user_version (https://sqlite.org/fileformat2.html, 1.3). */
const versionOffset = 60

/**
 * Keeps everybody else, this process too, from opening the broker's file, until it is released or the process ends,
 * however it ends. The lock is SQLite's own on a small file beside, which the operating system gives up by itself; that
 * file's user_version is the holder's process id. Throws `misconfigured` where somebody has it.
 */
export function lock(path: string): () => void {
  const file = `${path}-lock`
  const db = new DatabaseSync(file, { timeout: 0 })
  try {
    // In this mode a lock outlives its transaction; no journal, for there is nothing in here to be brought back.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF')
    db.exec(`BEGIN EXCLUSIVE; PRAGMA user_version = ${process.pid}; COMMIT`)
  } catch (thrown) {
    db.close()
    if (isBusy(thrown)) throw inUse(path, holder(file))
    if (!isNotADatabase(thrown)) throw thrown
    throw new GatewayError('misconfigured', `${file} is no lock file of Sluice; move it away or choose another path.`)
  }
  return () => db.close()
}

function inUse(path: string, pid: number): GatewayError {
  const detail = `${path} is in use by another process (pid ${pid}): stop it, or choose another path; a running gateway can be reached over HTTP.`
  return new GatewayError('misconfigured', detail)
}

/**
 * The descriptor stays open on purpose: were the holder in this process, closing any descriptor of the file would drop
 * its lock (POSIX fcntl).
 */
function holder(file: string): number {
  const bytes = Buffer.alloc(4)
  readSync(openSync(file, 'r'), bytes, 0, 4, versionOffset)
  return bytes.readUInt32BE()
}
