import {
  type Admin,
  type Change,
  GatewayError,
  type TopicSpec,
  type TopicState,
  UnsupportedError,
} from '../../src/core/index.ts'
import type { Config } from './config.ts'
import { isMissing, translate } from './errors.ts'
import type { Link } from './link.ts'
import { checkName } from './names.ts'

/** Exchanges that are called so the server made; they can be used, and none be added. */
const reserved = 'amq.'

/** A topic is a durable exchange. */
export class RabbitAdmin implements Admin {
  readonly #link: Link
  readonly #config: Config

  constructor(link: Link, config: Config) {
    this.#link = link
    this.#config = config
  }

  async ensure(topic: string, spec: TopicSpec): Promise<readonly Change[]> {
    const changes = await this.diff(topic, spec)
    if (changes.length > 0) await this.#declare(topic)
    return changes
  }

  async diff(topic: string, spec: TopicSpec): Promise<readonly Change[]> {
    refuse(spec)
    if (await this.#has(topic)) {
      // To declare what is there changes nothing; where it is of another kind, that is refused.
      await this.#declare(topic)
      return []
    }
    if (topic.startsWith(reserved)) {
      const detail = `RabbitMQ keeps names that begin with ${reserved} for itself, and makes no exchange ${topic}. Give the topic another one there (name).`
      throw new GatewayError('invalid_argument', detail)
    }
    return [
      { field: 'topic', to: topic },
      { field: 'exchange', to: this.#config.exchange },
    ]
  }

  async describe(topic: string): Promise<TopicState> {
    await this.exists(topic)
    return { partitions: 1, replicas: 1, retention: {}, dedupWindowMs: 0 }
  }

  async list(): Promise<readonly string[]> {
    throw new UnsupportedError('list', 'AMQP cannot list exchanges: name the topics in the configuration.')
  }

  /** Rejects with `not_found` where there is no such exchange. */
  async exists(topic: string): Promise<void> {
    if (await this.#has(topic)) return
    const detail = `RabbitMQ has no exchange ${topic}, which the topic is: declare it, or give the topic ensure: {}.`
    throw new GatewayError('not_found', detail)
  }

  async #declare(topic: string): Promise<void> {
    const { exchange } = this.#config
    try {
      await this.#link.with((channel) => channel.assertExchange(topic, exchange, { durable: true }))
    } catch (error) {
      throw translate(error, `exchange ${topic} as a durable one of type ${exchange}`)
    }
  }

  async #has(topic: string): Promise<boolean> {
    checkName(topic)
    try {
      await this.#link.with((channel) => channel.checkExchange(topic))
      return true
    } catch (error) {
      if (isMissing(error)) return false
      throw translate(error, `the look at exchange ${topic}`)
    }
  }
}

function refuse({
  partitions = 1,
  replicas = 1,
  minInsyncReplicas,
  compaction,
  retention,
  dedupWindowMs = 0,
}: TopicSpec): void {
  const no = (field: string, why: string) => new UnsupportedError(field, `RabbitMQ ${why} (${field}).`)
  if (partitions > 1) throw no('partitions', 'has no partitions: as many consumers as wish share the queue of a group')
  if (replicas > 1 || minInsyncReplicas !== undefined) {
    throw no('replicas', 'has replicas of queues, and not of topics: the policies of the server say how many')
  }
  if (compaction === true) throw no('compaction', 'keeps no newest event of a key')
  if (retention !== undefined) throw no('retention', 'keeps an event until each group has settled it, and no longer')
  if (dedupWindowMs > 0) throw no('dedupWindowMs', 'does not know an event that it has had before')
}
