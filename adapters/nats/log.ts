import {
  GatewayError,
  keyOf,
  type Log,
  type LogBatch,
  type LogRecord,
  type ReadOptions,
  type Start,
} from '../../src/core/index.ts'
import type { NatsClient } from './client.ts'
import { readPosition, seqOf, writeCursor } from './cursor.ts'
import type { DeadLetterBox } from './dead-letter-box.ts'
import { ApiError } from './errors.ts'
import { decodeEvent, type StoredMessage } from './event.ts'
import { isOwnSubject } from './names.ts'
import { readPages } from './read.ts'
import { sequenceBefore } from './start.ts'
import type { Streams, Topic } from './streams.ts'

/** A replica that is behind has the rest within this. */
const behindMs = 20
const nothing: readonly LogRecord[] = []

export class NatsLog implements Log {
  readonly #client: NatsClient
  readonly #streams: Streams
  readonly #box: DeadLetterBox

  constructor(client: NatsClient, streams: Streams, box: DeadLetterBox) {
    this.#client = client
    this.#streams = streams
    this.#box = box
  }

  async *read(name: string, from: Start, options: ReadOptions): AsyncIterable<LogBatch> {
    const { key, follow = false, limit = Number.POSITIVE_INFINITY, signal } = options
    const fresh = await this.#streams.fresh(name)
    const { topic, info } = fresh
    const end = follow ? Number.POSITIVE_INFINITY : info.state.last_seq
    const latest = options.to instanceof Date && !follow ? options.to.getTime() : Number.POSITIVE_INFINITY
    const earliest = from instanceof Date ? from.getTime() : Number.NEGATIVE_INFINITY
    let seen = await sequenceBefore(this.#client, fresh, from)
    const cursor = () => writeCursor(topic.incarnation, seen)
    yield { records: nothing, cursor: cursor() }
    if (seen >= end || signal.aborted) return
    const place = {
      stream: topic.stream,
      filters: topic.subjects,
      from: seen + 1,
      follow,
      signal,
      limit: key === undefined ? limit : Number.POSITIVE_INFINITY,
    }
    let left = limit
    for await (const page of readPages(this.#client, place)) {
      const records: LogRecord[] = []
      let isOver = false
      for (const message of page) {
        isOver = message.seq > end || message.storedAt > latest || left <= 0
        if (isOver) break
        seen = message.seq
        // Clocks of servers differ: one that took over may be behind.
        if (message.storedAt < earliest) continue
        const event = decodeEvent(message, name)
        if (key !== undefined && keyOf(event) !== key) continue
        records.push(recordOf(topic, message, event))
        left--
      }
      if (page.length === 0 && !follow) isOver = await this.#isAtEnd(topic, seen, end)
      isOver ||= seen >= end || left <= 0
      if (isOver && left > 0 && latest === Number.POSITIVE_INFINITY) seen = Math.max(seen, end)
      if (records.length > 0 || isOver) yield { records, cursor: cursor() }
      if (isOver) return
    }
  }

  covers(cursor: string, position: string): boolean {
    const seq = readPosition(position)
    return seq !== undefined && seq <= seqOf(cursor)
  }

  between(from: string, to: string): number {
    return Math.max(0, seqOf(to) - seqOf(from))
  }

  async get(name: string, position: string): Promise<LogRecord> {
    const { topic } = await this.#streams.fresh(name)
    const seq = readPosition(position)
    const message = seq === undefined ? undefined : await this.#box.message(topic.stream, { seq })
    if (message === undefined || isOwnSubject(message.subject)) {
      throw new GatewayError('not_found', `There is no event at position ${position}.`)
    }
    return recordOf(topic, message, decodeEvent(message, name))
  }

  /** Whether nothing of the topic lies behind `seen` and before the end, and not only this reader's server is behind. */
  async #isAtEnd({ stream, subjects }: Topic, seen: number, end: number): Promise<boolean> {
    const last = await Promise.all(
      subjects.map((subject) =>
        this.#client
          .retry('the read', () =>
            this.#client.ask<{ message: { seq: number } }>(`STREAM.MSG.GET.${stream}`, { last_by_subj: subject }),
          )
          .then(
            ({ message }) => message.seq,
            (error) => {
              if (error instanceof GatewayError && error.cause instanceof ApiError && error.code === 'not_found')
                return 0
              throw error
            },
          ),
      ),
    )
    if (Math.max(0, ...last.map((seq) => Math.min(seq, end))) <= seen) return true
    await new Promise((resolve) => setTimeout(resolve, behindMs))
    return false
  }
}

function recordOf({ incarnation }: Topic, { seq }: StoredMessage, event: LogRecord['event']): LogRecord {
  return { position: String(seq), cursor: writeCursor(incarnation, seq), event }
}
