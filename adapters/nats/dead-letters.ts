import { type DeadLetter, type DeadLetters, GatewayError } from '../../src/core/index.ts'
import { readPosition } from './cursor.ts'
import { type DeadLetterBox, deadLetterOf } from './dead-letter-box.ts'
import type { Group, NatsGroups } from './groups.ts'
import { matches, redriveSubject } from './names.ts'
import type { Streams } from './streams.ts'

const page = 100

/** What groups gave up, by its sequence in their stream. */
export class NatsDeadLetters implements DeadLetters {
  readonly #box: DeadLetterBox
  readonly #groups: NatsGroups
  readonly #streams: Streams

  constructor(box: DeadLetterBox, groups: NatsGroups, streams: Streams) {
    this.#box = box
    this.#groups = groups
    this.#streams = streams
  }

  async list(
    topic: string,
    group: string,
    { limit, after }: { limit: number; after?: string },
  ): Promise<readonly DeadLetter[]> {
    const last = after === undefined ? 0 : readPosition(after)
    if (last === undefined) throw new GatewayError('invalid_argument', 'This is no id of a dead letter.')
    const found = await this.#box.list(await this.#groups.existing(topic, group), last, limit)
    return found.map((message) => deadLetterOf(message, topic))
  }

  async redrive(topic: string, group: string, which: readonly string[] | 'all'): Promise<number> {
    const existing = await this.#groups.existing(topic, group)
    await this.#acceptRedriven(existing)
    if (which !== 'all') return this.#some(existing, which)
    let count = 0
    // Only what is dead now: what dies again meanwhile is not driven round and round.
    const before = Date.now()
    for (let after = 0; ; ) {
      const found = await this.#box.list(existing, after, page)
      for (const message of found) {
        if (message.storedAt > before) return count
        if (await this.#box.redrive(existing, message)) count++
      }
      if (found.length < page) return count
      after = found.at(-1)!.seq
    }
  }

  async delete(topic: string, group: string, id: string): Promise<void> {
    const existing = await this.#groups.existing(topic, group)
    const [found] = await this.#find(existing, id)
    if (found !== undefined && (await this.#box.remove(existing.topic, found.seq))) return
    throw new GatewayError('not_found', 'There is no such dead letter.')
  }

  async #some(group: Group, ids: readonly string[]): Promise<number> {
    let count = 0
    for (const id of new Set(ids)) {
      for (const message of await this.#find(group, id)) if (await this.#box.redrive(group, message)) count++
    }
    return count
  }

  /** None where the id is none of this group's. */
  async #find(group: Group, id: string) {
    const seq = readPosition(id)
    return seq === undefined ? [] : this.#box.list(group, seq - 1, 1, seq)
  }

  async #acceptRedriven(group: Group): Promise<void> {
    const { topic } = await this.#streams.fresh(group.topic.name)
    const subject = redriveSubject(topic.stream, group.consumer)
    if (!topic.allSubjects.some((pattern) => matches(pattern, subject))) {
      const detail = `The stream ${topic.stream} does not take ${subject}: add that subject to it, or give the topic an ensure.`
      throw new GatewayError('misconfigured', detail)
    }
    await this.#groups.acceptRedriven(group)
  }
}
