import type { DatabaseSync } from 'node:sqlite'
import type { Change, TopicSpec } from '../../../src/core/broker.ts'
import type { Clock } from '../../../src/core/clock.ts'
import { formatDuration } from '../../../src/core/duration.ts'
import { GatewayError, UnsupportedError } from '../../../src/core/errors.ts'
import { noTopic } from '../errors.ts'
import { maxTopics, topicSpan } from './schema.ts'
import { type Query, query } from './sql.ts'

/** What is asked of a topic, complete. */
export interface TopicSettings {
  readonly partitions: number
  readonly retentionMs: number | null
  readonly retentionBytes: number | null
  readonly dedupMs: number
}

/** What the rest of the adapter has to know of a topic. */
export interface TopicInfo {
  readonly number: number
  readonly name: string
  /** Random, so that a cursor of another log with the same name is told apart. */
  readonly incarnation: string
  readonly settings: TopicSettings
}

/** A topic in the engine: what its first and last chunks say, at hand. */
export interface Topic extends TopicInfo {
  settings: TopicSettings
  /** The oldest event that is there, or `next`. */
  first: number
  /** The sequence number that the next event gets. */
  next: number
  /** When the last chunk was stored; a clock that goes backwards does not take it back. */
  at: number
  /** Bytes ever stored, and bytes ever taken away by retention. */
  written: number
  trimmed: number
}

export const dayMs = 86_400_000
const maxPartitions = 32
export const maxDedupMs = 7 * dayMs

type Row = [
  number: number,
  name: string,
  incarnation: string,
  partitions: number,
  retentionMs: number | null,
  retentionBytes: number | null,
  dedupMs: number,
  next: number,
  trimmed: number,
]

/** The topics, by name and number, and their settings. */
export class Topics {
  readonly #db: DatabaseSync
  readonly #clock: Clock
  readonly #defaults: TopicSettings
  readonly #byName = new Map<string, Topic>()
  readonly #byNumber = new Map<number, Topic>()
  readonly #firstChunk: Query<[id: number, ends: number, bytes: number]>
  readonly #lastChunk: Query<[id: number, count: number, at: number, ends: number]>

