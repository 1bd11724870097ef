import type { StreamInfo } from '@nats-io/jetstream'
import {
  type Admin,
  type Broker,
  type Capabilities,
  type Consumer,
  type DeadLetters,
  type Event,
  eventBytes,
  GatewayError,
  type Groups,
  type Log,
  type OpenOptions,
  type PublishOptions,
  type PublishResult,
} from '../../src/core/index.ts'
import { NatsAdmin } from './admin.ts'
import { capabilitiesOf, type Server } from './capabilities.ts'
import type { NatsClient } from './client.ts'
import type { Config } from './config.ts'
import { Membership } from './consume/membership.ts'
import { Settler } from './consume/settler.ts'
import { DeadLetterBox } from './dead-letter-box.ts'
import { NatsDeadLetters } from './dead-letters.ts'
import { closed } from './errors.ts'
import { NatsGroups } from './groups.ts'
import { NatsLog } from './log.ts'
import { SubjectTemplate } from './names.ts'
import { NatsPublisher } from './publish/publisher.ts'
import { noLeader, Streams } from './streams.ts'

const healthMs = 2000
const nanos = 1e6
/** A leader hears of its replicas every second. Without a majority it names itself the leader for ten seconds and more. */
const silentMs = 5000

export class NatsBroker implements Broker {
  readonly capabilities: Capabilities
  readonly groups: Groups
  readonly log: Log
  readonly admin: Admin
  readonly deadLetters: DeadLetters
  readonly #client: NatsClient
  readonly #groups: NatsGroups
  readonly #streams: Streams
  readonly #publisher: NatsPublisher
  readonly #box: DeadLetterBox
  readonly #members = new Membership()
  readonly #published = new Set<string>()
  #closing: Promise<void> | undefined

  constructor(client: NatsClient, config: Config, server: Server) {
    const template = new SubjectTemplate(config.subject)
    this.#client = client
    this.#streams = new Streams(client)
    this.#box = new DeadLetterBox(client)
    this.#publisher = new NatsPublisher(client, this.#streams, template, config.requestTimeout)
    this.capabilities = capabilitiesOf(config, server)
    this.#groups = new NatsGroups(client, this.#streams, config, this.#members)
    this.groups = this.#groups
    this.log = new NatsLog(client, this.#streams, this.#box)
    this.admin = new NatsAdmin(client, this.#streams, template, server)
    this.deadLetters = new NatsDeadLetters(this.#box, this.#groups, this.#streams)
  }

  async publish(topic: string, events: readonly Event[], options: PublishOptions): Promise<readonly PublishResult[]> {
    if (this.#closing !== undefined) throw closed()
    if (events.length === 0) return []
    if (options.signal.aborted) throw new GatewayError('unavailable', 'The time was over before anything was sent.')
    this.#checkSizes(events)
    const results = await this.#publisher.publish(topic, events, options)
    this.#published.add(topic)
    return results
  }

  async open(topic: string, group: string, options: OpenOptions): Promise<Consumer> {
    if (this.#closing !== undefined) throw closed()
    const existing = await this.#groups.opened(topic, group)
    const settler = new Settler(this.#client, this.#box, existing, () => this.#groups.existing(topic, group))
    const isKeyed = this.capabilities.exclusiveKeys
    return this.#members[isKeyed ? 'keyed' : 'shared'](this.#client, settler, options, topic, group)
  }

  /** Good where JetStream answers, and every topic that was published to has somebody who leads it. */
  async health(): Promise<void> {
    if (this.#closing !== undefined) throw closed()
    try {
      await this.#client.ask('INFO', undefined, healthMs)
      await Promise.all([...this.#published].map((topic) => this.#checkTopic(topic)))
    } catch (error) {
      throw this.#client.explain(error, 'the check of its health')
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#members.close()
    await this.#client.close()
  }

  async #checkTopic(topic: string): Promise<void> {
    const known = this.#streams.known(topic)
    if (known === undefined) return
    const name = `STREAM.INFO.${known.stream}`
    const { cluster } = await this.#client.ask<StreamInfo>(name, undefined, healthMs)
    if (cluster === undefined) return
    if (!cluster.leader) throw noLeader(`The stream of ${topic}`)
    const { replicas = [] } = cluster
    const heard = replicas.filter(({ active }) => active < silentMs * nanos).length
    if (2 * (heard + 1) > replicas.length + 1) return
    const detail = `The stream of ${topic} has no majority of its replicas: ${replicas.length - heard} of ${replicas.length + 1} are silent.`
    throw new GatewayError('unavailable', detail, { retryAfterMs: 1000 })
  }

  #checkSizes(events: readonly Event[]): void {
    const { maxEventBytes } = this.capabilities
    for (const event of events) {
      const size = eventBytes(event)
      if (size <= maxEventBytes) continue
      throw new GatewayError('too_large', `The event has ${size} bytes; NATS takes ${maxEventBytes} here.`)
    }
  }
}
