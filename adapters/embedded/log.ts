import {
  type Event,
  GatewayError,
  keyOf,
  type Log,
  type LogBatch,
  type LogRecord,
  type ReadOptions,
  type Start,
} from '../../src/core/index.ts'
import { decodeRecord } from './codec.ts'
import { seqOf, writeCursor } from './cursor.ts'
import type { Chunk, Range } from './engine/chunks.ts'
import { hashText } from './engine/hash.ts'
import { keyHashOf, laneBit, recordLength, viewOf } from './engine/records.ts'
import type { TopicHub } from './hub.ts'
import { placeOf } from './start.ts'
import type { Link } from './thread/link.ts'

/** How much is read at once: little at first, for most reads want little. */
const firstBytes = 1 << 16
const maxBytes = 1 << 20

interface Key {
  readonly text: string
  readonly hash: number
}

/** Reads of topics' logs. */
export class EmbeddedLog implements Log {
  readonly #link: Link
  readonly #topic: (name: string) => TopicHub

  constructor(link: Link, topic: (name: string) => TopicHub) {
    this.#link = link
    this.#topic = topic
  }

  async *read(topic: string, start: Start, options: ReadOptions): AsyncGenerator<LogBatch> {
    const { key: text, limit = Number.POSITIVE_INFINITY, follow = false, signal } = options
    const hub = this.#topic(topic)
    const { number, incarnation } = hub.info
    const key = text === undefined ? undefined : { text, hash: hashText(text) }
    const place = placeOf(start, incarnation)
    let { from, next: to } = await this.#link.read('locate', { topic: number, place })
    const until = !follow && options.to instanceof Date ? options.to.getTime() : Number.MAX_SAFE_INTEGER
    if (follow) to = Number.MAX_SAFE_INTEGER
    // Retention may take away the earliest while it is being read; from any other place on nothing may be missing.
    let lenient = place === 'earliest'
    let left = limit
    let bytes = firstBytes
    for (let first = true; ; first = false) {
      const rung = hub.bell.rung
      const range = await this.#range(number, from, to, until, key, bytes)
      if (!lenient) complete(range, from)
      const records = new Records(incarnation, key, left, from)
      for (const chunk of range.chunks) records.add(chunk, from, to)
      from = records.full ? records.next : range.next
      lenient &&= range.first === null
      left -= records.found.length
      bytes = Math.min(bytes * 2, maxBytes)
      const end = left <= 0 || signal.aborted || (range.done && !follow)
      if (first || records.found.length > 0 || (end && !signal.aborted)) {
        yield { records: records.found, cursor: writeCursor(incarnation, from - 1) }
      }
      if (end || signal.aborted) return
      if (range.done && hub.bell.rung === rung) await hub.bell.wait(Number.POSITIVE_INFINITY, signal)
      if (signal.aborted) return
    }
  }

  async get(topic: string, position: string): Promise<LogRecord> {
    const { number, incarnation } = this.#topic(topic).info
    const seq = /^[1-9]\d{0,12}$/.test(position) ? Number(position) : 0
    const bytes = seq === 0 ? null : await this.#link.read('record', { topic: number, seq })
    if (bytes === null) throw new GatewayError('not_found', 'There is no event at this position.')
    return new StoredRecord(incarnation, seq, decodeRecord(bytes, viewOf(bytes), 0))
  }

  covers(cursor: string, position: string): boolean {
    return Number(position) <= seqOf(cursor)
  }

  between(from: string, to: string): number {
    return Math.max(0, seqOf(to) - seqOf(from))
  }

  async #range(topic: number, from: number, to: number, until: number, key: Key | undefined, maxBytes: number) {
    if (from >= to) return nothing(from)
    const lanes = key === undefined ? -1 : laneBit(key.hash)
    return this.#link.read('range', { topic, from, to, until, lanes, maxBytes })
  }
}

function complete(range: Range, from: number): void {
  if (range.first === null || range.first <= from) return
  throw new GatewayError('stale_cursor', 'What follows was taken away by retention while it was being read.')
}

function nothing(from: number): Range {
  return { chunks: [], first: null, next: from, done: true }
}

/** Those events of chunks that a read wants. */
class Records {
  readonly found: LogRecord[] = []
  readonly #incarnation: string
  readonly #key: Key | undefined
  readonly #limit: number
  /** Where to go on once they are full. */
  next: number

  constructor(incarnation: string, key: Key | undefined, limit: number, from: number) {
    this.#incarnation = incarnation
    this.#key = key
    this.#limit = limit
    this.next = from
  }

  get full(): boolean {
    return this.found.length >= this.#limit
  }

  add({ first, count, body }: Chunk, from: number, to: number): void {
    const view = viewOf(body)
    const end = Math.min(first + count, to)
    let at = 0
    for (let seq = first; seq < end && !this.full; seq++) {
      if (seq >= from && this.#mayMatch(view, at)) {
        const event = decodeRecord(body, view, at)
        if (this.#matches(event)) this.found.push(new StoredRecord(this.#incarnation, seq, event))
        this.next = seq + 1
      }
      at += recordLength(view, at)
    }
  }

  #mayMatch(view: DataView, at: number): boolean {
    return this.#key === undefined || keyHashOf(view, at) === this.#key.hash
  }

  #matches(event: Event): boolean {
    return this.#key === undefined || keyOf(event) === this.#key.text
  }
}

class StoredRecord implements LogRecord {
  readonly event: Event
  readonly #incarnation: string
  readonly #seq: number

  constructor(incarnation: string, seq: number, event: Event) {
    this.#incarnation = incarnation
    this.#seq = seq
    this.event = event
  }

  get position(): string {
    return String(this.#seq)
  }

  get cursor(): string {
    return writeCursor(this.#incarnation, this.#seq)
  }
}
