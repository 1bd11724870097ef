import { ListTopicsCommand } from '@aws-sdk/client-sns'
import type { GroupOptions } from '../../src/core/index.ts'
import { second } from './capabilities.ts'
import type { Aws } from './client.ts'
import { noTopic } from './errors.ts'
import type { GroupPlace, Layout, TopicFacts } from './layout.ts'
import type { Names } from './names.ts'
import { reachable } from './plain.ts'
import type { Sender } from './publish/sender.ts'
import { topicSender } from './publish/topic-sender.ts'
import { queueAttributesOf } from './queue-facts.ts'
import type { Queues } from './queues.ts'
import { withDeadLetters } from './redrive.ts'
import { groupsIn, settingsTag } from './settings.ts'
import { SnsTopics } from './sns-topics.ts'

/** A topic of SNS keeps nothing; how long its groups' queues do is written on it. */
const retentionTag = 'sluice:retention'

/** A topic is one of SNS, and each of its groups a queue that is subscribed to it. */
export class SnsLayout implements Layout {
  readonly #aws: Aws
  readonly #queues: Queues
  readonly #names: Names
  readonly #topics: SnsTopics
  readonly #fifo: boolean
  readonly #maxMessageSize: number

  constructor(aws: Aws, queues: Queues, names: Names, fifo: boolean, maxMessageSize: number) {
    this.#aws = aws
    this.#queues = queues
    this.#names = names
    this.#topics = new SnsTopics(aws, aws.sns!)
    this.#fifo = fifo
    this.#maxMessageSize = maxMessageSize
  }

  async sender(topic: string): Promise<Sender> {
    const arn = await this.#arn(topic)
    return topicSender(this.#aws, arn, () => this.#topics.forget(arn))
  }

  async find(topic: string): Promise<TopicFacts | undefined> {
    const arn = await this.#topics.find(this.#names.topic(topic))
    if (arn === undefined) return undefined
    const [{ MaximumMessageSize }, tags] = await Promise.all([this.#topics.attributes(arn), this.#topics.tags(arn)])
    const retention = tags[retentionTag]
    return {
      ...(retention !== undefined && { retentionMs: Number(retention) * second }),
      ...(MaximumMessageSize !== undefined && { maxMessageSize: Number(MaximumMessageSize) }),
    }
  }

  async create(topic: string, facts: TopicFacts): Promise<void> {
    await this.#topics.create(this.#names.topic(topic), this.#fifo ? { FifoTopic: 'true' } : {}, tagsOf(facts))
  }

  async change(topic: string, facts: TopicFacts): Promise<void> {
    const arn = await this.#arn(topic)
    for (const [key, value] of Object.entries(tagsOf(facts))) await this.#topics.tag(arn, key, value)
    const attributes = queueAttributesOf(facts)
    for (const group of await this.groups(topic)) {
      const url = await this.#queues.find(this.#names.group(topic, group))
      if (url !== undefined) await this.#queues.set(url, attributes)
    }
  }

  async topics(): Promise<readonly string[]> {
    return (await this.#topics.list()).flatMap((name) => this.#names.topicOf(name) ?? [])
  }

  async group(topic: string, group: string): Promise<GroupPlace | undefined> {
    await this.#arn(topic)
    const name = this.#names.group(topic, group)
    const url = await this.#queues.find(name)
    if (url === undefined) return undefined
    const settings = groupsIn(await this.#queues.tags(url)).get(group)
    return settings === undefined || settings.unfinished ? undefined : { name, url, settings }
  }

  async groups(topic: string): Promise<readonly string[]> {
    await this.#arn(topic)
    const names = await this.#queues.list(this.#names.groupsOf(topic))
    return names.flatMap((name) => this.#names.groupOf(topic, name) ?? [])
  }

  async createGroup(topic: string, group: string, options: GroupOptions): Promise<boolean> {
    const arn = await this.#arn(topic)
    if ((await this.group(topic, group)) !== undefined) return false
    const { retentionMs } = (await this.find(topic)) ?? {}
    const name = this.#names.group(topic, group)
    const attributes = queueAttributesOf({ ...(retentionMs !== undefined && { retentionMs }) }, this.#maxMessageSize)
    const url = await this.#queues.create(name, attributes, settingsTag(group, options, false))
    const { QueueArn = '' } = await this.#queues.attributes(url, 'QueueArn')
    await this.#queues.set(url, { Policy: policyOf(QueueArn, arn) })
    await withDeadLetters(this.#queues, this.#names, name, url, options.maxAttempts)
    await this.#topics.subscribe(arn, QueueArn)
    await this.#queues.tag(url, settingsTag(group, options, true))
    return true
  }

  async deleteGroup(topic: string, group: string): Promise<void> {
    const arn = await this.#arn(topic)
    const name = this.#names.group(topic, group)
    const url = await this.#queues.find(name)
    if (url === undefined) return
    const { QueueArn = '' } = await this.#queues.attributes(url, 'QueueArn')
    await this.#topics.unsubscribe(arn, QueueArn)
    await this.#queues.delete(name)
    await this.#queues.delete(this.#names.dead(name))
  }

  async health(signal: AbortSignal): Promise<void> {
    const ask = (options: { readonly abortSignal: AbortSignal }) =>
      this.#aws.sns!.send(new ListTopicsCommand({}), options)
    await reachable(() => this.#aws.call('sns:ListTopics', ask, signal))
  }

  async #arn(topic: string): Promise<string> {
    const arn = await this.#topics.find(this.#names.topic(topic))
    if (arn === undefined) throw noTopic(topic)
    return arn
  }
}

function tagsOf({ retentionMs }: TopicFacts): Record<string, string> {
  return retentionMs === undefined ? {} : { [retentionTag]: String(Math.ceil(retentionMs / second)) }
}

/** Only this topic may put something into the queue, besides those whom IAM allows it in the account. */
function policyOf(queueArn: string, topicArn: string): string {
  const statement = {
    Sid: 'sluice',
    Effect: 'Allow',
    Principal: { Service: 'sns.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: queueArn,
    Condition: { ArnEquals: { 'aws:SourceArn': topicArn } },
  }
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
}
