import type { Broker } from '../core/broker.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { PullGroups, type PullSource } from '../core/group.ts'
import type { Limits } from '../core/limits.ts'
import { type OpenTopic, Publisher, type PublisherHooks } from '../core/topic.ts'

export type TopicPlace = Pick<OpenTopic, 'name' | 'brokerName' | 'brokerTopic' | 'broker' | 'epoch' | 'isSystem'>

/** Makes a topic that is not there; its place says where. */
export type TopicMaker = (name: string) => Promise<TopicPlace>

/** Keeps the leases of a topic whose broker binds receipts to a connection. */
export type LeaseHolder = (place: TopicPlace) => PullSource

/** The topics that the gateway knows. Where it has a maker, topics come into being on first use. */
export class TopicTable {
  readonly creates: boolean
  readonly #limits: Limits
  readonly #clock: Clock
  readonly #hooks: PublisherHooks
  readonly #make: TopicMaker | undefined
  readonly #hold: LeaseHolder | undefined
  readonly #topics = new Map<string, OpenTopic>()
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

  async add(place: TopicPlace): Promise<OpenTopic> {
    const { broker, brokerTopic } = place
    const dedupWindowMs = (await stateOf(broker, brokerTopic))?.dedupWindowMs ?? broker.capabilities.dedupWindowMs
    const publisher = new Publisher(broker, brokerTopic, this.#limits, this.#clock, this.#hooks)
    const pulls = broker.capabilities.receipt === 'portable' ? broker : (this.#hold?.(place) ?? broker)
    const topic = { ...place, dedupWindowMs, publisher, pulls, groups: this.#groupsOf(pulls) }
    this.#topics.set(place.name, topic)
    return topic
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
