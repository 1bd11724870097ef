import type { GroupOptions, GroupState, Groups, Start } from '../../src/core/index.ts'
import { seqOf } from './cursor.ts'
import type { TopicHub } from './hub.ts'
import { placeOf, showStart } from './start.ts'
import type { Link } from './thread/link.ts'

/** Groups of pullers. */
export class EmbeddedGroups implements Groups {
  readonly #link: Link
  readonly #topic: (name: string) => TopicHub

  constructor(link: Link, topic: (name: string) => TopicHub) {
    this.#link = link
    this.#topic = topic
  }

  async create(topic: string, group: string, { start, leaseMs, maxAttempts }: GroupOptions): Promise<boolean> {
    const { number, incarnation } = this.#topic(topic).info
    const place = placeOf(start, incarnation)
    const info = { start: showStart(start), leaseMs, maxAttempts }
    return this.#link.call('groupCreate', { topic: number, group, ...info, place })
  }

  async describe(topic: string, group: string): Promise<GroupState> {
    const key = { topic: this.#topic(topic).info.number, group }
    const { events, oldestMs, first: _, ...rest } = await this.#link.call('groupDescribe', key)
    return { ...rest, lag: { events, oldestMs } }
  }

  async passed(topic: string, group: string, cursor: string): Promise<boolean> {
    const key = { topic: this.#topic(topic).info.number, group }
    const { first } = await this.#link.call('groupDescribe', key)
    return first > seqOf(cursor)
  }

  async hasDelayed(topic: string): Promise<boolean> {
    return this.#link.call('hasDelayed', { topic: this.#topic(topic).info.number })
  }

  async list(topic: string): Promise<readonly string[]> {
    return this.#link.call('groupList', { topic: this.#topic(topic).info.number })
  }

  async delete(topic: string, group: string): Promise<void> {
    const hub = this.#topic(topic)
    await this.#link.call('groupDelete', { topic: hub.info.number, group })
    hub.group(group).revoke()
  }

  async seek(topic: string, group: string, to: Start): Promise<void> {
    const hub = this.#topic(topic)
    const { number, incarnation } = hub.info
    await this.#link.call('groupSeek', { topic: number, group, place: placeOf(to, incarnation) })
    hub.group(group).revoke()
  }
}
