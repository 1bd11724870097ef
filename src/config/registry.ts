import type { Broker } from '../core/broker.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { frozen } from '../core/frozen-pulls.ts'
import { PullGroups, type PullSource } from '../core/group.ts'
import type { Limits } from '../core/limits.ts'
import { SwappedPulls } from '../core/swapped-pulls.ts'
import { type BoundTopic, type Draining, type OpenTopic, Publisher, type PublisherHooks } from '../core/topic.ts'

export type TopicPlace = BoundTopic & Pick<OpenTopic, 'isSystem' | 'isOrdered' | 'behind'>

/** Where a topic was before, and since when it is not. */
export type OldPlace = BoundTopic & Pick<Draining, 'since' | 'deadline'>

/** Makes a topic that is not there; its place says where. */
export type TopicMaker = (name: string) => Promise<TopicPlace>

/** Keeps the leases of a topic whose broker binds receipts to a connection. */
export type LeaseHolder = (place: BoundTopic) => PullSource

/** A topic whose binding may come to an end while the gateway runs. */
type LiveTopic = { -readonly [Field in keyof OpenTopic]: OpenTopic[Field] }

/** The topics that the gateway knows. Where it has a maker, topics come into being on first use. */
export class TopicTable {
  readonly creates: boolean
  readonly #limits: Limits
  readonly #clock: Clock
  readonly #hooks: PublisherHooks
  readonly #make: TopicMaker | undefined
  readonly #hold: LeaseHolder | undefined
  readonly #topics = new Map<string, LiveTopic>()
  readonly #making = new Map<string, Promise<OpenTopic>>()
  readonly #groups = new Map<PullSource, PullGroups>()

  constructor(limits: Limits, clock: Clock, hooks: PublisherHooks, make?: TopicMaker, hold?: LeaseHolder) {
    this.creates = make !== undefined
    this.#limits = limits
    this.#clock = clock
    this.#hooks = hooks
    this.#make = make
    this.#hold = hold
  }

  resolve(name: string): OpenTopic | undefined {
    return this.#topics.get(name)
  }

  list(): readonly OpenTopic[] {
    return [...this.#topics.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Concurrent calls make a topic once. Rejects with `not_found` where topics are only declared. */
  create(name: string): Promise<OpenTopic> {
    const known = this.#topics.get(name)
    if (known !== undefined) return Promise.resolve(known)
    if (this.#make === undefined) return Promise.reject(new GatewayError('not_found', 'There is no such topic.'))
    let making = this.#making.get(name)
    if (making === undefined) {
      making = this.#make(name).then((place) => this.add(place))
      this.#making.set(name, making)
      making.finally(() => this.#making.delete(name)).catch(() => {})
    }
    return making
  }

  /** With `old`, nothing can be published yet: whoever drains it says when. */
  async add(place: TopicPlace, old?: OldPlace): Promise<OpenTopic> {
    const { name, broker, brokerTopic, epoch } = place
    const dedupWindowMs = (await stateOf(broker, brokerTopic))?.dedupWindowMs ?? broker.capabilities.dedupWindowMs
    const publisher = new Publisher(broker, brokerTopic, this.#limits, this.#clock, this.#hooks)
    const own = this.#pullsOf(place)
    const pulls =
      epoch === 1
        ? own
        : new SwappedPulls({ ...place, pulls: own }, () => {
            const draining = this.#topics.get(name)?.draining
            return draining?.progress.isLeft === false ? draining : undefined
          })
    const topic: LiveTopic = { ...place, dedupWindowMs, publisher, pulls, groups: this.#groupsOf(pulls) }
    if (old !== undefined) {
      const progress = { isEmptied: false, hasDelayed: true, isLeft: false, groups: [] }
      topic.draining = { ...old, pulls: this.#pullsOf(old), progress }
      publisher.close(new GatewayError('unavailable', `What topic ${name} is drained from is looked at first.`))
    }
    this.#topics.set(name, topic)
    return topic
  }

  /** Nothing is drained any more. */
  drained(name: string): void {
    const topic = this.#topics.get(name)
    if (topic === undefined) return
    delete topic.draining
    topic.publisher.open()
  }

  /** Another replica has bound the topic elsewhere. What is leased here can still be settled. */
  supersede(name: string, broker: string): void {
    const topic = this.#topics.get(name)
    if (topic === undefined || topic.superseded !== undefined) return
    const detail = `Topic ${name} was bound to broker ${broker} by another replica, and this one has it at broker ${topic.brokerName}: start this one with the new configuration.`
    topic.superseded = new GatewayError('unavailable', detail)
    topic.publisher.close(topic.superseded)
    topic.pulls = frozen(topic.pulls, topic.superseded)
  }

  #pullsOf(place: BoundTopic): PullSource {
    const { broker } = place
    return broker.capabilities.receipt === 'portable' ? broker : (this.#hold?.(place) ?? broker)
  }

  #groupsOf(source: PullSource): PullGroups {
    const groups = this.#groups.get(source) ?? new PullGroups(source)
    this.#groups.set(source, groups)
    return groups
  }
}

/** A topic that the configuration leaves to its broker may not be there yet. */
async function stateOf(broker: Broker, brokerTopic: string) {
  try {
    return await broker.admin?.describe(brokerTopic)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'not_found') return undefined
    throw error
  }
}
