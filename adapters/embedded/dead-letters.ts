import { type DeadLetter, type DeadLetters, GatewayError } from '../../src/core/index.ts'
import { decodeRecord } from './codec.ts'
import { viewOf } from './engine/records.ts'
import type { TopicHub } from './hub.ts'
import type { Link } from './thread/link.ts'

/** What groups gave up. An id is a number that grows. */
export class EmbeddedDeadLetters implements DeadLetters {
  readonly #link: Link
  readonly #topic: (name: string) => TopicHub

  constructor(link: Link, topic: (name: string) => TopicHub) {
    this.#link = link
    this.#topic = topic
  }

  async list(topic: string, group: string, page: { limit: number; after?: string }): Promise<readonly DeadLetter[]> {
    const after = page.after === undefined ? 0 : idOf(page.after)
    if (after === undefined) throw new GatewayError('invalid_argument', 'This is no id of a dead letter.')
    const key = { topic: this.#topic(topic).info.number, group }
    const items = await this.#link.call('deadList', { ...key, after, limit: page.limit })
    return items.map(({ id, seq, attempts, reason, at, bytes }) => {
      const event = decodeRecord(bytes, viewOf(bytes), 0)
      return { id: String(id), event, reason, attempts, deadAt: at, position: String(seq) }
    })
  }

  async redrive(topic: string, group: string, which: readonly string[] | 'all'): Promise<number> {
    const hub = this.#topic(topic)
    const key = { topic: hub.info.number, group }
    let total = 0
    if (which !== 'all') {
      const ids = which.map(idOf).filter((id) => id !== undefined)
      total = (await this.#link.call('deadRedrive', { ...key, which: ids })).count
    } else {
      // Only what is dead now: what dies again meanwhile is not driven round and round.
      let range: { after: number; upTo: number | null } | null = { after: 0, upTo: null }
      while (range !== null) {
        const { count, last, upTo }: { count: number; last: number | null; upTo: number } = await this.#link.call(
          'deadRedrive',
          { ...key, which: range },
        )
        total += count
        range = last === null ? null : { after: last, upTo }
      }
    }
    if (total > 0) hub.group(group).bell.ring(total)
    return total
  }

  async delete(topic: string, group: string, id: string): Promise<void> {
    const key = { topic: this.#topic(topic).info.number, group }
    const number = idOf(id)
    const found = number !== undefined && (await this.#link.call('deadDelete', { ...key, id: number }))
    if (!found) throw new GatewayError('not_found', 'There is no such dead letter.')
  }
}

function idOf(id: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(id) ? Number(id) : undefined
}
