import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../../src/core/errors.ts'

/** "Slce", which tells our files from other SQLite files. */
const applicationId = 0x536c6365
const version = 1

/** A topic's chunks have the ids [number * topicSpan, (number + 1) * topicSpan), so that they lie together. */
export const topicSpan = 2 ** 40
/** Ids must stay exact as numbers. */
export const maxTopics = 2 ** 13 - 1

const tables = `
-- next and trimmed hold what retention has taken away; see Topics.
CREATE TABLE topic (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, incarnation TEXT NOT NULL, partitions INTEGER NOT NULL,
  retention_ms INTEGER, retention_bytes INTEGER, dedup_ms INTEGER NOT NULL,
  next INTEGER NOT NULL, trimmed INTEGER NOT NULL, dedup_next INTEGER NOT NULL
);
-- id is number * topicSpan + the first event's sequence number; ends is how many bytes the topic ever took, up to here.
-- The body comes last: what is read without it touches no overflow page.
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, count INTEGER NOT NULL, lanes INTEGER NOT NULL, ends INTEGER NOT NULL,
  crc INTEGER NOT NULL, hashes BLOB NOT NULL, body BLOB NOT NULL
);
CREATE TABLE delayed (
  id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL, due INTEGER NOT NULL, at INTEGER NOT NULL,
  count INTEGER NOT NULL, crc INTEGER NOT NULL, hashes BLOB NOT NULL, body BLOB NOT NULL
);
CREATE INDEX delayed_due ON delayed (due);
CREATE TABLE dedup_run (
  id INTEGER PRIMARY KEY AUTOINCREMENT, expires INTEGER NOT NULL, firsts BLOB NOT NULL, filter BLOB NOT NULL
);
CREATE TABLE dedup_block (id INTEGER PRIMARY KEY, entries BLOB NOT NULL);
CREATE TABLE grp (
  id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL, name TEXT NOT NULL, start TEXT NOT NULL,
  lease_ms INTEGER NOT NULL, max_attempts INTEGER NOT NULL, cursor INTEGER NOT NULL, UNIQUE (topic, name)
);
-- Events below the cursor that the group has not finished. state: 0 leased, 1 waiting, 2 held by an earlier one of its
-- key. due: when a lease ends or a wait is over. event: the bytes where they no longer come from the log.
CREATE TABLE entry (
  grp INTEGER NOT NULL, seq INTEGER NOT NULL, state INTEGER NOT NULL, attempt INTEGER NOT NULL, nonce INTEGER,
  due INTEGER, key INTEGER, event BLOB, PRIMARY KEY (grp, seq)
) WITHOUT ROWID;
CREATE INDEX entry_due ON entry (grp, due) WHERE due IS NOT NULL;
CREATE INDEX entry_key ON entry (grp, key, seq) WHERE key IS NOT NULL;
-- Leases that were settled, until they would have ended: settling them again the same way is no error.
CREATE TABLE done (
  until INTEGER NOT NULL, nonce INTEGER NOT NULL, grp INTEGER NOT NULL, outcome INTEGER NOT NULL,
  PRIMARY KEY (until, nonce)
) WITHOUT ROWID;
CREATE TABLE dead (
  id INTEGER PRIMARY KEY AUTOINCREMENT, grp INTEGER NOT NULL, seq INTEGER NOT NULL, attempts INTEGER NOT NULL,
  reason TEXT NOT NULL, at INTEGER NOT NULL, event BLOB NOT NULL
);
CREATE INDEX dead_grp ON dead (grp, id);
CREATE TABLE mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`

/** Creates the tables in an empty database; refuses one that is not ours with `misconfigured`. */
export function prepareSchema(db: DatabaseSync, path: string): void {
  const id = pragma(db, 'application_id')
  const found = pragma(db, 'user_version')
  if (id === 0 && found === 0 && pragma(db, 'schema_version') === 0) {
    db.exec(
      `BEGIN IMMEDIATE; ${tables} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version}; COMMIT`,
    )
    return
  }
  if (id !== applicationId) {
    throw new GatewayError('misconfigured', `${path} is an SQLite database of another program; choose another path.`)
  }
  if (found > version) {
    const detail = `${path} was written by a newer version (format ${found}; this one reads up to ${version}): run that version, or choose another path.`
    throw new GatewayError('misconfigured', detail)
  }
}

/** A pragma's single number. */
export function pragma(db: DatabaseSync, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get()
  return row === undefined ? 0 : Number(Object.values(row)[0])
}
