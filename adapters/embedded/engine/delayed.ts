import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { DamageError } from '../errors.ts'
import type { Appender } from './append.ts'
import { checksum } from './chunks.ts'
import type { Dedup } from './dedup.ts'
import { doubles } from './runs.ts'
import { type Query, query } from './sql.ts'
import type { Topics } from './topics.ts'

/** How much becomes visible in one step. */
const stepRows = 64
const stepBytes = 1 << 20

/** Further than any clock goes. */
const never = Number.MAX_SAFE_INTEGER

type Bytes = Uint8Array<ArrayBuffer>
type Row = [id: number, topic: number, crc: number, hashes: Bytes, body: Bytes]

/** Events that nobody may see yet. A row is what was published together. */
export class Delayed {
  readonly #topics: Topics
  readonly #appender: Appender
  readonly #dedup: Dedup
  readonly #insert: StatementSync
  readonly #delete: StatementSync
  readonly #postpone: StatementSync
  readonly #due: Query<Row>
  readonly #get: Query<[topic: number, at: number, body: Bytes]>
  readonly #lastId: Query<[id: number]>
  readonly #first: Query<[due: number | null]>
  readonly #of: Query<[number]>
  /** The first damage that was found. What is damaged stays where it is, and does not hold up the rest. */
  damage: DamageError | undefined
  /** When the next one is due; undefined where it has to be looked up. */
  #nextDue: number | undefined

  constructor(db: DatabaseSync, topics: Topics, appender: Appender, dedup: Dedup) {
    this.#topics = topics
    this.#appender = appender
    this.#dedup = dedup
    this.#insert = db.prepare(
      'INSERT INTO delayed (topic, due, at, count, crc, hashes, body) VALUES (?, ?, ?, ?, ?, ?, ?)',
    )
    this.#delete = db.prepare('DELETE FROM delayed WHERE id = ?')
    this.#postpone = db.prepare('UPDATE delayed SET due = ? WHERE id = ?')
    this.#due = query(
      db,
      `SELECT id, topic, crc, hashes, body FROM delayed WHERE due <= ? ORDER BY due, id LIMIT ${stepRows}`,
    )
    this.#get = query(db, 'SELECT topic, at, body FROM delayed WHERE id = ?')
    this.#lastId = query(db, `SELECT seq FROM sqlite_sequence WHERE name = 'delayed'`)
    this.#first = query(db, 'SELECT min(due) FROM delayed')
    this.#of = query(db, `SELECT 1 FROM delayed WHERE topic = ? AND due < ${never} LIMIT 1`)
  }

  /** The id that the next row gets. */
  get nextId(): number {
    return (this.#lastId.get()?.[0] ?? 0) + 1
  }

  /** When the next event is due; infinity where there is none. */
  get nextDue(): number {
    this.#nextDue ??= this.#first.get()![0] ?? Number.POSITIVE_INFINITY
    return this.#nextDue
  }

  add(topic: number, due: number, now: number, records: Uint8Array, count: number, hashes: Float64Array | null): void {
    const list =
      hashes === null ? new Uint8Array(0) : new Uint8Array(hashes.buffer, hashes.byteOffset, hashes.byteLength)
    this.#insert.run(topic, due, now, count, checksum(list, records), list, records)
    this.#nextDue = Math.min(this.nextDue, due)
  }

  /** Whether a topic has events that will be due. */
  has(topic: number): boolean {
    return this.#of.get(topic) !== undefined
  }

  get(id: number): { topic: number; at: number; body: Bytes } | undefined {
    const row = this.#get.get(id)
    return row === undefined ? undefined : { topic: row[0], at: row[1], body: row[2] }
  }

  /** Appends to their logs what is due, some of it; answers to which topics. */
  move(now: number): number[] {
    const topics = new Set<number>()
    let bytes = 0
    for (const [id, number, crc, hashes, body] of this.#due.all(now)) {
      if (checksum(hashes, body) !== crc) {
        this.damage ??= new DamageError(`a delayed publish (${id}) does not match its checksum`)
        this.#postpone.run(never, id)
        continue
      }
      const topic = this.#topics.get(number)
      const list = hashes.length === 0 ? null : doubles(hashes)
      const first = this.#appender.append(topic, body, list, now)
      if (list !== null && topic.settings.dedupMs > 0) {
        this.#dedup.makeRoom(topic, list.length, now)
        for (let i = 0; i < list.length; i++) this.#dedup.add(topic, list[i]!, first + i)
      }
      this.#delete.run(id)
      topics.add(number)
      bytes += body.length
      if (bytes >= stepBytes) break
    }
    this.forget()
    return [...topics]
  }

  /** Looks it up again: what is at hand may have been rolled back. */
  forget(): void {
    this.#nextDue = undefined
  }
}
