import {
  GatewayError,
  type GroupOptions,
  type GroupState,
  type Groups,
  UnsupportedError,
} from '../../src/core/index.ts'
import type { RabbitAdmin } from './admin.ts'
import type { Config } from './config.ts'
import type { RabbitConsumer } from './consume/consumer.ts'
import { Directory, type Entry } from './directory.ts'
import { isMissing, translate } from './errors.ts'
import type { Link } from './link.ts'
import { deadQueueOf, directoryOf, queueOf } from './names.ts'
import { groupArguments } from './queues.ts'
import { bindingsOf } from './routing.ts'
import type { Sender } from './sender.ts'

/** What a group says of itself whose queue somebody else made. */
const foreign = { start: 'latest', leaseMs: 0, maxAttempts: 0 }

/** A group is a durable queue that is bound to the topic's exchange. */
export class RabbitGroups implements Groups {
  readonly #link: Link
  readonly #config: Config
  readonly #admin: RabbitAdmin
  readonly #directory: Directory
  /** What a group was made with does not change while it is there. */
  readonly #known = new Map<string, Entry>()
  /** The consumers of a group in this process. */
  readonly #members: (queue: string) => readonly RabbitConsumer[]

  constructor(
    link: Link,
    sender: Sender,
    config: Config,
    admin: RabbitAdmin,
    members: (queue: string) => readonly RabbitConsumer[],
  ) {
    this.#link = link
    this.#config = config
    this.#admin = admin
    this.#directory = new Directory(link, sender, config)
    this.#members = members
  }

  async create(topic: string, group: string, options: GroupOptions): Promise<boolean> {
    const { start, leaseMs, maxAttempts } = options
    if (start !== 'latest') {
      const detail = 'RabbitMQ keeps nothing for who was not there: a group begins with what comes (replay).'
      throw new UnsupportedError('replay', detail)
    }
    await this.#admin.exists(topic)
    const queue = queueOf(topic, group)
    try {
      if ((await this.#depth(queue)) !== undefined) {
        const entry = (await this.#directory.read(topic))[group]
        if (entry?.isUnfinished !== true) return false
      }
      const entry: Entry = { start, leaseMs, maxAttempts, at: Date.now() }
      await this.#directory.write(topic, group, { ...entry, isUnfinished: true })
      await this.#declare(topic, queue)
      await this.#directory.write(topic, group, entry)
      this.#known.set(queue, entry)
      return true
    } catch (error) {
      throw translate(error, `the creation of group ${group}`)
    }
  }

  async describe(topic: string, group: string): Promise<GroupState> {
    const { depth, entry } = await this.#existing(topic, group)
    const { start, leaseMs, maxAttempts } = entry ?? foreign
    let events = depth
    let inFlight = 0
    let oldestAt = Date.now()
    for (const member of this.#members(queueOf(topic, group))) {
      events += member.unsettled
      inFlight += member.inFlight
      oldestAt = Math.min(oldestAt, member.oldestAt)
    }
    return { start, leaseMs, maxAttempts, inFlight, lag: { events, oldestMs: Date.now() - oldestAt } }
  }

  async list(topic: string): Promise<readonly string[]> {
    await this.#admin.exists(topic)
    try {
      const entries = Object.entries(await this.#directory.read(topic))
      const found = await Promise.all(
        entries.map(async ([group, { isUnfinished }]) =>
          isUnfinished !== true && (await this.#depth(queueOf(topic, group))) !== undefined ? [group] : [],
        ),
      )
      return found.flat().sort()
    } catch (error) {
      throw translate(error, `the list of groups, which queue ${directoryOf(topic)} has`)
    }
  }

  async delete(topic: string, group: string): Promise<void> {
    const queue = queueOf(topic, group)
    await Promise.all(this.#members(queue).map((member) => member.close()))
    try {
      const isThere = (await this.#depth(queue)) !== undefined
      await this.#link.with(async (channel) => {
        await channel.deleteQueue(queue)
        await channel.deleteQueue(deadQueueOf(topic, group))
      })
      if (isThere || group in (await this.#directory.read(topic))) await this.#directory.write(topic, group, undefined)
      this.#known.delete(queue)
    } catch (error) {
      throw translate(error, `the deletion of group ${group}`)
    }
  }

  /** Rejects with `not_found` where there is no such group; answers its queue. */
  async existing(topic: string, group: string): Promise<string> {
    await this.#existing(topic, group)
    return queueOf(topic, group)
  }

  async #existing(topic: string, group: string): Promise<{ depth: number; entry: Entry | undefined }> {
    const queue = queueOf(topic, group)
    try {
      const depth = await this.#depth(queue)
      if (depth === undefined) {
        await this.#admin.exists(topic)
        throw noGroup(queue)
      }
      const entry = this.#known.get(queue) ?? (await this.#directory.read(topic))[group]
      if (entry?.isUnfinished === true) throw noGroup(queue)
      // Of one that is not found somebody may be writing just now.
      if (entry !== undefined) this.#known.set(queue, entry)
      return { depth, entry }
    } catch (error) {
      if (isMissing(error)) throw noGroup(queue)
      throw translate(error, `the look at queue ${queue}`)
    }
  }

  /** How much waits in a queue; undefined where there is none. */
  async #depth(queue: string): Promise<number | undefined> {
    try {
      return (await this.#link.with((channel) => channel.checkQueue(queue))).messageCount
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async #declare(topic: string, queue: string): Promise<void> {
    const { exchange } = this.#config
    await this.#link.with(async (channel) => {
      const options = { durable: true, arguments: groupArguments(this.#config) }
      await channel.assertQueue(queue, options)
      // All of no headers: every message has them.
      const match = exchange === 'headers' ? { 'x-match': 'all' } : {}
      for (const key of bindingsOf(this.#config)) await channel.bindQueue(queue, topic, key, match)
    })
  }
}

function noGroup(queue: string): GatewayError {
  return new GatewayError('not_found', `There is no such group of this topic: RabbitMQ has no queue ${queue}.`)
}
