import assert from 'node:assert/strict'
import type { Broker, Capabilities, Consumer, GroupOptions, PublishResult, TopicSpec } from '../../src/core/broker.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { Event } from '../../src/core/event.ts'
import { defaultLimits } from '../../src/core/limits.ts'
import { Publisher } from '../../src/core/topic.ts'
import type { Random } from './random.ts'
import { assertStored } from './refusal.ts'
import { type HookName, hookAdvice, type Target } from './target.ts'
import { within } from './waiting.ts'

/** The size gate is the broker's own here, and what waits is all wanted. */
const limits = {
  ...defaultLimits,
  event: Number.MAX_SAFE_INTEGER,
  queueBytes: Number.MAX_SAFE_INTEGER,
}

/** Long enough never to end by itself while a scenario runs, also on a slow machine. */
const longLeaseMs = 120_000
/** The shortest that the port allows. */
export const shortLeaseMs = 1000

/** What one run of one scenario works with: a broker of its own, topics of its own, and what it must release. */
export class Context {
  readonly target: Target
  readonly random: Random
  readonly deadlineMs: number
  #broker: Broker | undefined
  readonly #opened: Broker[] = []
  readonly #consumers: Consumer[] = []
  readonly #publishers = new Map<string, Publisher>()

  constructor(target: Target, random: Random) {
    this.target = target
    this.random = random
    this.deadlineMs = target.deadlineMs ?? 20_000
  }

  async start(): Promise<void> {
    this.#broker = await this.open()
  }

  get broker(): Broker {
    assert(this.#broker !== undefined, 'the broker is open')
    return this.#broker
  }

  get capabilities(): Readonly<Capabilities> {
    return this.broker.capabilities
  }

  /** Whether an acknowledged event never comes back; where nothing fences, it may. */
  get exact(): boolean {
    return this.capabilities.fencing !== 'none'
  }

  /** One more broker; it is closed with the scenario. */
  async open(): Promise<Broker> {
    const broker = await this.within('the broker opens', this.target.open())
    this.#opened.push(broker)
    return broker
  }

  /** The same scenario with another broker, whose end is the caller's. */
  with(broker: Broker): Context {
    const other = new Context(this.target, this.random)
    other.#broker = broker
    return other
  }

  /** Closes the broker and opens the same data again; consumers and publishers are gone with the old one. */
  async reopen(): Promise<Broker> {
    const reopen = this.hook('reopen')
    this.#broker = await this.within('the broker opens again', reopen(this.broker))
    this.#opened.push(this.#broker)
    this.#publishers.clear()
    return this.#broker
  }

  hook<K extends HookName>(name: K): NonNullable<Target[K]> {
    const hook = this.target[name]
    if (hook === undefined) throw new Error(missingHook(this.target, name))
    return hook.bind(this.target) as NonNullable<Target[K]>
  }

  /** A name that no other run has: `<stem>-<random>`. */
  name(stem: string): string {
    return `${stem}-${crypto.randomUUID().slice(0, 8)}`
  }

  async topic(stem = 'topic', spec: TopicSpec = {}): Promise<string> {
    const topic = this.name(stem)
    await this.createTopic(topic, spec)
    return topic
  }

  async createTopic(topic: string, spec: TopicSpec = {}): Promise<void> {
    const { createTopic } = this.target
    if (createTopic !== undefined) {
      await this.within(`topic ${topic} is created`, createTopic.call(this.target, this.broker, topic, spec))
      return
    }
    const { admin } = this.broker
    assert(
      admin !== undefined,
      `The broker has no admin: give the target ${this.target.name} createTopic(broker, topic).`,
    )
    await this.within(`topic ${topic} is created`, admin.ensure(topic, spec))
  }

  /** A group that begins with what is published from now on. */
  async group(topic: string, options: Partial<GroupOptions> = {}): Promise<string> {
    const group = this.name('group')
    const complete = { start: 'latest', leaseMs: longLeaseMs, maxAttempts: 100, ...options } as const
    const created = await this.within('the group is created', this.broker.groups.create(topic, group, complete))
    assert.equal(created, true, 'a group that was not there is created')
    return group
  }

  /** For what is published before the group that a scenario is about: some brokers keep nothing for nobody, and say so. */
  async listened(topic: string): Promise<void> {
    if (this.capabilities.groups === 'many') await this.group(topic)
  }

  async consumer(topic: string, group: string, prefetch = 1000): Promise<Consumer> {
    const consumer = await this.within('the consumer opens', this.broker.open(topic, group, { prefetch }))
    this.#consumers.push(consumer)
    return consumer
  }

  /** The core's publisher of a topic: it batches and paces as the broker declares. */
  publisher(topic: string): Publisher {
    let publisher = this.#publishers.get(topic)
    if (publisher === undefined) {
      publisher = new Publisher(this.broker, topic, limits, systemClock)
      this.#publishers.set(topic, publisher)
    }
    return publisher
  }

  /** Publishes in order, as the core does, and expects every event to be stored. */
  async publish(topic: string, events: readonly Event[]): Promise<readonly PublishResult[]> {
    const results = await this.within('the events are published', this.publisher(topic).publish(events))
    assertStored(results, events.length)
    return results
  }

  /** Publishes in one call of the port, past the core. */
  publishRaw(
    topic: string,
    events: readonly Event[],
    options: { delayMs?: number; atomic?: boolean; signal?: AbortSignal } = {},
  ): Promise<readonly PublishResult[]> {
    const signal = options.signal ?? AbortSignal.timeout(this.deadlineMs)
    return this.within('the publish settles', this.broker.publish(topic, events, { ...options, signal }))
  }

  within<T>(what: string, promise: Promise<T>): Promise<T> {
    return within(this.deadlineMs, what, promise)
  }

  /** Closes every consumer that was opened so far. */
  async closeConsumers(): Promise<void> {
    for (const consumer of this.#consumers.splice(0)) await this.within('a consumer closes', consumer.close())
  }

  /** Releases everything. Its failures are failures of the scenario. */
  async end(): Promise<void> {
    await this.closeConsumers()
    for (const broker of this.#opened) await this.within('the broker closes', broker.close())
  }
}

export function missingHook(target: Target, hook: HookName): string {
  return `This scenario needs a hook: give the target "${target.name}" ${hookAdvice[hook]}; or declare the scenario in its notApplicable, with the reason.`
}
