import {
  CreateTopicCommand,
  GetSubscriptionAttributesCommand,
  GetTopicAttributesCommand,
  ListSubscriptionsByTopicCommand,
  ListTagsForResourceCommand,
  ListTopicsCommand,
  type SNSClient,
  SubscribeCommand,
  TagResourceCommand,
  UnsubscribeCommand,
} from '@aws-sdk/client-sns'
import { GatewayError } from '../../src/core/index.ts'
import { type Aws, pause } from './client.ts'
import { lastName } from './names.ts'

/** How often SNS is asked whether it has confirmed a subscription, and how long apart. */
const confirmMs = 10_000
const glanceMs = 200

/** Topics of SNS and their subscriptions, by name and by ARN. */
export class SnsTopics {
  readonly #aws: Aws
  readonly #sns: SNSClient
  /** What every ARN of a topic of this account begins with. */
  #prefix: string | undefined
  readonly #known = new Set<string>()

  constructor(aws: Aws, sns: SNSClient) {
    this.#aws = aws
    this.#sns = sns
  }

  /** The topic's ARN; undefined where there is no such topic. */
  async find(name: string): Promise<string | undefined> {
    if (this.#prefix === undefined) await this.list()
    if (this.#prefix === undefined) return undefined
    const arn = this.#prefix + name
    if (this.#known.has(arn)) return arn
    try {
      await this.attributes(arn)
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'not_found') return undefined
      throw error
    }
    this.#known.add(arn)
    return arn
  }

  /** The next look asks AWS again: somebody deleted it. */
  forget(arn: string): void {
    this.#known.delete(arn)
  }

  async create(
    name: string,
    attributes: Record<string, string>,
    tags: Readonly<Record<string, string>>,
  ): Promise<void> {
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    const { TopicArn } = await this.#aws.retry('sns:CreateTopic', (options) =>
      this.#sns.send(new CreateTopicCommand({ Name: name, Attributes: attributes, Tags }), options),
    )
    this.#learn(TopicArn!)
  }

  async attributes(arn: string): Promise<Record<string, string>> {
    const { Attributes = {} } = await this.#aws.retry('sns:GetTopicAttributes', (options) =>
      this.#sns.send(new GetTopicAttributesCommand({ TopicArn: arn }), options),
    )
    return Attributes
  }

  async tags(arn: string): Promise<Record<string, string>> {
    const { Tags = [] } = await this.#aws.retry('sns:ListTagsForResource', (options) =>
      this.#sns.send(new ListTagsForResourceCommand({ ResourceArn: arn }), options),
    )
    return Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [Key, Value]))
  }

  async tag(arn: string, key: string, value: string): Promise<void> {
    await this.#aws.retry('sns:TagResource', (options) =>
      this.#sns.send(new TagResourceCommand({ ResourceArn: arn, Tags: [{ Key: key, Value: value }] }), options),
    )
  }

  /** The names of all topics. */
  async list(): Promise<readonly string[]> {
    const names: string[] = []
    let NextToken: string | undefined
    do {
      const page = await this.#aws.retry('sns:ListTopics', (options) =>
        this.#sns.send(new ListTopicsCommand({ NextToken }), options),
      )
      for (const { TopicArn = '' } of page.Topics ?? []) {
        this.#learn(TopicArn)
        names.push(lastName(TopicArn))
      }
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    return names
  }

  /** Lets a queue have what is published from now on, as it is. Resolves once SNS has confirmed it. */
  async subscribe(arn: string, queueArn: string): Promise<void> {
    const input = {
      TopicArn: arn,
      Protocol: 'sqs',
      Endpoint: queueArn,
      Attributes: { RawMessageDelivery: 'true' },
      ReturnSubscriptionArn: true,
    }
    const { SubscriptionArn } = await this.#aws.retry('sns:Subscribe', (options) =>
      this.#sns.send(new SubscribeCommand(input), options),
    )
    await this.#confirmed(SubscriptionArn!)
  }

  async unsubscribe(arn: string, queueArn: string): Promise<void> {
    let NextToken: string | undefined
    do {
      const page = await this.#aws.retry('sns:ListSubscriptionsByTopic', (options) =>
        this.#sns.send(new ListSubscriptionsByTopicCommand({ TopicArn: arn, NextToken }), options),
      )
      for (const { SubscriptionArn, Endpoint } of page.Subscriptions ?? []) {
        if (Endpoint !== queueArn) continue
        await this.#aws.retry('sns:Unsubscribe', (options) =>
          this.#sns.send(new UnsubscribeCommand({ SubscriptionArn }), options),
        )
      }
      NextToken = page.NextToken
    } while (NextToken !== undefined)
  }

  async #confirmed(subscription: string): Promise<void> {
    const signal = AbortSignal.timeout(confirmMs)
    while (!signal.aborted) {
      const { Attributes } = await this.#aws.retry('sns:GetSubscriptionAttributes', (options) =>
        this.#sns.send(new GetSubscriptionAttributesCommand({ SubscriptionArn: subscription }), options),
      )
      if (Attributes?.PendingConfirmation !== 'true') return
      await pause(glanceMs, AbortSignal.any([signal, this.#aws.closing]))
    }
    throw new GatewayError(
      'unavailable',
      'SNS has not confirmed the subscription of the group in time. Create it again.',
    )
  }

  #learn(arn: string): void {
    this.#prefix ??= arn.slice(0, arn.length - lastName(arn).length)
  }
}
