import type { Chunk, Chunks } from './chunks.ts'
import type { Dead } from './dead.ts'
import { type DueRow, type Entries, held, leased } from './entries.ts'
import type { Group, Groups } from './groups.ts'
import type { Handed, Operations } from './operations.ts'
import { keyHashOf, recordLength, seekRecord, viewOf } from './records.ts'
import type { Topic, Topics } from './topics.ts'

/** An unfinished event costs a row; a group that has so many gets no fresh ones until it finishes some. */
export const maxUnfinished = 100_000
/** How many fresh events one pull looks at: of those whose key is held back there may be any number. */
const maxLook = 2000
const maxBytes = 2 << 20

/** What is handed out by one pull. */
class Hand {
  readonly seqs: number[] = []
  readonly attempts: number[] = []
  readonly nonces: number[] = []
  readonly parts: Uint8Array[] = []
  bytes = 0

  add(seq: number, attempt: number, nonce: number, record: Uint8Array): void {
    this.seqs.push(seq)
    this.attempts.push(attempt)
    this.nonces.push(nonce)
    this.parts.push(record)
    this.bytes += record.length
  }

  take(expiresAt: number): Handed {
    const bytes = new Uint8Array(this.bytes)
    let at = 0
    for (const part of this.parts) {
      bytes.set(part, at)
      at += part.length
    }
    return { seqs: this.seqs, attempts: this.attempts, nonces: this.nonces, expiresAt, bytes }
  }
}

/** Hands out events: first those that came back, then fresh ones from the log. */
export class Puller {
  readonly #topics: Topics
  readonly #groups: Groups
  readonly #chunks: Chunks
  readonly #entries: Entries
  readonly #dead: Dead
  readonly #now: () => number
  readonly #nonce: () => number

  constructor(
    topics: Topics,
    groups: Groups,
    chunks: Chunks,
    entries: Entries,
    dead: Dead,
    now: () => number,
    nonce: () => number,
  ) {
    this.#topics = topics
    this.#groups = groups
    this.#chunks = chunks
    this.#entries = entries
    this.#dead = dead
    this.#now = now
    this.#nonce = nonce
  }

  pull({ topic, group, max, holdKeys, takeOver }: Parameters<Operations['pull']>[0]): ReturnType<Operations['pull']> {
    const source = this.#topics.get(topic)
    const found = this.#groups.get({ topic, group })
    const now = this.#now()
    const expiresAt = now + found.leaseMs
    const hand = new Hand()
    if (takeOver) this.#entries.lapse(found.id, now)
    this.#again(source, found, hand, max, now, expiresAt)
    const stopped = this.#fresh(source, found, hand, max, holdKeys, expiresAt)
    const nextAt = hand.seqs.length === 0 ? this.#entries.nextDue(found.id) : null
    return { ...hand.take(expiresAt), nextAt, more: stopped || hand.seqs.length >= max }
  }

  /** What is due again. What was delivered too often or is beyond retention ends here, and its key's next one begins. */
  #again(topic: Topic, group: Group, hand: Hand, max: number, now: number, expiresAt: number): void {
    while (hand.seqs.length < max && hand.bytes < maxBytes) {
      const rows = this.#entries.due(group.id, now, Math.min(100, max - hand.seqs.length))
      if (rows.length === 0) return
      for (const row of rows) this.#handAgain(topic, group, hand, row, now, expiresAt)
    }
  }

  #handAgain(topic: Topic, group: Group, hand: Hand, row: DueRow, now: number, expiresAt: number): void {
    const [seq, attempt, key, event] = row
    if (attempt >= group.maxAttempts) {
      this.#dead.exhausted(topic.number, group, seq, attempt, key, now)
      return
    }
    const record = event ?? this.#record(topic.number, seq)
    if (record === undefined) {
      this.#entries.finish(group.id, seq, key, now)
      return
    }
    const nonce = this.#nonce()
    this.#entries.lease(group.id, seq, attempt + 1, nonce, expiresAt)
    hand.add(seq, attempt + 1, nonce, record)
  }

  #record(topic: number, seq: number): Uint8Array | undefined {
    const place = this.#chunks.record(topic, seq)
    return place?.bytes.subarray(place.at, place.at + recordLength(place.view, place.at))
  }

  /** Answers whether it stopped before it had looked at everything that it could have. */
  #fresh(topic: Topic, group: Group, hand: Hand, max: number, holdKeys: boolean, expiresAt: number): boolean {
    let cursor = Math.max(group.cursor, topic.first)
    let room = maxUnfinished - this.#entries.unfinished(group.id)
    let look = maxLook
    while (cursor < topic.next && hand.seqs.length < max && hand.bytes < maxBytes && room > 0 && look > 0) {
      const chunk = this.#chunks.containing(topic.number, cursor)
      if (chunk === undefined) break
      const from = cursor
      cursor = this.#freshOf(chunk, cursor, group, hand, max, Math.min(room, look), holdKeys, expiresAt)
      room -= cursor - from
      look -= cursor - from
    }
    if (cursor !== group.cursor) this.#entries.moveCursor(group.id, cursor)
    return cursor < topic.next && room > 0
  }

  /** Hands out from one chunk; answers the new cursor. */
  #freshOf(
    chunk: Chunk,
    cursor: number,
    group: Group,
    hand: Hand,
    max: number,
    look: number,
    holdKeys: boolean,
    expiresAt: number,
  ): number {
    const view = viewOf(chunk.body)
    const end = Math.min(chunk.first + chunk.count, cursor + look)
    let seq = cursor
    let at = seekRecord(view, cursor - chunk.first)
    for (; seq < end && hand.seqs.length < max && hand.bytes < maxBytes; seq++) {
      const length = recordLength(view, at)
      const key = holdKeys ? (keyHashOf(view, at) ?? null) : null
      if (key !== null && this.#entries.hasKey(group.id, key)) {
        this.#entries.insert(group.id, seq, held, { attempt: 0, nonce: null, due: null }, key, null)
      } else {
        const nonce = this.#nonce()
        const fresh = this.#entries.insert(group.id, seq, leased, { attempt: 1, nonce, due: expiresAt }, key, null)
        // One that was given back to the group by hand is among its entries already.
        if (fresh) hand.add(seq, 1, nonce, chunk.body.subarray(at, at + length))
      }
      at += length
    }
    return seq
  }
}