  constructor(db: DatabaseSync, clock: Clock, memory: boolean) {
    this.#db = db
    this.#clock = clock
    this.#defaults = {
      partitions: 8,
      retentionMs: 7 * dayMs,
      retentionBytes: memory ? 64 << 20 : null,
      dedupMs: 10 * 60_000,
    }
    const inTopic = 'FROM chunk WHERE id >= ? AND id < ? ORDER BY id'
    this.#firstChunk = query(db, `SELECT id, ends, length(body) ${inTopic} LIMIT 1`)
    this.#lastChunk = query(db, `SELECT id, count, at, ends ${inTopic} DESC LIMIT 1`)
  }

  load(): void {
    this.#byName.clear()
    this.#byNumber.clear()
    const columns = 'number, name, incarnation, partitions, retention_ms, retention_bytes, dedup_ms, next, trimmed'
    for (const row of query<Row>(this.#db, `SELECT ${columns} FROM topic`).all()) this.#add(this.#topicOf(row))
  }

  *[Symbol.iterator](): IterableIterator<Topic> {
    yield* this.#byNumber.values()
  }

  find(name: string): Topic | undefined {
    return this.#byName.get(name)
  }

  /** Throws `not_found`. */
  get(number: number): Topic {
    const topic = this.#byNumber.get(number)
    if (topic === undefined) throw noTopic(String(number))
    return topic
  }

  /** What `ensure` changes; changes nothing. Throws where the topic cannot be brought to `spec`. */
  plan(name: string, spec: TopicSpec): Change[] {
    const topic = this.#byName.get(name)
    const wanted = this.#wanted(topic, spec)
    const changes: Change[] = topic === undefined ? [{ field: 'topic', to: name }] : []
    const from = topic?.settings
    for (const [field, show] of Object.entries(shown)) {
      const to = show(wanted)
      const was = from === undefined ? undefined : show(from)
      if (was !== to) changes.push(was === undefined ? { field, to } : { field, from: was, to })
    }
    return changes
  }

  /** Creates the topic or brings it to `spec`. */
  ensure(name: string, spec: TopicSpec): Topic {
    const found = this.#byName.get(name)
    const wanted = this.#wanted(found, spec)
    const { partitions, retentionMs, retentionBytes, dedupMs } = wanted
    if (found !== undefined) {
      this.#db
        .prepare(
          'UPDATE topic SET partitions = ?, retention_ms = ?, retention_bytes = ?, dedup_ms = ? WHERE number = ?',
        )
        .run(partitions, retentionMs, retentionBytes, dedupMs, found.number)
      found.settings = wanted
      return found
    }
    if (this.#byNumber.size >= maxTopics) {
      throw new GatewayError('unavailable', `The embedded broker holds at most ${maxTopics} topics.`)
    }
    const number = this.#byNumber.size + 1
    const incarnation = this.#incarnation()
    this.#db
      .prepare('INSERT INTO topic VALUES (?, ?, ?, ?, ?, ?, ?, 1, 0, 1)')
      .run(number, name, incarnation, partitions, retentionMs, retentionBytes, dedupMs)
    const topic = this.#topicOf([number, name, incarnation, partitions, retentionMs, retentionBytes, dedupMs, 1, 0])
    this.#add(topic)
    return topic
  }

  #topicOf(row: Row): Topic {
    const [number, name, incarnation, partitions, retentionMs, retentionBytes, dedupMs, next, trimmed] = row
    const settings = { partitions, retentionMs, retentionBytes, dedupMs }
    const base = number * topicSpan
    const first = this.#firstChunk.get(base, base + topicSpan)
    const last = this.#lastChunk.get(base, base + topicSpan)
    const topic = { number, name, incarnation, settings, first: next, next, at: 0, written: trimmed, trimmed }
    if (first === undefined || last === undefined) return topic
    topic.first = first[0] - base
    topic.trimmed = first[1] - first[2]
    topic.next = last[0] - base + last[1]
    topic.at = last[2]
    topic.written = last[3]
    return topic
  }

  #add(topic: Topic): void {
    this.#byName.set(topic.name, topic)
    this.#byNumber.set(topic.number, topic)
  }

  #wanted(topic: Topic | undefined, spec: TopicSpec): TopicSettings {
    const { partitions = topic?.settings.partitions ?? this.#defaults.partitions, replicas = 1, retention } = spec
    const dedupMs = spec.dedupWindowMs ?? topic?.settings.dedupMs ?? this.#defaults.dedupMs
    if (replicas > 1) throw new UnsupportedError('replicas', 'The embedded broker keeps one copy of its events.')
    if ((spec.minInsyncReplicas ?? 1) > 1) {
      throw new UnsupportedError('minInsyncReplicas', 'The embedded broker keeps one copy of its events.')
    }
    if (spec.compaction === true) {
      throw new UnsupportedError('compaction', 'The embedded broker does not compact: events go by age and size.')
    }
    if (partitions > maxPartitions) {
      throw new UnsupportedError(
        'partitions',
        `The embedded broker has at most ${maxPartitions} partitions in a topic.`,
      )
    }
    if (dedupMs > maxDedupMs) {
      throw new UnsupportedError(
        'dedupWindowMs',
        `The embedded broker deduplicates over ${formatDuration(maxDedupMs)} at most.`,
      )
    }
    if (topic !== undefined && partitions < topic.settings.partitions) {
      const detail = `The topic has ${topic.settings.partitions} partitions; they cannot become fewer.`
      throw new GatewayError('conflict', detail)
    }
    const kept = topic?.settings ?? this.#defaults
    if (retention === undefined) return { ...kept, partitions, dedupMs }
    const bytes = retention.bytes ?? this.#defaults.retentionBytes
    return { partitions, retentionMs: retention.ms ?? null, retentionBytes: bytes, dedupMs }
  }

  #incarnation(): string {
    const bytes = new Uint8Array(6)
    this.#clock.random(bytes)
    return Buffer.from(bytes).toString('hex')
  }
}

const shown = {
  partitions: (settings: TopicSettings) => String(settings.partitions),
  retention: ({ retentionMs, retentionBytes }: TopicSettings) => {
    const parts = retentionMs === null ? [] : [formatDuration(retentionMs)]
    if (retentionBytes !== null) parts.push(`${retentionBytes} bytes`)
    return parts.length === 0 ? 'unlimited' : parts.join(', ')
  },
  dedupWindow: (settings: TopicSettings) => formatDuration(settings.dedupMs),
}
