import type { Appender } from './append.ts'
import type { Chunks } from './chunks.ts'
import { type Dedup, identityHash } from './dedup.ts'
import type { Delayed } from './delayed.ts'
import type { Operations } from './operations.ts'
import { recordLength, sameIdentity, seekRecord, viewOf } from './records.ts'
import type { Space } from './space.ts'
import type { Topic, Topics } from './topics.ts'

/** Takes what is published: tells duplicates apart, then appends, or keeps what is delayed. */
export class Intake {
  readonly #topics: Topics
  readonly #chunks: Chunks
  readonly #appender: Appender
  readonly #dedup: Dedup
  readonly #delayed: Delayed
  readonly #space: Space
  readonly #now: () => number

  constructor(
    topics: Topics,
    chunks: Chunks,
    appender: Appender,
    dedup: Dedup,
    delayed: Delayed,
    space: Space,
    now: () => number,
  ) {
    this.#topics = topics
    this.#chunks = chunks
    this.#appender = appender
    this.#dedup = dedup
    this.#delayed = delayed
    this.#space = space
    this.#now = now
  }

  publish(input: Parameters<Operations['publish']>[0]): ReturnType<Operations['publish']> {
    const { topic: number, records, count, delayMs } = input
    const topic = this.#topics.get(number)
    const now = this.#now()
    this.#space.check(records.length)
    if (topic.settings.dedupMs === 0) {
      return { first: this.#store(topic, records, count, null, now, delayMs), duplicates: null }
    }
    this.#dedup.makeRoom(topic, count, now)
    const news = this.#tellApart(topic, records, count, now, delayMs > 0)
    const { starts, duplicates } = news
    const hashes = news.hashes.subarray(0, starts.length)
    if (duplicates.length === 0) {
      return { first: this.#store(topic, records, count, hashes, now, delayMs), duplicates: null }
    }
    if (starts.length === 0) return { first: 0, duplicates }
    return { first: this.#store(topic, only(records, starts), starts.length, hashes, now, delayMs), duplicates }
  }

  #store(
    topic: Topic,
    records: Uint8Array,
    count: number,
    hashes: Float64Array | null,
    now: number,
    delayMs: number,
  ): number {
    if (delayMs <= 0) return this.#appender.append(topic, records, hashes, now)
    this.#delayed.add(topic.number, now + delayMs, now, records, count, hashes)
    return 0
  }

  /** Where those begin that are new, with their hashes, and which are duplicates of what; remembers the new ones. */
  #tellApart(topic: Topic, records: Uint8Array, count: number, now: number, delayed: boolean) {
    const view = viewOf(records)
    const hashes = new Float64Array(count)
    const starts: number[] = []
    const duplicates: number[] = []
    // What the new ones will be found by: their sequence numbers, or the one row that they will be in.
    const base = delayed ? -this.#delayed.nextId : topic.next
    let at = 0
    let pending = -1
    const same = (reference: number) => {
      const ahead = delayed ? reference === base : reference >= base
      if (!ahead) return this.#isSame(topic, reference, now, records, view, at)
      pending = hashes.indexOf(hashes[starts.length]!)
      return sameIdentity(records, view, starts[pending]!, records, view, at)
    }
    for (let i = 0; i < count; i++) {
      const hash = identityHash(records, view, at, topic.number)
      hashes[starts.length] = hash
      const original = this.#dedup.find(topic, hash, now, same)
      if (original === 0) {
        this.#dedup.add(topic, hash, delayed ? base : base + starts.length)
        starts.push(at)
      } else {
        duplicates.push(i, Math.max(0, original))
      }
      at += recordLength(view, at)
    }
    return { hashes, starts, duplicates }
  }

  /** Whether what a reference leads to is inside the window and has the `source` and `id` of a record. */
  #isSame(topic: Topic, reference: number, now: number, records: Uint8Array, view: DataView, at: number): boolean {
    const since = now - topic.settings.dedupMs
    if (reference < 0) {
      const row = this.#delayed.get(-reference)
      return row !== undefined && row.topic === topic.number && row.at > since && has(row.body, records, view, at)
    }
    if (reference < topic.first || reference >= topic.next) return false
    const chunk = this.#chunks.containing(topic.number, reference)
    if (chunk === undefined || chunk.at <= since) return false
    const stored = viewOf(chunk.body)
    return sameIdentity(records, view, at, chunk.body, stored, seekRecord(stored, reference - chunk.first))
  }
}

/** Whether one of the records in `body` has the `source` and `id` of another record. */
function has(body: Uint8Array, records: Uint8Array, view: DataView, at: number): boolean {
  const stored = viewOf(body)
  for (let place = 0; place < body.length; place += recordLength(stored, place)) {
    if (sameIdentity(records, view, at, body, stored, place)) return true
  }
  return false
}

/** Those records alone that begin at `starts`. */
function only(records: Uint8Array, starts: readonly number[]): Uint8Array {
  const view = viewOf(records)
  const kept = new Uint8Array(starts.reduce((size, at) => size + recordLength(view, at), 0))
  let to = 0
  for (const at of starts) {
    const length = recordLength(view, at)
    kept.set(records.subarray(at, at + length), to)
    to += length
  }
  return kept
}
