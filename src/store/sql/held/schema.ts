/**
 * Pull groups that the gateway keeps the leases of. Events of a group lie in the order of `place`. One is pending where it
 * has no `ended_at`; `due` is when it may be leased, or when its lease ends, and absent of one that waits for an earlier one
 * of its key. What was acknowledged is remembered without its bytes, until its lease would have ended and the broker
 * will not give it again: `held_fills` are those that it still may.
 */
export const heldSchema = `
  CREATE TABLE held_groups (
    name TEXT PRIMARY KEY, start TEXT NOT NULL, lease_ms INTEGER NOT NULL, max_attempts INTEGER NOT NULL,
    term INTEGER NOT NULL, closed_until INTEGER NOT NULL, next INTEGER NOT NULL, events INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE held_fills (
    name TEXT NOT NULL, fill TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (name, fill)
  ) STRICT;
  CREATE TABLE held_events (
    name TEXT NOT NULL, place INTEGER NOT NULL, id TEXT NOT NULL, key TEXT, position TEXT, size INTEGER NOT NULL,
    bytes BLOB, fill TEXT NOT NULL, state TEXT NOT NULL, due INTEGER, until INTEGER, token TEXT,
    attempts INTEGER NOT NULL, reason TEXT, dead INTEGER, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (name, place)
  ) STRICT;
  CREATE UNIQUE INDEX held_events_id ON held_events (name, id);
  CREATE INDEX held_events_due ON held_events (name, due, place) WHERE due IS NOT NULL;
  CREATE INDEX held_events_key ON held_events (name, key, place) WHERE ended_at IS NULL AND key IS NOT NULL;
  CREATE INDEX held_events_pending ON held_events (name, place) WHERE ended_at IS NULL;
  CREATE INDEX held_events_leased ON held_events (name, due) WHERE state = 'leased';
  CREATE INDEX held_events_dead ON held_events (name, dead) WHERE dead IS NOT NULL;
  CREATE INDEX held_events_done ON held_events (name, until) WHERE state = 'done';
`
