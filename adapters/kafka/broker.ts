import type { Admin as AdminClient } from '@platformatic/kafka'
import {
  type Admin,
  type Broker,
  type Capabilities,
  type Consumer,
  type Event,
  eventBytes,
  GatewayError,
  type Groups,
  type Log,
  type OpenOptions,
  type PublishOptions,
  type PublishResult,
  unlessAborted,
} from '../../src/core/index.ts'
import { KafkaAdmin } from './admin.ts'
import { capabilitiesOf } from './capabilities.ts'
import type { KafkaClient } from './client.ts'
import type { Config } from './config.ts'
import { KafkaConsumer } from './consume/consumer.ts'
import { closed, translate } from './errors.ts'
import { KafkaGroups } from './groups.ts'
import { KafkaLog } from './log.ts'
import { Partitioner } from './partitioner.ts'
import { Producer } from './produce/producer.ts'
import { Transactions } from './produce/transactions.ts'

const healthMs = 3000

/** What opening learnt of the cluster. */
export interface Cluster {
  readonly nodes: number
  /** What it takes as one batch, where a topic has no limit of its own. */
  readonly maxMessageBytes: number
}

export class KafkaBroker implements Broker {
  readonly capabilities: Capabilities
  readonly groups: Groups
  readonly log: Log
  readonly admin: Admin
  readonly #client: KafkaClient
  readonly #admin: AdminClient
  readonly #config: Config
  readonly #groups: KafkaGroups
  readonly #topics: KafkaAdmin
  readonly #producer: Producer
  readonly #transactions: Transactions
  readonly #members = new Map<string, Set<KafkaConsumer>>()
  readonly #published = new Set<string>()
  #closing: Promise<void> | undefined

  constructor(client: KafkaClient, admin: AdminClient, config: Config, { nodes, maxMessageBytes }: Cluster) {
    const partitioner = new Partitioner(config.partitioner)
    const open = () => {
      if (this.#closing !== undefined) throw closed()
      return admin
    }
    this.#client = client
    this.#admin = admin
    this.#config = config
    this.#producer = new Producer(client, config, partitioner, maxMessageBytes)
    this.#transactions = new Transactions(client, config, this.#producer)
    this.capabilities = capabilitiesOf(config, maxMessageBytes, nodes)
    this.#groups = new KafkaGroups(client, open, (groupId) => [...(this.#members.get(groupId) ?? [])])
    this.groups = this.#groups
    this.log = new KafkaLog(client, partitioner)
    this.#topics = new KafkaAdmin(client, open, config.acks)
    this.admin = this.#topics
  }

  async publish(topic: string, events: readonly Event[], options: PublishOptions): Promise<readonly PublishResult[]> {
    const { atomic = false, signal } = options
    if (this.#closing !== undefined) throw closed()
    if (events.length === 0) return []
    if (signal.aborted) throw new GatewayError('unavailable', 'The time was over before anything was sent.')
    this.#checkSizes(events)
    this.#published.add(topic)
    return (atomic ? this.#transactions : this.#producer).publish(topic, events, signal)
  }

  async open(topic: string, group: string, { prefetch }: OpenOptions): Promise<Consumer> {
    if (this.#closing !== undefined) throw closed()
    const groupId = await this.#groups.existing(topic, group)
    const { sessionTimeout, instanceId } = this.#config
    const members = this.#members.get(groupId) ?? new Set()
    this.#members.set(groupId, members)
    const consumer: KafkaConsumer = new KafkaConsumer(this.#client, {
      groupId,
      topic,
      prefetch,
      sessionTimeoutMs: sessionTimeout,
      instanceId: members.size === 0 ? instanceId : instanceId && `${instanceId}-${members.size}`,
      onClose: () => members.delete(consumer),
    })
    members.add(consumer)
    try {
      await consumer.join()
      return consumer
    } catch (error) {
      await consumer.close()
      throw translate(error, 'the group')
    }
  }

  /** Good where the cluster answers, and every topic that was published to has leaders with enough replicas. */
  async health(): Promise<void> {
    if (this.#closing !== undefined) throw closed()
    const checking = this.#check().then(() => true)
    if (await unlessAborted(checking, AbortSignal.timeout(healthMs))) return
    throw new GatewayError('unavailable', 'No broker of Kafka answers.', { retryAfterMs: 1000 })
  }

  async #check(): Promise<void> {
    try {
      await this.#client.ping()
      await Promise.all([...this.#published].map((topic) => this.#checkTopic(topic)))
    } catch (error) {
      throw translate(error, 'the check of its health')
    }
  }

  async #checkTopic(topic: string): Promise<void> {
    const state = await this.#topics.describe(topic).catch((error) => {
      // Whoever deleted it knows.
      if (error instanceof GatewayError && error.code === 'not_found') return undefined
      throw error
    })
    const { placement = [], minInsyncReplicas = 1 } = state ?? {}
    const enough = this.#config.acks === 'all' ? minInsyncReplicas : 1
    for (const { partition, leader, replicas, inSync } of placement) {
      const who = `Partition ${partition} of ${topic}`
      if (leader === undefined) throw new GatewayError('unavailable', `${who} has no leader.`)
      // No more than there are can be asked for.
      const needed = Math.min(enough, replicas.length)
      if (inSync.length >= needed) continue
      throw new GatewayError('unavailable', `${who} has ${inSync.length} replicas in sync; ${needed} are needed.`)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const members = [...this.#members.values()].flatMap((own) => [...own])
    await Promise.allSettled(members.map((member) => member.close()))
    await Promise.allSettled([this.#transactions.close(), this.#admin.close(), this.#client.end()])
  }

  #checkSizes(events: readonly Event[]): void {
    const { maxEventBytes } = this.capabilities
    for (const event of events) {
      const size = eventBytes(event)
      if (size <= maxEventBytes) continue
      throw new GatewayError('too_large', `The event has ${size} bytes; Kafka takes ${maxEventBytes} here.`)
    }
  }
}
