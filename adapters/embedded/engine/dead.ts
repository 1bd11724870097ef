import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Chunks } from './chunks.ts'
import { type Entries, held, waiting } from './entries.ts'
import type { Group, Groups } from './groups.ts'
import type { DeadItem, GroupKey, Operations } from './operations.ts'
import { keyHashOf, recordLength, viewOf } from './records.ts'
import { type Query, query } from './sql.ts'

/** How many go back in one transaction. */
const redriveStep = 500
const sweepStep = 100
const pageBytes = 8 << 20

type Row = [id: number, seq: number, attempts: number, reason: string, at: number, event: Uint8Array<ArrayBuffer>]

/** Dead letters: events that a group gave up, with their bytes, so that retention does not take them away. */
export class Dead {
  readonly #groups: Groups
  readonly #chunks: Chunks
  readonly #entries: Entries
  readonly #now: () => number
  readonly #insert: StatementSync
  readonly #delete: StatementSync
  readonly #list: Query<Row>
  readonly #get: Query<[seq: number, event: Uint8Array<ArrayBuffer>]>
  readonly #ids: Query<[id: number]>
  readonly #last: Query<[id: number | null]>

  constructor(db: DatabaseSync, groups: Groups, chunks: Chunks, entries: Entries, now: () => number) {
    this.#groups = groups
    this.#chunks = chunks
    this.#entries = entries
    this.#now = now
    this.#insert = db.prepare('INSERT INTO dead (grp, seq, attempts, reason, at, event) VALUES (?, ?, ?, ?, ?, ?)')
    this.#delete = db.prepare('DELETE FROM dead WHERE grp = ? AND id = ?')
    this.#list = query(
      db,
      'SELECT id, seq, attempts, reason, at, event FROM dead WHERE grp = ? AND id > ? ORDER BY id LIMIT ?',
    )
    this.#get = query(db, 'SELECT seq, event FROM dead WHERE grp = ? AND id = ?')
    this.#ids = query(db, 'SELECT id FROM dead WHERE grp = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?')
    this.#last = query(db, 'SELECT max(id) FROM dead WHERE grp = ?')
  }

  exhausted(topic: number, group: Group, seq: number, attempts: number, key: number | null, now: number): boolean {
    return this.bury(topic, group, seq, attempts, key, `attempts exhausted: ${attempts} of ${group.maxAttempts}`, now)
  }

  /**
   * Moves an entry of the group to its dead letters; answers whether the next event of its key is due now. What is
   * beyond retention already just ends.
   */
  bury(
    topic: number,
    group: Group,
    seq: number,
    attempts: number,
    key: number | null,
    reason: string,
    now: number,
  ): boolean {
    const event = this.#entries.event(group.id, seq) ?? this.#record(topic, seq)
    if (event !== undefined) this.#insert.run(group.id, seq, attempts, reason, now, event)
    return this.#entries.finish(group.id, seq, key, now)
  }

  list({ topic, group, after, limit }: GroupKey & { after: number; limit: number }): DeadItem[] {
    const found = this.#groups.get({ topic, group })
    this.sweep(topic, found)
    const items: DeadItem[] = []
    let size = 0
    for (const [id, seq, attempts, reason, at, bytes] of this.#list.iterate(found.id, after, limit)) {
      items.push({ id, seq, attempts, reason, at, bytes })
      size += bytes.length
      if (size >= pageBytes) break
    }
    return items
  }

  redrive({ topic, group, which }: Parameters<Operations['deadRedrive']>[0]): ReturnType<Operations['deadRedrive']> {
    const { id } = this.#groups.get({ topic, group })
    let count = 0
    if (Array.isArray(which)) {
      for (const letter of which) if (this.#again(id, letter)) count++
      return { count, last: null, upTo: 0 }
    }
    const upTo = which.upTo ?? this.#last.get(id)![0] ?? 0
    const ids = this.#ids.all(id, which.after, upTo, redriveStep)
    for (const [letter] of ids) if (this.#again(id, letter)) count++
    return { count, last: ids.length < redriveStep ? null : ids[ids.length - 1]![0], upTo }
  }

  delete({ topic, group, id }: GroupKey & { id: number }): boolean {
    return this.#delete.run(this.#groups.get({ topic, group }).id, id).changes > 0
  }

  /** Ends what was leased for the last time and not settled, some of it; answers whether there may be more. */
  sweep(topic: number, group: Group): boolean {
    const now = this.#now()
    const rows = this.#entries.overdue(group.id, now, group.maxAttempts, sweepStep)
    for (const [seq, attempt, key] of rows) this.exhausted(topic, group, seq, attempt, key, now)
    return rows.length === sweepStep
  }

  #again(group: number, id: number): boolean {
    const row = this.#get.get(group, id)
    if (row === undefined) return false
    const [seq, event] = row
    const key = keyHashOf(viewOf(event), 0) ?? null
    const state = key !== null && this.#entries.hasKey(group, key) ? held : waiting
    const due = state === held ? null : this.#now()
    // Where the group moved back and has it among its entries again, it is owed already.
    this.#entries.insert(group, seq, state, { attempt: 0, nonce: null, due }, key, event)
    this.#delete.run(group, id)
    return true
  }

  #record(topic: number, seq: number): Uint8Array | undefined {
    const place = this.#chunks.record(topic, seq)
    return place?.bytes.subarray(place.at, place.at + recordLength(place.view, place.at))
  }
}
