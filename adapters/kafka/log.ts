import {
  GatewayError,
  keyOf,
  type Log,
  type LogBatch,
  type LogRecord,
  type ReadOptions,
  type Start,
} from '../../src/core/index.ts'
import type { ConnectionPool, KafkaClient } from './client.ts'
import { covers, incarnationOf, offsetsOf, writeCursor } from './cursor.ts'
import { hasProtocolError, partitionError, translate } from './errors.ts'
import type { Partitioner } from './partitioner.ts'
import { readPosition, writePosition } from './position.ts'
import { decodeEvent } from './read/event.ts'
import { Feed } from './read/feed.ts'
import { type Fetched, fetchFrom } from './read/fetch.ts'
import { offsetsAt } from './read/offsets.ts'
import type { RawRecord } from './read/records.ts'
import { offsetsFrom, rangeOf } from './start.ts'

/** What a read fetches ahead of its reader, for each node; and of one partition in one request. */
const aheadBytes = 512 << 10
const pageBytes = 64 << 10
const followWaitMs = 500
const patienceMs = 30_000
const getMs = 10_000
/** How often who follows looks whether partitions were added. */
const lookMs = 5000
const encoder = new TextEncoder()

export class KafkaLog implements Log {
  readonly #client: KafkaClient
  readonly #partitioner: Partitioner
  /** For reads that never wait at the broker, and so may share connections. */
  readonly #pool: ConnectionPool

  constructor(client: KafkaClient, partitioner: Partitioner) {
    this.#client = client
    this.#partitioner = partitioner
    this.#pool = client.pool()
  }

  async *read(topic: string, from: Start, options: ReadOptions): AsyncIterable<LogBatch> {
    const { key, follow = false, limit = Number.POSITIVE_INFINITY, signal } = options
    const range = await rangeOf(this.#client, topic).catch((error) => {
      throw translate(error, 'the read')
    })
    const { length } = range.end
    const only = key === undefined ? undefined : this.#partitioner.ofKey(key, encoder.encode(key), length)
    const offsets = await offsetsFrom(this.#client, topic, from, range, only)
    const until = follow ? range.end.map(() => Number.POSITIVE_INFINITY) : await this.#until(topic, range.end, options)
    // The other partitions have nothing of this key: they are covered.
    for (const [i, end] of range.end.entries()) {
      if (only !== undefined && i !== only) offsets[i] = Math.max(offsets[i]!, end)
    }
    const incarnation = incarnationOf(range.id)
    const cursor = () => writeCursor(incarnation, offsets)
    yield { records: [], cursor: cursor() }

    const open = offsets.flatMap((offset, partition) => {
      const wanted = (only === undefined || partition === only) && offset < until[partition]!
      return wanted ? [partition] : []
    })
    if (open.length === 0 || signal.aborted) return
    const pool = follow ? this.#client.pool() : this.#pool
    const inbox = new Inbox(signal)
    const fetchBytes = Math.min(aheadBytes, Math.max(pageBytes, limit * 4096))
    const sizes = { maxBytes: fetchBytes, partitionBytes: Math.max(pageBytes, Math.ceil(fetchBytes / open.length)) }
    const feed = new Feed(this.#client, pool, topic, {
      maxWaitMs: follow ? followWaitMs : 0,
      sizes,
      patienceMs: follow ? Number.POSITIVE_INFINITY : patienceMs,
      wanted: () => inbox.room,
      onFetched: (fetched) => inbox.put(fetched),
      onFault: (_, error) => inbox.fail(error),
    })
    const within = this.#within(from, options)
    let left = limit
    const remaining = new Set(open)
    const looking = follow ? setInterval(() => this.#grow(topic, key, offsets, remaining, feed), lookMs) : undefined
    try {
      for (const partition of open) feed.set(partition, offsets[partition]!)
      while (remaining.size > 0 && left > 0) {
        const fetched = await inbox.take()
        if (fetched === undefined) return
        feed.wake()
        const { partition } = fetched
        const place = placeWriter(incarnation, offsets, partition)
        const records: LogRecord[] = []
        const end = until[partition] ?? Number.POSITIVE_INFINITY
        let next = Math.min(fetched.next, end)
        for (const raw of fetched.records) {
          if (raw.offset >= end) break
          if (!within(raw)) continue
          const event = decodeEvent(raw, topic, partition)
          if (key !== undefined && keyOf(event) !== key) continue
          records.push(new Record(event, partition, raw.offset, place))
          if (--left > 0) continue
          next = raw.offset + 1
          break
        }
        offsets[partition] = Math.max(offsets[partition]!, next)
        if (offsets[partition] >= end) {
          remaining.delete(partition)
          feed.remove(partition)
        }
        if (records.length > 0 || fetched.records.length > 0) yield { records, cursor: cursor() }
      }
      yield { records: [], cursor: cursor() }
    } finally {
      clearInterval(looking)
      feed.close()
      if (pool !== this.#pool) await this.#client.release(pool)
    }
  }

  /** Partitions that were added since are read from their beginning, where the key may be in them. */
  #grow(topic: string, key: string | undefined, offsets: number[], open: Set<number>, feed: Feed): void {
    const partitions = this.#client.known(topic)?.partitionsCount ?? 0
    if (partitions <= offsets.length) return
    const only = key === undefined ? undefined : this.#partitioner.ofKey(key, encoder.encode(key), partitions)
    for (let partition = offsets.length; partition < partitions; partition++) {
      offsets.push(0)
      if (only === undefined || partition === only) open.add(partition)
    }
    // An old one may be the key's now.
    if (only !== undefined) open.add(only)
    for (const partition of open) if (!feed.has(partition)) feed.set(partition, offsets[partition]!)
  }

