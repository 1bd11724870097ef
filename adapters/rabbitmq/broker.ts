import {
  type Admin,
  type Broker,
  type Capabilities,
  type Consumer,
  type Event,
  GatewayError,
  type Groups,
  type OpenOptions,
  type PublishOptions,
  type PublishResult,
  UnsupportedError,
  unlessAborted,
} from '../../src/core/index.ts'
import { RabbitAdmin } from './admin.ts'
import { capabilitiesOf } from './capabilities.ts'
import type { Config } from './config.ts'
import { RabbitConsumer } from './consume/consumer.ts'
import { DeadLetters } from './dead-letters.ts'
import { closed } from './errors.ts'
import { RabbitGroups } from './groups.ts'
import type { Link } from './link.ts'
import { deadQueueOf } from './names.ts'
import { Publisher } from './publish/publisher.ts'
import { Sender } from './sender.ts'

const healthMs = 3000

/** A connection for what is published, which an alarm stops, and one for everything else, which it does not. */
export interface Links {
  readonly link: Link
  readonly publishing: Link
}

export class RabbitBroker implements Broker {
  readonly capabilities: Capabilities
  readonly groups: Groups
  readonly admin: Admin
  readonly #links: Links
  readonly #config: Config
  readonly #groups: RabbitGroups
  readonly #publisher: Publisher
  readonly #deadLetters: DeadLetters
  readonly #members = new Map<string, Set<RabbitConsumer>>()
  #closing: Promise<void> | undefined

  constructor(links: Links, config: Config) {
    const admin = new RabbitAdmin(links.link, config)
    const sender = new Sender(links.publishing)
    this.capabilities = capabilitiesOf(config)
    this.admin = admin
    this.#links = links
    this.#config = config
    this.#groups = new RabbitGroups(links.link, sender, config, admin, (queue) => [...(this.#members.get(queue) ?? [])])
    this.groups = this.#groups
    this.#publisher = new Publisher(links.publishing, config, (topic) => admin.exists(topic))
    this.#deadLetters = new DeadLetters(links.link, sender, config)
  }

  async publish(topic: string, events: readonly Event[], options: PublishOptions): Promise<readonly PublishResult[]> {
    const { atomic = false, delayMs = 0, signal } = options
    if (this.#closing !== undefined) throw closed()
    if (atomic) throw new UnsupportedError('atomicPublishMax', 'RabbitMQ cannot publish several events all or none.')
    if (delayMs > 0) throw new UnsupportedError('publishDelayMs', 'RabbitMQ has no delayed publish.')
    if (events.length === 0) return []
    if (signal.aborted) throw new GatewayError('unavailable', 'The time was over before anything was sent.')
    return this.#publisher.publish(topic, events, signal)
  }

  async open(topic: string, group: string, { prefetch, holdKeys = true }: OpenOptions): Promise<Consumer> {
    if (this.#closing !== undefined) throw closed()
    const queue = await this.#groups.existing(topic, group)
    const members = this.#members.get(queue) ?? new Set()
    this.#members.set(queue, members)
    const consumer: RabbitConsumer = new RabbitConsumer(this.#links.link, {
      topic,
      queue,
      prefetch: Math.min(prefetch, this.#config.prefetch),
      holdKeys: holdKeys && this.capabilities.exclusiveKeys,
      bury: (held, reason) => this.#deadLetters.bury(deadQueueOf(topic, group), held, reason),
      onClose: () => {
        members.delete(consumer)
        if (members.size === 0 && this.#members.get(queue) === members) this.#members.delete(queue)
      },
    })
    members.add(consumer)
    try {
      await consumer.start()
      return consumer
    } catch (error) {
      await consumer.close()
      throw error
    }
  }

  /** Good where both connections are there and the server takes what is published. */
  async health(): Promise<void> {
    if (this.#closing !== undefined) throw closed()
    const checking = this.#publisher.check().then(() => true)
    const isGood = await unlessAborted(checking, AbortSignal.timeout(healthMs))
    if (isGood !== true) throw new GatewayError('unavailable', 'RabbitMQ does not answer.', { retryAfterMs: 1000 })
    if (this.#links.link.fault !== undefined) throw this.#links.link.fault
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const members = [...this.#members.values()].flatMap((own) => [...own])
    const { link, publishing } = this.#links
    // What hangs ends with its connection.
    const ending = Promise.allSettled([...members.map((member) => member.close()), this.#publisher.close()])
    await unlessAborted(ending, AbortSignal.timeout(closeMs))
    await Promise.all([link.close(), publishing.close()])
    await ending
  }
}

const closeMs = 2000
