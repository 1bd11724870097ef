import type { Capabilities, CapabilityName, Consumer } from '../../core/broker.ts'
import type { PullSource } from '../../core/group.ts'
import { HeldConsumer } from './consumer.ts'
import type { HeldContext, HeldPlace } from './context.ts'
import { HeldDeadLetters } from './dead-letters.ts'
import { HeldTopicGroups } from './groups.ts'

/** What the store's leases can do, whatever the broker can. */
const gained = {
  settlement: 'individual',
  receipt: 'portable',
  nackDelayMs: 7 * 86_400_000,
  reject: true,
  extend: true,
  attempts: true,
  exclusiveKeys: true,
} as const satisfies Partial<Capabilities>

/** The groups of one topic, pulled from the store instead of the broker. */
class HeldTopic implements PullSource {
  readonly capabilities: Capabilities
  readonly added = Object.keys(gained) as readonly CapabilityName[]
  readonly groups: HeldTopicGroups
  readonly deadLetters: HeldDeadLetters
  readonly #context: HeldContext
  readonly #place: HeldPlace
  readonly #consumers = new Map<string, HeldConsumer>()

  constructor(context: HeldContext, place: HeldPlace) {
    this.#context = context
    this.#place = place
    this.capabilities = { ...place.broker.capabilities, ...gained }
    this.groups = new HeldTopicGroups(context, place, async (group) => this.#consumers.get(group)?.restart())
    this.deadLetters = new HeldDeadLetters(
      context,
      place,
      (topic, group) => this.groups.existing(topic, group),
      (group) => this.#consumers.get(group)?.changed(),
    )
  }

  async open(topic: string, group: string): Promise<Consumer> {
    await this.groups.existing(topic, group)
    const consumer = this.#consumers.get(group) ?? new HeldConsumer(this.#context, this.#place, group)
    this.#consumers.set(group, consumer)
    return consumer
  }

  async close(): Promise<void> {
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.close()))
  }
}

/** Every topic whose leases this replica hands out. */
export class HeldTopics {
  readonly #context: () => HeldContext
  readonly #topics: HeldTopic[] = []

  /** `context` is asked for with the first topic. */
  constructor(context: () => HeldContext) {
    this.#context = context
  }

  add(place: HeldPlace): PullSource {
    const topic = new HeldTopic(this.#context(), place)
    this.#topics.push(topic)
    return topic
  }

  /** Brokers have their consumers back once it resolves. */
  async close(): Promise<void> {
    await Promise.all(this.#topics.map((topic) => topic.close()))
  }
}
