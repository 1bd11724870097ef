import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { hashBytes } from './hash.ts'
import { Memtable } from './memtable.ts'
import { headerBytes, identityLength, identityStart } from './records.ts'
import { doubles, Runs } from './runs.ts'
import { topicSpan } from './schema.ts'
import { type Query, query } from './sql.ts'
import type { Topic, Topics } from './topics.ts'

/** A table that has so many entries is written out. */
export const tableEntries = 65_536

/**
 * Finds earlier events by the hash of `source` and `id`. A reference is an event's sequence number or, negated, the id
 * of a delayed row. The newest hashes are in tables, one for each length of window, so that a long one keeps no more
 * than it has to; older ones are in runs on disk. Whoever finds a reference compares the events: a hash proves nothing.
 */
export class Dedup {
  readonly #topics: Topics
  readonly #runs: Runs
  readonly #tables = new Map<number, Memtable>()
  /** Up to where a topic's hashes are in runs. */
  readonly #written = new Map<number, number>()
  readonly #chunkHashes: Query<[id: number, count: number, hashes: Uint8Array<ArrayBuffer>]>
  readonly #delayedHashes: Query<[id: number, hashes: Uint8Array<ArrayBuffer>]>
  readonly #lastDelayed: Query<[id: number]>
  readonly #marks: Query<[number: number, next: number]>
  readonly #getMark: Query<[value: number]>
  readonly #setMark: StatementSync
  readonly #setNext: StatementSync

  constructor(db: DatabaseSync, topics: Topics) {
    this.#topics = topics
    this.#runs = new Runs(db)
    this.#chunkHashes = query(db, 'SELECT id, count, hashes FROM chunk WHERE id >= ? AND id < ? ORDER BY id')
    this.#delayedHashes = query(db, 'SELECT id, hashes FROM delayed WHERE id > ? AND topic = ? AND at > ? ORDER BY id')
    this.#lastDelayed = query(db, `SELECT seq FROM sqlite_sequence WHERE name = 'delayed'`)
    this.#marks = query(db, 'SELECT number, dedup_next FROM topic')
    this.#getMark = query(db, 'SELECT value FROM mark WHERE name = ?')
    this.#setMark = db.prepare('INSERT OR REPLACE INTO mark (name, value) VALUES (?, ?)')
    this.#setNext = db.prepare('UPDATE topic SET dedup_next = ? WHERE number = ?')
  }

  get runs(): number {
    return this.#runs.count
  }

  /** Builds the tables up again from what was stored since the last run, as far as windows reach back. */
  load(now: number, atTime: (topic: Topic, time: number) => number): void {
    this.#runs.load()
    this.#tables.clear()
    for (const [number, next] of this.#marks.all()) this.#written.set(number, next)
    for (const topic of this.#topics) {
      const { dedupMs } = topic.settings
      if (dedupMs === 0) continue
      const table = this.#table(dedupMs)
      const base = topic.number * topicSpan
      const from = Math.max(this.#written.get(topic.number) ?? 0, atTime(topic, now - dedupMs))
      for (const [id, , hashes] of this.#chunkHashes.iterate(base + from, base + topicSpan)) {
        const list = doubles(hashes)
        for (let i = 0; i < list.length; i++) table.set(list[i]!, id - base + i)
      }
      const mark = this.#getMark.get(markOf(dedupMs))?.[0] ?? 0
      for (const [id, hashes] of this.#delayedHashes.iterate(mark, topic.number, now - dedupMs)) {
        for (const hash of doubles(hashes)) if (table.get(hash) === 0) table.set(hash, -id)
      }
    }
  }

  /** Calls `same` with what an event might be a duplicate of, until it says true; answers that reference, or 0. */
  find(topic: Topic, hash: number, now: number, same: (reference: number) => boolean): number {
    const own = this.#table(topic.settings.dedupMs)
    const newest = own.get(hash)
    if (newest !== 0 && same(newest)) return newest
    if (this.#tables.size > 1) {
      for (const table of this.#tables.values()) {
        const reference = table === own ? 0 : table.get(hash)
        if (reference !== 0 && same(reference)) return reference
      }
    }
    return this.#runs.find(hash, now, same)
  }

  add(topic: Topic, hash: number, reference: number): void {
    this.#table(topic.settings.dedupMs).set(hash, reference)
  }

  /** Writes the topic's table out where it cannot take so many more. */
  makeRoom(topic: Topic, count: number, now: number): void {
    const { dedupMs } = topic.settings
    const { size } = this.#table(dedupMs)
    if (size > 0 && size + count > tableEntries) this.flush(dedupMs, now)
  }

  /** Writes the table of a window out. */
  flush(dedupMs: number, now: number): void {
    const table = this.#table(dedupMs)
    if (table.size === 0) return
    this.#runs.write(table, now + dedupMs)
    table.clear()
    for (const topic of this.#topics) {
      if (topic.settings.dedupMs !== dedupMs || this.#written.get(topic.number) === topic.next) continue
      this.#setNext.run(topic.next, topic.number)
      this.#written.set(topic.number, topic.next)
    }
    const last = this.#lastDelayed.get()
    if (last !== undefined) this.#setMark.run(markOf(dedupMs), last[0])
  }

  /** Drops one run that no window needs any more; answers whether there was one. */
  expire(now: number): boolean {
    return this.#runs.expire(now)
  }

  #table(dedupMs: number): Memtable {
    let table = this.#tables.get(dedupMs)
    if (table === undefined) {
      table = new Memtable()
      this.#tables.set(dedupMs, table)
    }
    return table
  }
}

function markOf(dedupMs: number): string {
  return `delayed hashes written, window ${dedupMs}`
}

/** The hash of a record's `source` and `id` within a topic. */
export function identityHash(records: Uint8Array, view: DataView, at: number, topic: number): number {
  const from = at + headerBytes + identityStart
  return hashBytes(records, from, from + identityLength(view, at), topic)
}
