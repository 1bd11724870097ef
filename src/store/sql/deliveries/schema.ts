/**
 * Subscriptions and what is owed to them. A row is pending where it has `at`: when it is due where it is parked, when its
 * claim ends where it is in flight. `due` is the same for what may be claimed then, and absent of a row that waits for
 * an earlier one of its key: the one index of `due` is all that claiming looks at.
 */
export const deliveriesSchema = `
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  INSERT INTO counters (name, value) VALUES ('subscriptions', 0);
  CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY, name TEXT UNIQUE, topic TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
    failing_since INTEGER, declared INTEGER NOT NULL, definition TEXT NOT NULL, sealed BLOB NOT NULL,
    revision INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    feed_state TEXT NOT NULL, feed_from TEXT, feed_to TEXT, feed_next TEXT, feed_owner TEXT, feed_until INTEGER,
    changed INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX subscriptions_changed ON subscriptions (changed);
  CREATE INDEX subscriptions_topic ON subscriptions (topic, id);
  CREATE TABLE pending (subscription TEXT PRIMARY KEY, events INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
  CREATE TABLE gone (subscription TEXT PRIMARY KEY) STRICT;
  CREATE TABLE payloads (
    ref TEXT PRIMARY KEY, event TEXT NOT NULL, source TEXT NOT NULL, type TEXT NOT NULL, position TEXT,
    bytes BLOB NOT NULL, used_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX payloads_event ON payloads (event);
  CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, subscription TEXT NOT NULL, topic TEXT NOT NULL,
    ref TEXT NOT NULL, size INTEGER NOT NULL, key TEXT, status TEXT NOT NULL, at INTEGER, due INTEGER, token TEXT,
    tried INTEGER NOT NULL, tried_ever INTEGER NOT NULL, reason TEXT, operation TEXT, counted INTEGER NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX deliveries_due ON deliveries (subscription, due, seq) WHERE due IS NOT NULL;
  CREATE INDEX deliveries_head ON deliveries (subscription, key) WHERE due IS NOT NULL AND key IS NOT NULL;
  CREATE INDEX deliveries_key ON deliveries (subscription, key, seq) WHERE at IS NOT NULL AND key IS NOT NULL;
  CREATE INDEX deliveries_pending ON deliveries (subscription, seq) WHERE at IS NOT NULL;
  CREATE INDEX deliveries_claimed ON deliveries (subscription) WHERE status = 'in_flight';
  CREATE INDEX deliveries_ended ON deliveries (subscription, status, seq) WHERE at IS NULL;
  CREATE INDEX deliveries_age ON deliveries (status, updated_at) WHERE at IS NULL;
  CREATE INDEX deliveries_ref ON deliveries (ref);
  CREATE INDEX deliveries_operation ON deliveries (operation)
    WHERE at IS NOT NULL AND operation IS NOT NULL AND counted = 0;
  CREATE TABLE attempts (
    delivery INTEGER NOT NULL, number INTEGER NOT NULL, attempt TEXT NOT NULL, PRIMARY KEY (delivery, number)
  ) STRICT;
  CREATE TABLE operations (
    id TEXT PRIMARY KEY, subscription TEXT NOT NULL, topic TEXT NOT NULL, what TEXT NOT NULL, next TEXT NOT NULL,
    state TEXT NOT NULL, matched INTEGER, done INTEGER NOT NULL, failed INTEGER NOT NULL, error TEXT,
    started_at INTEGER NOT NULL, finished_at INTEGER, owner TEXT, lease_until INTEGER
  ) STRICT;
  CREATE INDEX operations_unfinished ON operations (started_at, id) WHERE finished_at IS NULL;
  CREATE TABLE rates (name TEXT PRIMARY KEY, tokens REAL NOT NULL, filled_at INTEGER NOT NULL) STRICT;
`
