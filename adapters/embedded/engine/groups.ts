import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../../src/core/errors.ts'
import { noGroup } from '../errors.ts'
import type { Chunks } from './chunks.ts'
import type { Entries } from './entries.ts'
import type { GroupInfo, GroupKey, Operations, Place } from './operations.ts'
import { type Query, query } from './sql.ts'
import type { Topic, Topics } from './topics.ts'

export interface Group {
  readonly id: number
  readonly leaseMs: number
  readonly maxAttempts: number
  /** The next event that was never handed out. */
  cursor: number
}

/** The sequence number where `place` begins in a log that holds [first, next). Throws `stale_cursor`. */
export function resolve(place: Place, bounds: { first: number; next: number }, atTime: (ms: number) => number): number {
  if (place === 'earliest') return bounds.first
  if (place === 'latest') return bounds.next
  if ('at' in place) return atTime(place.at)
  const from = place.after + 1
  if (from >= bounds.first && from <= bounds.next) return from
  const detail =
    from < bounds.first ? 'What follows the cursor is beyond retention.' : 'The cursor is beyond the end of the log.'
  throw new GatewayError('stale_cursor', detail)
}

/** Groups and where they are in their topics. */
export class Groups {
  readonly #db: DatabaseSync
  readonly #topics: Topics
  readonly #chunks: Chunks
  readonly #entries: Entries
  readonly #now: () => number
  readonly #find: Query<[id: number, leaseMs: number, maxAttempts: number, cursor: number, start: string]>
  readonly #after: Query<[id: number, topic: number, leaseMs: number, maxAttempts: number, cursor: number]>
  readonly #ofTopic: Query<[id: number, name: string]>

  constructor(db: DatabaseSync, topics: Topics, chunks: Chunks, entries: Entries, now: () => number) {
    this.#db = db
    this.#topics = topics
    this.#chunks = chunks
    this.#entries = entries
    this.#now = now
    this.#find = query(db, 'SELECT id, lease_ms, max_attempts, cursor, start FROM grp WHERE topic = ? AND name = ?')
    this.#after = query(
      db,
      'SELECT id, topic, lease_ms, max_attempts, cursor FROM grp WHERE id > ? ORDER BY id LIMIT ?',
    )
    this.#ofTopic = query(db, 'SELECT id, name FROM grp WHERE topic = ? ORDER BY name')
  }

  /** Throws `not_found`. */
  get({ topic, group }: GroupKey): Group {
    const row = this.#find.get(topic, group)
    if (row === undefined) throw noGroup(group)
    return { id: row[0], leaseMs: row[1], maxAttempts: row[2], cursor: row[3] }
  }

  /** The ids of a topic's groups. */
  ids(topic: number): number[] {
    return this.#ofTopic.all(topic).map(([id]) => id)
  }

  /** Groups of all topics, by id, those after one. */
  after(id: number, limit: number): { topic: number; group: Group }[] {
    return this.#after.all(id, limit).map(([id, topic, leaseMs, maxAttempts, cursor]) => {
      return { topic, group: { id, leaseMs, maxAttempts, cursor } }
    })
  }

  create({ topic, group, start, leaseMs, maxAttempts, place }: GroupKey & GroupInfo & { place: Place }): boolean {
    if (this.#find.get(topic, group) !== undefined) return false
    const cursor = this.#resolve(this.#topics.get(topic), place)
    this.#db
      .prepare('INSERT INTO grp (topic, name, start, lease_ms, max_attempts, cursor) VALUES (?, ?, ?, ?, ?, ?)')
      .run(topic, group, start, leaseMs, maxAttempts, cursor)
    return true
  }

  describe(key: GroupKey): ReturnType<Operations['groupDescribe']> {
    const topic = this.#topics.get(key.topic)
    const row = this.#find.get(key.topic, key.group)
    if (row === undefined) throw noGroup(key.group)
    const [id, leaseMs, maxAttempts, at, start] = row
    const now = this.#now()
    const cursor = Math.max(at, topic.first)
    const events = topic.next - cursor + this.#entries.unfinished(id)
    const oldest = this.#entries.oldest(id) ?? cursor
    const stored = oldest < topic.next ? this.#chunks.containing(topic.number, oldest)?.at : undefined
    const oldestMs = events === 0 || stored === undefined ? 0 : Math.max(0, now - stored)
    return { start, leaseMs, maxAttempts, events, oldestMs, inFlight: this.#entries.inFlight(id, now), first: oldest }
  }

  list(topic: number): string[] {
    return this.#ofTopic.all(topic).map(([, name]) => name)
  }

  delete({ topic, group }: GroupKey): void {
    const row = this.#find.get(topic, group)
    if (row === undefined) return
    this.#entries.drop(row[0])
    this.#db.prepare('DELETE FROM dead WHERE grp = ?').run(row[0])
    this.#db.prepare('DELETE FROM grp WHERE id = ?').run(row[0])
  }

  seek(key: GroupKey & { place: Place }): void {
    const { id } = this.get(key)
    const cursor = this.#resolve(this.#topics.get(key.topic), key.place)
    this.#entries.drop(id)
    this.#entries.moveCursor(id, cursor)
  }

  #resolve(topic: Topic, place: Place): number {
    return resolve(place, topic, (time) => this.#chunks.atTime(topic.number, time, topic))
  }
}
