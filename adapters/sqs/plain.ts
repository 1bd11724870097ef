import { ListQueuesCommand } from '@aws-sdk/client-sqs'
import { GatewayError, type GroupOptions, UnsupportedError } from '../../src/core/index.ts'
import { type Aws, pause } from './client.ts'
import { drain } from './consume/drain.ts'
import { Queue } from './consume/queue.ts'
import { DeadLetterQueue } from './dead-letters.ts'
import { noTopic } from './errors.ts'
import type { GroupPlace, Layout, TopicFacts } from './layout.ts'
import type { Names } from './names.ts'
import { queueSender } from './publish/queue-sender.ts'
import type { Sender } from './publish/sender.ts'
import { factsOf, queueAttributesOf } from './queue-facts.ts'
import type { Queues } from './queues.ts'
import { withDeadLetters } from './redrive.ts'
import { groupsIn, settingsTag, tagOf } from './settings.ts'

const pauseMs = 200
const tries = 5

/** A topic is one queue, and belongs to one group: whose it is says a tag of the queue. */
export class PlainLayout implements Layout {
  readonly #aws: Aws
  readonly #queues: Queues
  readonly #names: Names
  readonly #fifo: boolean
  readonly #maxMessageSize: number

  constructor(aws: Aws, queues: Queues, names: Names, fifo: boolean, maxMessageSize: number) {
    this.#aws = aws
    this.#queues = queues
    this.#names = names
    this.#fifo = fifo
    this.#maxMessageSize = maxMessageSize
  }

  async sender(topic: string): Promise<Sender> {
    const url = await this.#url(topic)
    return queueSender(this.#aws, url, () => this.#queues.forget(url))
  }

  async find(topic: string): Promise<TopicFacts | undefined> {
    const url = await this.#queues.find(this.#names.topic(topic))
    return url === undefined ? undefined : factsOf(this.#queues, url)
  }

  async create(topic: string, facts: TopicFacts): Promise<void> {
    await this.#queues.create(this.#names.topic(topic), queueAttributesOf(facts, this.#maxMessageSize))
  }

  async change(topic: string, facts: TopicFacts): Promise<void> {
    await this.#queues.set(await this.#url(topic), queueAttributesOf(facts))
  }

  async topics(): Promise<readonly string[]> {
    return (await this.#queues.list('')).flatMap((name) => this.#names.topicOf(name) ?? [])
  }

  async group(topic: string, group: string): Promise<GroupPlace | undefined> {
    const url = await this.#url(topic)
    const settings = groupsIn(await this.#queues.tags(url)).get(group)
    if (settings === undefined || settings.unfinished) return undefined
    return { name: this.#names.topic(topic), url, settings }
  }

  async groups(topic: string): Promise<readonly string[]> {
    const groups = groupsIn(await this.#queues.tags(await this.#url(topic)))
    return [...groups].filter(([, { unfinished }]) => !unfinished).map(([group]) => group)
  }

  async createGroup(topic: string, group: string, options: GroupOptions, settled: () => Promise<void>) {
    const url = await this.#url(topic)
    if (!(await this.#claim(topic, url, group, options))) return false
    await withDeadLetters(this.#queues, this.#names, this.#names.topic(topic), url, options.maxAttempts)
    await settled()
    // What came before the group is not its own: it starts at the end. Another gateway may be making it, too.
    const isMade = async () => (await this.group(topic, group)) !== undefined
    await drain(new Queue(this.#aws, url, () => this.#queues.forget(url)), isMade)
    if (await isMade()) return false
    await this.#queues.tag(url, settingsTag(group, options, true))
    return true
  }

  async deleteGroup(topic: string, group: string): Promise<void> {
    const url = await this.#url(topic)
    const settings = groupsIn(await this.#queues.tags(url)).get(group)
    if (settings === undefined) return
    const dead = await this.#queues.find(this.#names.dead(this.#names.topic(topic)))
    if (dead !== undefined) {
      const { maxAttempts } = settings
      const more = { fifo: this.#fifo, topic, maxAttempts }
      await new DeadLetterQueue(this.#aws, dead, () => this.#queues.forget(dead), more).empty()
    }
    await this.#queues.untag(url, tagOf(group))
  }

  async health(signal: AbortSignal): Promise<void> {
    const ask = (options: { readonly abortSignal: AbortSignal }) =>
      this.#aws.sqs.send(new ListQueuesCommand({ MaxResults: 1 }), options)
    await reachable(() => this.#aws.call('sqs:ListQueues', ask, signal))
  }

  /**
   * False where it is the group's already. Tags cannot be set on a condition: whoever finds another's beside its own takes
   * its own away, and looks again after a while of chance.
   */
  async #claim(topic: string, url: string, group: string, options: GroupOptions): Promise<boolean> {
    const mine = async () => groupsIn(await this.#queues.tags(url))
    for (let attempt = 1; ; attempt++) {
      const before = await mine()
      const own = before.get(group)
      if (own !== undefined && !own.unfinished) return false
      const other = [...before.keys()].find((name) => name !== group)
      if (other === undefined) {
        // One that another gateway is making may be made by now: that must not be undone.
        if (own === undefined) await this.#queues.tag(url, settingsTag(group, options, false))
        if ([...(await mine()).keys()].every((name) => name === group)) return true
        await this.#queues.untag(url, tagOf(group))
      }
      if (attempt === tries || (other !== undefined && !before.get(other)!.unfinished)) throw taken(topic, other)
      await pause(pauseMs, this.#aws.closing)
    }
  }

  async #url(topic: string): Promise<string> {
    const url = await this.#queues.find(this.#names.topic(topic))
    if (url === undefined) throw noTopic(topic)
    return url
  }
}

function taken(topic: string, group = 'another'): UnsupportedError {
  const detail = `The queue of ${topic} belongs to the group ${group}, and a queue gives each event to one group. Set sns: true at this broker, where a topic fans out to many, or delete that group first.`
  return new UnsupportedError('groups', detail)
}

/** Whoever is known, and only may not do this, reaches AWS. */
export async function reachable(ask: () => Promise<unknown>): Promise<void> {
  try {
    await ask()
  } catch (error) {
    if (error instanceof GatewayError && /may not do/.test(error.message)) return
    throw error
  }
}
