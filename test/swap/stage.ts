import { expect } from 'vitest'
import { entriesOf, type ReadEvent } from '../http/events.ts'
import { Group } from '../http/groups.ts'
import type { Ask } from '../http/lacks.ts'
import type { Word } from './brokers.ts'
import { capabilitiesIn, describeBroker, describeTopic } from './described.ts'
import { type Able, anotherGroup, type Capabilities, expectation, type Need, pull, replay } from './expectation.ts'
import { Installation, type TopicLine, topicName } from './installation.ts'
import type { Ended } from './process.ts'
import { step } from './step.ts'
import type { WatchedClient } from './watched-client.ts'

/** A running gateway all of whose topics have one word after `broker:`, and what is said that they can do. */
export class Stage implements Able {
  readonly word: Word
  /** All brokers of the configuration, sorted. */
  readonly brokers: readonly Word[]
  /** What a topic can do, the gateway's part and the broker's. */
  readonly capabilities: Capabilities
  /** What the broker can do by itself. */
  readonly own: Capabilities
  /** All topics, sorted. */
  readonly topics: readonly string[]
  readonly #installation: Installation
  readonly #lines: ReadonlyMap<string, TopicLine>
  readonly #unused: string[]
  /** What a witness pulled, by topic. */
  readonly #pulled = new Map<string, ReadEvent[]>()
  client: WatchedClient

  private constructor(
    installation: Installation,
    client: WatchedClient,
    word: Word,
    brokers: readonly Word[],
    able: Able,
    lines: ReadonlyMap<string, TopicLine>,
  ) {
    this.#installation = installation
    this.client = client
    this.word = word
    this.brokers = brokers
    this.capabilities = able.capabilities
    this.own = able.own
    this.#lines = lines
    this.topics = [...lines.keys()].sort()
    this.#unused = [...this.topics]
  }

  static async create(word: Word, topics: number): Promise<Stage> {
    const name = topicName('swap')
    const lines = new Map(Array.from({ length: topics }, (_, i) => [`${name}.${i}`, { broker: word }]))
    // The others are there to swap with.
    const brokers = [...new Set<Word>(['local', 'memory', word])].sort()
    const installation = await Installation.create(brokers)
    try {
      const client = await installation.start(lines)
      const capabilities = capabilitiesIn(await describeTopic(client, `${name}.0`))
      const own = capabilitiesIn(await describeBroker(client, word))
      return new Stage(installation, client, word, brokers, { capabilities, own }, lines)
    } catch (error) {
      await installation.remove()
      throw error
    }
  }

  can(...needs: readonly Need[]): boolean {
    return expectation(this, needs).works
  }

  /** A topic that nothing was published to, and that can be looked into. */
  async topic(): Promise<string> {
    const topic = this.bareTopic()
    // Where nothing can be read again, a group that is there before the first event sees them all.
    if (!this.can(replay) && this.can(pull)) {
      await this.#witness(topic).create()
      this.#pulled.set(topic, [])
    }
    return topic
  }

  /** The same for who brings a group or a subscription along: where a topic has one group, none looks into it. */
  async freeTopic(): Promise<string> {
    return this.can(anotherGroup) ? this.topic() : this.bareTopic()
  }

  /** One that nothing but its log lets one look into. */
  bareTopic(): string {
    const topic = this.#unused.pop()
    if (topic === undefined) throw new Error('The configuration declares too few topics for these scenarios.')
    return topic
  }

  #witness(topic: string): Group {
    return new Group(this.client, topic, 'witness')
  }

  /**
   * Everything in a topic, in the order of its keys; undefined where the broker gives no way to look. Waits for `count`
   * where events come to who looks and do not lie there; what is more than that is seen as far as it came by then.
   */
  async contents(topic: string, count: number): Promise<readonly ReadEvent[] | undefined> {
    if (this.can(replay)) return (await entriesOf(this.client, topic)).map(({ event }) => event)
    const seen = this.#pulled.get(topic)
    if (seen === undefined) return undefined
    const witness = this.#witness(topic)
    for (;;) {
      const deliveries = await witness.pull(1000, seen.length < count ? '20s' : undefined)
      if (deliveries.length === 0) return seen
      seen.push(...deliveries.map(({ event }) => event))
      await witness.settle(...deliveries.map(({ lease }) => ({ lease, outcome: 'ack' })))
    }
  }

  /** Asserts what is in a topic, where the broker lets one look, in no order. */
  async holds(topic: string, ids: readonly string[]): Promise<void> {
    const found = await this.contents(topic, ids.length)
    if (found !== undefined) expect(found.map(({ id }) => id).sort()).toEqual([...ids].sort())
  }

  /** See `step`. What is refused changes nothing: neither what the topic holds, nor who reads it. */
  step(
    topic: string,
    needs: readonly Need[],
    asks: readonly Ask[],
    works: () => Promise<void>,
    holds: readonly string[] = [],
  ): Promise<void> {
    const look = async () => {
      await this.holds(topic, holds)
      const { groups, subscriptions } = await describeTopic(this.client, topic)
      return { groups, subscriptions }
    }
    return step(this.client, this, needs, asks, look, works)
  }

  /** Ends the gateway and starts it again with the same configuration. */
  async restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<Ended | undefined> {
    const ended = await this.#installation.stop(signal)
    this.client = await this.#installation.start(this.#lines)
    // What is in memory is gone, and so is who watched it.
    const gone = this.capabilities.durability === 'memory' ? [...this.#pulled.keys()] : []
    for (const topic of gone) {
      await this.#witness(topic).create()
      this.#pulled.set(topic, [])
    }
    return ended
  }

  remove(): Promise<void> {
    return this.#installation.remove()
  }
}
