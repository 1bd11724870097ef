import { type GroupOptions, type GroupState, type Groups, UnsupportedError } from '../../src/core/index.ts'
import { noGroup } from './errors.ts'
import type { GroupPlace, Layout } from './layout.ts'
import type { Queues } from './queues.ts'
import { start as latest } from './settings.ts'

/** What the broker knows of its own consumers and publishes. */
export interface Local {
  /** Resolves when what is being published to the topic now is settled. */
  settled(topic: string): Promise<void>
  /** The group is deleted: its consumers here end. */
  deleted(topic: string, group: string): void
  /** How old the oldest event is that consumers here hold, in milliseconds. */
  oldestMs(topic: string, group: string): number
}

export class SqsGroups implements Groups {
  readonly #layout: () => Layout
  readonly #queues: Queues
  readonly #local: Local

  /** `layout` throws where the broker is closed. */
  constructor(layout: () => Layout, queues: Queues, local: Local) {
    this.#layout = layout
    this.#queues = queues
    this.#local = local
  }

  async create(topic: string, group: string, options: GroupOptions): Promise<boolean> {
    if (options.start !== latest) {
      throw new UnsupportedError('replay', 'SQS keeps no history: a group starts at latest.')
    }
    return this.#layout().createGroup(topic, group, options, () => this.#local.settled(topic))
  }

  async describe(topic: string, group: string): Promise<GroupState> {
    const { url, settings } = await this.existing(topic, group)
    const found = await this.#queues.attributes(
      url,
      'ApproximateNumberOfMessages',
      'ApproximateNumberOfMessagesNotVisible',
    )
    const inFlight = Number(found.ApproximateNumberOfMessagesNotVisible ?? 0)
    const events = Number(found.ApproximateNumberOfMessages ?? 0) + inFlight
    const oldestMs = events === 0 ? 0 : this.#local.oldestMs(topic, group)
    const { leaseMs, maxAttempts } = settings
    return { start: latest, leaseMs, maxAttempts, lag: { events, oldestMs }, inFlight }
  }

  async hasDelayed(topic: string, group: string): Promise<boolean> {
    const { url } = await this.existing(topic, group)
    const found = await this.#queues.attributes(url, 'ApproximateNumberOfMessagesDelayed')
    return Number(found.ApproximateNumberOfMessagesDelayed ?? 0) > 0
  }

  async list(topic: string): Promise<readonly string[]> {
    return (await this.#layout().groups(topic)).toSorted()
  }

  async delete(topic: string, group: string): Promise<void> {
    await this.#layout().deleteGroup(topic, group)
    this.#local.deleted(topic, group)
  }

  /** Rejects with `not_found` where there is no such topic or group. */
  async existing(topic: string, group: string): Promise<GroupPlace> {
    const place = await this.#layout().group(topic, group)
    if (place === undefined) throw noGroup()
    return place
  }
}
