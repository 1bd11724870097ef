import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { checksum } from './chunks.ts'
import { keyHashOf, laneBit, recordLength, viewOf } from './records.ts'
import { topicSpan } from './schema.ts'
import type { Topic } from './topics.ts'

/** Chunks are no larger than this, unless a single event is. */
export const chunkBytes = 1 << 16

const noHashes = new Uint8Array(0)

/** Writes records to the end of a topic's log. */
export class Appender {
  readonly #insert: StatementSync

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare(
      'INSERT INTO chunk (id, at, count, lanes, ends, crc, hashes, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    )
  }

  /**
   * Answers the first one's sequence number. `hashes` are the records' identities, kept so that deduplication can be
   * built up again without reading bodies; null where the topic does not deduplicate.
   */
  append(topic: Topic, records: Uint8Array, hashes: Float64Array | null, now: number): number {
    const first = topic.next
    const view = viewOf(records)
    topic.at = Math.max(topic.at, now)
    let from = 0
    let index = 0
    let count = 0
    let lanes = 0
    for (let at = 0; at < records.length; ) {
      const end = at + recordLength(view, at)
      if (end - from > chunkBytes && count > 0) {
        this.#write(topic, records.subarray(from, at), hashes?.subarray(index, index + count), count, lanes)
        from = at
        index += count
        count = 0
        lanes = 0
      }
      count++
      const key = keyHashOf(view, at)
      if (key !== undefined) lanes |= laneBit(key)
      at = end
    }
    if (count > 0) this.#write(topic, records.subarray(from), hashes?.subarray(index, index + count), count, lanes)
    return first
  }

  #write(topic: Topic, body: Uint8Array, hashes: Float64Array | undefined, count: number, lanes: number): void {
    const ids = hashes === undefined ? noHashes : new Uint8Array(hashes.buffer, hashes.byteOffset, hashes.byteLength)
    topic.written += body.length
    const id = topic.number * topicSpan + topic.next
    this.#insert.run(id, topic.at, count, lanes >>> 0, topic.written, checksum(ids, body), ids, body)
    topic.next += count
  }
}
