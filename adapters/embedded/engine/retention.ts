import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Entries } from './entries.ts'
import type { Groups } from './groups.ts'
import { topicSpan } from './schema.ts'
import { type Query, query } from './sql.ts'
import type { Topic } from './topics.ts'

/** How much goes in one step, so that commits do not wait long for it. */
const stepChunks = 256
const stepBytes = 4 << 20

/** Takes away what is older or more than a topic keeps: whole chunks, the oldest first. */
export class Retention {
  readonly #groups: Groups
  readonly #entries: Entries
  readonly #oldest: Query<[id: number, at: number, count: number, ends: number]>
  readonly #delete: StatementSync
  readonly #mark: StatementSync

  constructor(db: DatabaseSync, groups: Groups, entries: Entries) {
    this.#groups = groups
    this.#entries = entries
    this.#oldest = query(
      db,
      `SELECT id, at, count, ends FROM chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT ${stepChunks}`,
    )
    this.#delete = db.prepare('DELETE FROM chunk WHERE id >= ? AND id < ?')
    this.#mark = db.prepare('UPDATE topic SET next = ?, trimmed = ? WHERE number = ?')
  }

  /** Whether a topic is so much over its bytes that it should not wait for its turn. */
  isOver({ settings: { retentionBytes }, written, trimmed }: Topic): boolean {
    if (retentionBytes === null) return false
    return written - trimmed > retentionBytes + Math.min(retentionBytes / 16, stepBytes)
  }

  /** One step; answers whether there is more to do at once. */
  step(topic: Topic, now: number): boolean {
    const { retentionMs, retentionBytes } = topic.settings
    const base = topic.number * topicSpan
    const before = now - (retentionMs ?? Number.POSITIVE_INFINITY)
    const most = retentionBytes ?? Number.POSITIVE_INFINITY
    let { first, trimmed } = topic
    let chunks = 0
    for (const [id, at, count, ends] of this.#oldest.iterate(base + first, base + topicSpan)) {
      const next = id - base + count
      // The last chunk goes by age only: one that is over the bytes by itself would never be seen.
      const over = at <= before || (topic.written - trimmed > most && next < topic.next)
      if (!over || trimmed - topic.trimmed >= stepBytes) break
      first = next
      trimmed = ends
      chunks++
    }
    if (chunks === 0) return this.#releaseOf(topic, now)
    this.#delete.run(base + topic.first, base + first)
    this.#mark.run(topic.next, trimmed, topic.number)
    const full = chunks === stepChunks || trimmed - topic.trimmed >= stepBytes
    topic.first = first
    topic.trimmed = trimmed
    return this.#releaseOf(topic, now) || full
  }

  /** Ends what groups have waiting that is not there any more. What is leased stays until its lease ends. */
  #releaseOf(topic: Topic, now: number): boolean {
    let more = false
    for (const group of this.#groups.ids(topic.number)) {
      if (this.#entries.dropBefore(group, topic.first, now)) more = true
    }
    return more
  }
}
