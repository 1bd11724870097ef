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
  unlessAborted,
} from '../../src/core/index.ts'
import { EmbeddedAdmin } from './admin.ts'
import { capabilitiesOf, maxEventBytes } from './capabilities.ts'
import { encodeEvents } from './codec.ts'
import { EmbeddedConsumer } from './consumer.ts'
import { EmbeddedDeadLetters } from './dead-letters.ts'
import type { Output } from './engine/operations.ts'
import type { TopicInfo } from './engine/topics.ts'
import { closed, noTopic } from './errors.ts'
import { EmbeddedGroups } from './groups.ts'
import { TopicHub } from './hub.ts'
import { EmbeddedLog } from './log.ts'
import type { Link } from './thread/link.ts'

/** How long the writer may take to say that it is well. */
const healthMs = 3000

export class EmbeddedBroker implements Broker {
  readonly capabilities: Capabilities
  readonly groups: Groups
  readonly log: Log
  readonly admin: Admin
  readonly deadLetters: DeadLetters
  readonly #link: Link
  readonly #topics = new Map<string, TopicHub>()
  readonly #release: () => void
  #closing: Promise<void> | undefined

  /** `release` is called when everything is closed. */
  constructor(
    link: Link,
    topics: readonly TopicInfo[],
    durability: 'memory' | 'process' | 'machine',
    release: () => void,
  ) {
    const topic = (name: string) => this.#topic(name)
    const learn = (info: TopicInfo) => {
      const hub = this.#topics.get(info.name)
      if (hub === undefined) this.#topics.set(info.name, new TopicHub(info))
      else hub.info = info
    }
    for (const info of topics) learn(info)
    this.#link = link
    this.#release = release
    this.capabilities = capabilitiesOf(durability)
    this.groups = new EmbeddedGroups(link, topic)
    this.log = new EmbeddedLog(link, topic)
    this.admin = new EmbeddedAdmin(link, this.#topics, topic, learn)
    this.deadLetters = new EmbeddedDeadLetters(link, topic)
    link.onAppended = (numbers) => {
      for (const hub of this.#topics.values()) {
        if (numbers.includes(hub.info.number)) hub.appended(Number.POSITIVE_INFINITY)
      }
    }
  }

  async publish(topic: string, events: readonly Event[], options: PublishOptions): Promise<readonly PublishResult[]> {
    const hub = this.#topic(topic)
    const { delayMs = 0, signal } = options
    if (events.length === 0) return []
    if (signal.aborted) throw new GatewayError('unavailable', 'The time was over before anything was sent.')
    const records = encodeEvents(events)
    // A record is larger than its event counts.
    if (records.length > maxEventBytes) checkSizes(events)
    const input = { topic: hub.info.number, records, count: events.length, delayMs }
    let stored: Output<'publish'> | undefined
    try {
      stored = await unlessAborted(this.#link.call('publish', input, records.buffer), signal)
    } catch (thrown) {
      if (!(thrown instanceof GatewayError) || thrown.code !== 'unknown_outcome') throw thrown
      return unknown(events, thrown)
    }
    if (stored === undefined) return unknown(events, notInTime)
    if (delayMs <= 0) hub.appended(events.length)
    return resultsOf(events, stored)
  }

  async open(topic: string, group: string, options: OpenOptions): Promise<Consumer> {
    const hub = this.#topic(topic)
    const key = { topic: hub.info.number, group }
    await this.#link.call('groupDescribe', key)
    return new EmbeddedConsumer(this.#link, key, hub.group(group), options)
  }

  async health(): Promise<void> {
    if (this.#closing !== undefined) throw closed()
    if (this.#link.fault !== undefined) throw this.#link.fault
    const answered = await unlessAborted(this.#link.call('ping', null), AbortSignal.timeout(healthMs))
    if (answered === undefined) throw new GatewayError('unavailable', 'The embedded broker is stuck on its disk.')
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const ended = this.#link.close()
    for (const hub of this.#topics.values()) hub.close()
    await ended
    this.#release()
  }

  #topic(name: string): TopicHub {
    if (this.#closing !== undefined) throw closed()
    const hub = this.#topics.get(name)
    if (hub === undefined) throw noTopic(name)
    return hub
  }
}

const notInTime = new GatewayError('unknown_outcome', 'The embedded broker did not answer in time.')

function checkSizes(events: readonly Event[]): void {
  for (const event of events) {
    const size = eventBytes(event)
    if (size <= maxEventBytes) continue
    throw new GatewayError('too_large', `The event has ${size} bytes; the embedded broker takes ${maxEventBytes}.`)
  }
}

function unknown(events: readonly Event[], error: GatewayError): PublishResult[] {
  return events.map((event) => ({ id: event.attributes.id, status: 'unknown', error: error.toItem() }))
}

function resultsOf(events: readonly Event[], { first, duplicates }: Output<'publish'>): PublishResult[] {
  const results = new Array<PublishResult>(events.length)
  let next = first
  let duplicate = 0
  for (let i = 0; i < events.length; i++) {
    const { id } = events[i]!.attributes
    if (duplicates !== null && duplicates[duplicate] === i) {
      const original = duplicates[duplicate + 1]!
      duplicate += 2
      results[i] =
        original > 0
          ? { id, status: 'stored', duplicate: true, position: String(original) }
          : { id, status: 'stored', duplicate: true }
    } else if (first === 0) {
      results[i] = { id, status: 'stored' }
    } else {
      results[i] = { id, status: 'stored', position: String(next++) }
    }
  }
  return results
}
