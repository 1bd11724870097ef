import { existsSync, realpathSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { checksum } from './engine/chunks.ts'
import { findFault, refusal } from './engine/open.ts'
import { prepareSchema, topicSpan } from './engine/schema.ts'
import { query } from './engine/sql.ts'
import { lock } from './lock.ts'

type Row = [id: number, crc: number, hashes: Uint8Array, body: Uint8Array]

/** So many faults are reported; where there are more, the first ones tell enough. */
const most = 20

/**
 * Reads the whole of a broker's file and answers what is wrong with it, empty where nothing is. Takes as long as reading
 * it does, and changes nothing. Throws `misconfigured` where it is in use, or no such file.
 */
export function check(path: string): readonly string[] {
  if (!existsSync(path)) return [`${path} does not exist`]
  if (statSync(path).size === 0) return []
  const file = realpathSync(path)
  const release = lock(file)
  try {
    const db = new DatabaseSync(file)
    try {
      db.exec('PRAGMA query_only = ON')
      prepareSchema(db, file)
      const fault = findFault(db, 'integrity_check')
      return [...(fault === undefined ? [] : [fault]), ...damagedChunks(db), ...damagedDelayed(db)].slice(0, most)
    } catch (thrown) {
      throw refusal(file, thrown)
    } finally {
      db.close()
    }
  } finally {
    release()
  }
}

function* damagedChunks(db: DatabaseSync): Generator<string> {
  const names = new Map(query<[number: number, name: string]>(db, 'SELECT number, name FROM topic').all())
  for (const [id, crc, hashes, body] of query<Row>(db, 'SELECT id, crc, hashes, body FROM chunk').iterate()) {
    if (checksum(hashes, body) === crc) continue
    const topic = names.get(Math.floor(id / topicSpan))
    yield `topic ${topic}: the events from position ${id % topicSpan} on do not match their checksum`
  }
}

function* damagedDelayed(db: DatabaseSync): Generator<string> {
  for (const [id, crc, hashes, body] of query<Row>(db, 'SELECT id, crc, hashes, body FROM delayed').iterate()) {
    if (checksum(hashes, body) !== crc) yield `a delayed publish (${id}) does not match its checksum`
  }
}
