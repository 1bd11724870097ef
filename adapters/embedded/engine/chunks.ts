import type { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { DamageError } from '../errors.ts'
import { seekRecord, viewOf } from './records.ts'
import { topicSpan } from './schema.ts'
import { type Query, query } from './sql.ts'

/** What was stored together: `count` events from `first` on, one after the other in `body`. */
export interface Chunk {
  readonly first: number
  readonly count: number
  /** When it was stored. */
  readonly at: number
  readonly body: Uint8Array<ArrayBuffer>
}

/** One record within a chunk's bytes. */
export interface Place {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly view: DataView
  readonly at: number
}

export interface RangeRequest {
  readonly topic: number
  /** The first event wanted. */
  readonly from: number
  /** The first event not wanted any more. */
  readonly to: number
  /** Nothing stored after this time. */
  readonly until: number
  /** Leave out the bodies of chunks that have none of these lanes; -1 for all. */
  readonly lanes: number
  readonly maxBytes: number
}

export interface Range {
  readonly chunks: Chunk[]
  /** The first event from `from` on that is there; null where nothing is. */
  readonly first: number | null
  /** The first event that was not looked at. */
  readonly next: number
  /** Whether nothing in the range lies beyond `next`. */
  readonly done: boolean
}

type Rest = [id: number, at: number, count: number, crc: number, hashes: Uint8Array]
type Row = [...Rest, body: Uint8Array<ArrayBuffer>]

/** How many chunks one request walks over at the most, matching or not. */
const maxWalk = 4096
/** How many chunks are kept at hand: groups mostly read the end of the log. */
const kept = 32
const keptBytes = 1 << 18

export function checksum(hashes: Uint8Array, body: Uint8Array): number {
  return crc32(body, crc32(hashes))
}

/** Reads chunks, and never hands out one whose checksum is wrong. */
export class Chunks {
  readonly #floor: Query<[id: number, count: number]>
  readonly #row: Query<Row>
  readonly #range: Query<[...Rest, body: Row[5] | null]>
  readonly #atOrAfter: Query<[id: number, at: number]>
  readonly #bounds: Query<[first: number | null, last: number | null, count: number | null, next: number]>
  readonly #recent = new Map<number, Chunk>()

  constructor(db: DatabaseSync) {
    this.#floor = query(db, 'SELECT id, count FROM chunk WHERE id <= ? AND id >= ? ORDER BY id DESC LIMIT 1')
    this.#row = query(db, 'SELECT id, at, count, crc, hashes, body FROM chunk WHERE id = ?')
    this.#range = query(
      db,
      `SELECT id, at, count, crc, hashes, CASE WHEN ?3 = -1 OR lanes & ?3 THEN body END FROM chunk
       WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ${maxWalk}`,
    )
    this.#atOrAfter = query(db, 'SELECT id, at FROM chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT 1')
    this.#bounds = query(
      db,
      `SELECT (SELECT id FROM chunk WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1), last.id, last.count, topic.next FROM topic
       LEFT JOIN (SELECT id, count FROM chunk WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1) AS last WHERE number = ?3`,
    )
  }

  /** The oldest event that is there, and the sequence number that the next one gets; equal where there is none. */
  bounds(topic: number): { first: number; next: number } {
    const base = topic * topicSpan
    const [first, last, count, floor] = this.#bounds.get(base, base + topicSpan, topic)!
    if (first === null || last === null || count === null) return { first: floor, next: floor }
    return { first: first - base, next: last - base + count }
  }

  /** The chunk with this event, or undefined where it is not there (any more). */
  containing(topic: number, seq: number): Chunk | undefined {
    const base = topic * topicSpan
    const found = this.#floor.get(base + seq, base)
    if (found === undefined || seq >= found[0] - base + found[1]) return undefined
    const [id] = found
    let chunk = this.#recent.get(id)
    if (chunk === undefined) {
      chunk = verified(this.#row.get(id)!, base)
      if (chunk.body.length > keptBytes) return chunk
      if (this.#recent.size >= kept) this.#recent.delete(this.#recent.keys().next().value!)
      this.#recent.set(id, chunk)
    }
    return chunk
  }

  /** The record of this event, or undefined where it is not there (any more). */
  record(topic: number, seq: number): Place | undefined {
    const chunk = this.containing(topic, seq)
    if (chunk === undefined) return undefined
    const view = viewOf(chunk.body)
    return { bytes: chunk.body, view, at: seekRecord(view, seq - chunk.first) }
  }

  /** The chunks of a range, as far as they fit into `maxBytes`, but at least one. */
  range({ topic, from, to, until, lanes, maxBytes }: RangeRequest): Range {
    const base = topic * topicSpan
    const start = this.#floor.get(base + from, base)?.[0] ?? base + from
    // Whoever follows asks for no end; the next topic's chunks begin where this one's numbers end.
    const end = base + Math.min(to, topicSpan)
    const chunks: Chunk[] = []
    let first: number | null = null
    let next = from
    let bytes = 0
    let walked = 0
    for (const [id, at, count, crc, hashes, body] of this.#range.iterate(start, end, lanes)) {
      if (at > until) return { chunks, first, next, done: true }
      if (bytes >= maxBytes) return { chunks, first, next, done: false }
      walked++
      const after = id - base + count
      if (after <= from) continue
      first ??= Math.max(id - base, from)
      next = Math.min(after, to)
      if (body === null) continue
      bytes += body.length
      chunks.push(verified([id, at, count, crc, hashes, body], base))
    }
    return { chunks, first, next, done: walked < maxWalk }
  }

  /** The first event that was stored at or after a time, or `next` where there is none. */
  atTime(topic: number, time: number, { first, next }: { first: number; next: number }): number {
    const base = topic * topicSpan
    let low = first
    let high = next
    // Chunks lie in the order of their times: what is before `low` is too early, what is from `high` on is not.
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const found = this.#atOrAfter.get(base + middle, base + high)
      if (found === undefined) high = middle
      else if (found[1] >= time) high = middle
      else low = found[0] - base + 1
    }
    const found = this.#atOrAfter.get(base + low, base + topicSpan)
    return found === undefined ? next : found[0] - base
  }

  /** Forgets what is at hand, which may have been rolled back. */
  forget(): void {
    this.#recent.clear()
  }
}

function verified([id, at, count, crc, hashes, body]: Row, base: number): Chunk {
  const first = id - base
  if (checksum(hashes, body) !== crc)
    throw new DamageError(`the events from position ${first} on do not match their checksum`)
  return { first, count, at, body }
}
