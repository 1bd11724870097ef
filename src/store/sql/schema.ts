import { deliveriesSchema } from './deliveries/schema.ts'
import { heldSchema } from './held/schema.ts'

/**
 * Each brings the schema one version further, in the words of SQLite. What is here has run somewhere: append, never edit.
 */
export const migrations: readonly string[] = [
  `CREATE TABLE bindings (
     topic TEXT PRIMARY KEY, broker TEXT NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE keys (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL,
     rate_per_second REAL, created_at INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
   CREATE TABLE idempotency (
     scope TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, ids TEXT NOT NULL, expires_at INTEGER NOT NULL,
     token TEXT, lease_until INTEGER NOT NULL, status INTEGER, headers TEXT, body BLOB
   ) STRICT;
   CREATE INDEX idempotency_expires_at ON idempotency (expires_at);`,
  deliveriesSchema,
  heldSchema,
  // What a topic was bound to before, until that is consumed to its end; and where the log of the present one began.
  `ALTER TABLE bindings ADD COLUMN start TEXT;
   CREATE TABLE drains (
     topic TEXT PRIMARY KEY, broker TEXT NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL, since INTEGER NOT NULL,
     emptied_at INTEGER, left_at INTEGER, held_until INTEGER
   ) STRICT;`,
]