  covers(cursor: string, position: string): boolean {
    const place = readPosition(position)
    return place !== undefined && covers(cursor, place.partition, place.offset)
  }

  between(from: string, to: string): number {
    const begin = offsetsOf(from)
    return offsetsOf(to).reduce((sum, offset, partition) => sum + Math.max(0, offset - (begin[partition] ?? 0)), 0)
  }

  async get(topic: string, position: string): Promise<LogRecord> {
    const place = readPosition(position)
    const { id, partitions } = await this.#client.fresh(topic).catch((error) => {
      throw translate(error, 'the read')
    })
    if (place === undefined || place.partition >= partitions.length) throw noPosition(position)
    const { partition, offset } = place
    const raw = await this.#client.retry('the read', getMs, () => this.#getOnce(topic, place))
    if (raw === undefined) throw noPosition(position)
    // The other partitions need not be reachable for this one's sake: the cursor has them from their beginning.
    const first = await rangeOf(this.#client, topic).then(
      (range) => range.first,
      () => partitions.map(() => 0),
    )
    const offsets = first.map((begin, i) => (i === partition ? offset + 1 : begin))
    return { position, cursor: writeCursor(incarnationOf(id), offsets), event: decodeEvent(raw, topic, partition) }
  }

  async #getOnce(topic: string, place: { partition: number; offset: number }): Promise<RawRecord | undefined> {
    const limits = { maxWaitMs: 0, maxBytes: pageBytes, partitionBytes: pageBytes }
    try {
      const metadata = await this.#client.topic(topic)
      const node = metadata.partitions[place.partition]!.leader
      const [fetched] = await fetchFrom(this.#client, this.#pool, node, { name: topic, metadata }, [place], limits)
      if (fetched !== undefined && fetched.errorCode !== 0) throw partitionError(fetched.errorCode)
      return fetched?.records.find((record) => record.offset === place.offset)
    } catch (error) {
      if (hasProtocolError(error, 'OFFSET_OUT_OF_RANGE')) return undefined
      await this.#client.refresh(topic)
      throw error
    }
  }

  /** Where a read ends that does not follow. */
  async #until(topic: string, end: readonly number[], { to }: ReadOptions): Promise<readonly number[]> {
    if (!(to instanceof Date)) return end
    // Inclusive: up to the first that is later.
    const later = await offsetsAt(this.#client, topic, to.getTime() + 1)
    return end.map((last, i) => (later[i] === undefined || later[i] < 0 ? last : Math.min(later[i], last)))
  }

  /** Where producers set the time, a later record may be of an earlier time: it is left out by its own. */
  #within(from: Start, { to, follow }: ReadOptions): (raw: RawRecord) => boolean {
    const earliest = from instanceof Date ? from.getTime() : Number.NEGATIVE_INFINITY
    const latest = to instanceof Date && follow !== true ? to.getTime() : Number.POSITIVE_INFINITY
    return ({ timestamp }) => timestamp >= earliest && timestamp <= latest
  }
}

function noPosition(position: string): GatewayError {
  return new GatewayError('not_found', `There is no event at position ${position}.`)
}

/** The cursor after an offset of one partition, while the others stand still. */
function placeWriter(incarnation: string, offsets: readonly number[], partition: number): (next: number) => string {
  const now = [...offsets]
  return (next) => {
    now[partition] = next
    return writeCursor(incarnation, now)
  }
}

/** Its cursor is made where it is asked for: most readers take only that of the batch. */
class Record implements LogRecord {
  readonly event: LogRecord['event']
  readonly position: string
  readonly #offset: number
  readonly #place: (next: number) => string

  constructor(event: LogRecord['event'], partition: number, offset: number, place: (next: number) => string) {
    this.event = event
    this.position = writePosition(partition, offset)
    this.#offset = offset
    this.#place = place
  }

  get cursor(): string {
    return this.#place(this.#offset + 1)
  }
}

/** What was fetched and not read yet: a bounded number of answers. */
class Inbox {
  readonly #waiting: Fetched[] = []
  readonly #signal: AbortSignal
  #fault: unknown
  #taker: (() => void) | undefined

  constructor(signal: AbortSignal) {
    this.#signal = signal
    signal.addEventListener('abort', () => this.#taker?.(), { once: true })
  }

  get room(): boolean {
    return this.#waiting.length < 4 && this.#fault === undefined
  }

  put(fetched: Fetched): void {
    this.#waiting.push(fetched)
    this.#taker?.()
  }

  fail(error: unknown): void {
    this.#fault ??= error
    this.#taker?.()
  }

  /** Undefined where the signal aborted. Rejects with what failed, once everything before it was taken. */
  async take(): Promise<Fetched | undefined> {
    while (true) {
      if (this.#signal.aborted) return undefined
      const fetched = this.#waiting.shift()
      if (fetched !== undefined) return fetched
      if (this.#fault !== undefined) throw this.#fault
      await new Promise<void>((resolve) => {
        this.#taker = resolve
      })
      this.#taker = undefined
    }
  }
}
