import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Query, query } from './sql.ts'

/** States of an entry; see the schema. */
export const leased = 0
export const waiting = 1
export const held = 2

const lapsedStep = 500

/** What becomes due: a lease that ends, a wait that is over. */
export type DueRow = readonly [seq: number, attempt: number, key: number | null, event: Uint8Array<ArrayBuffer> | null]

export type EntryRow = readonly [
  state: number,
  attempt: number,
  nonce: number | null,
  due: number | null,
  key: number | null,
]

/** The events below a group's cursor that it has not finished. One statement each; what they mean is told by callers. */
export class Entries {
  /** How many entries a group has, counted once and then kept. */
  readonly #counts = new Map<number, number>()
  readonly #count: Query<[count: number]>
  readonly #inFlight: Query<[count: number]>
  readonly #oldest: Query<[seq: number]>
  readonly #due: Query<DueRow>
  readonly #overdue: Query<DueRow>
  readonly #nextDue: Query<[due: number | null]>
  readonly #get: Query<EntryRow>
  readonly #event: Query<[event: Uint8Array<ArrayBuffer> | null]>
  readonly #withKey: Query<[seq: number]>
  readonly #firstHeld: Query<[seq: number]>
  readonly #insert: StatementSync
  readonly #lease: StatementSync
  readonly #wait: StatementSync
  readonly #delete: StatementSync
  readonly #dropAll: StatementSync
  readonly #lapse: StatementSync
  readonly #lapsed: Query<[seq: number, key: number | null]>
  readonly #cursor: StatementSync

  constructor(db: DatabaseSync) {
    this.#count = query(db, 'SELECT count(*) FROM entry WHERE grp = ?')
    this.#inFlight = query(db, `SELECT count(*) FROM entry WHERE grp = ? AND due > ? AND state = ${leased}`)
    this.#oldest = query(db, 'SELECT seq FROM entry WHERE grp = ? ORDER BY seq LIMIT 1')
    this.#due = query(
      db,
      'SELECT seq, attempt, key, event FROM entry WHERE grp = ? AND due <= ? ORDER BY due, seq LIMIT ?',
    )
    this.#overdue = query(
      db,
      'SELECT seq, attempt, key, event FROM entry WHERE grp = ? AND due <= ? AND attempt >= ? ORDER BY due LIMIT ?',
    )
    this.#nextDue = query(db, 'SELECT min(due) FROM entry WHERE grp = ? AND due IS NOT NULL')
    this.#get = query(db, 'SELECT state, attempt, nonce, due, key FROM entry WHERE grp = ? AND seq = ?')
    this.#event = query(db, 'SELECT event FROM entry WHERE grp = ? AND seq = ?')
    this.#withKey = query(db, 'SELECT seq FROM entry WHERE grp = ? AND key = ? LIMIT 1')
    this.#firstHeld = query(
      db,
      `SELECT seq FROM entry WHERE grp = ? AND key = ? AND state = ${held} ORDER BY seq LIMIT 1`,
    )
    this.#insert = db.prepare(
      'INSERT INTO entry (grp, seq, state, attempt, nonce, due, key, event) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    )
    this.#lease = db.prepare(
      `UPDATE entry SET state = ${leased}, attempt = ?, nonce = ?, due = ? WHERE grp = ? AND seq = ?`,
    )
    this.#lapse = db.prepare(`UPDATE entry SET due = ? WHERE grp = ? AND due > ? AND state = ${leased}`)
    this.#wait = db.prepare(
      `UPDATE entry SET state = ${waiting}, attempt = ?, nonce = NULL, due = ? WHERE grp = ? AND seq = ?`,
    )
    this.#delete = db.prepare('DELETE FROM entry WHERE grp = ? AND seq = ?')
    this.#dropAll = db.prepare('DELETE FROM entry WHERE grp = ?')
    this.#lapsed = query(
      db,
      `SELECT seq, key FROM entry WHERE grp = ? AND seq < ? AND (state <> ${leased} OR due <= ?) AND event IS NULL
       LIMIT ${lapsedStep}`,
    )
    this.#cursor = db.prepare('UPDATE grp SET cursor = ? WHERE id = ?')
  }

  unfinished(group: number): number {
    let count = this.#counts.get(group)
    if (count === undefined) {
      count = this.#count.get(group)![0]
      this.#counts.set(group, count)
    }
    return count
  }

  inFlight(group: number, now: number): number {
    return this.#inFlight.get(group, now)![0]
  }

  /** Every lease of the group ends now. */
  lapse(group: number, now: number): void {
    this.#lapse.run(now, group, now)
  }

  oldest(group: number): number | undefined {
    return this.#oldest.get(group)?.[0]
  }

  due(group: number, now: number, limit: number): DueRow[] {
    return this.#due.all(group, now, limit)
  }

  /** Those of them that were handed out so often already. */
  overdue(group: number, now: number, attempts: number, limit: number): DueRow[] {
    return this.#overdue.all(group, now, attempts, limit)
  }

  nextDue(group: number): number | null {
    return this.#nextDue.get(group)![0]
  }

  get(group: number, seq: number): EntryRow | undefined {
    return this.#get.get(group, seq)
  }

  event(group: number, seq: number): Uint8Array<ArrayBuffer> | null {
    return this.#event.get(group, seq)?.[0] ?? null
  }

  hasKey(group: number, key: number): boolean {
    return this.#withKey.get(group, key) !== undefined
  }

  /** False where the group has this event among its entries already. */
  insert(
    group: number,
    seq: number,
    state: number,
    lease: { attempt: number; nonce: number | null; due: number | null },
    key: number | null,
    event: Uint8Array | null,
  ): boolean {
    const { attempt, nonce, due } = lease
    if (this.#insert.run(group, seq, state, attempt, nonce, due, key, event).changes === 0) return false
    const count = this.#counts.get(group)
    if (count !== undefined) this.#counts.set(group, count + 1)
    return true
  }

  lease(group: number, seq: number, attempt: number, nonce: number, due: number): void {
    this.#lease.run(attempt, nonce, due, group, seq)
  }

  wait(group: number, seq: number, attempt: number, due: number): void {
    this.#wait.run(attempt, due, group, seq)
  }

  /** Finishes an entry; the next event of its key is due at once then: answers whether there is one. */
  finish(group: number, seq: number, key: number | null, now: number): boolean {
    this.#delete.run(group, seq)
    const count = this.#counts.get(group)
    if (count !== undefined) this.#counts.set(group, count - 1)
    if (key === null) return false
    const next = this.#firstHeld.get(group, key)
    if (next === undefined) return false
    this.#wait.run(0, now, group, next[0])
    return true
  }

  /** Ends some of those before `seq` that nobody holds, and whose events are gone; answers whether there may be more. */
  dropBefore(group: number, seq: number, now: number): boolean {
    const rows = this.#lapsed.all(group, seq, now)
    for (const [lapsed, key] of rows) this.finish(group, lapsed, key, now)
    return rows.length === lapsedStep
  }

  /** The group forgets everything that it began. */
  drop(group: number): void {
    this.#dropAll.run(group)
    this.#counts.delete(group)
  }

  moveCursor(group: number, cursor: number): void {
    this.#cursor.run(cursor, group)
  }

  /** Counts anew: what was counted may have been rolled back. */
  forget(): void {
    this.#counts.clear()
  }
}
