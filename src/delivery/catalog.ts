import type { Event } from '../core/event.ts'
import type { StoredSubscription, SubscriptionSnapshot } from '../store/subscriptions.ts'
import type { DeliveryContext } from './context.ts'
import { Lane } from './lane.ts'
import { Matcher } from './match/matcher.ts'
import type { Slots } from './slots.ts'

const emptyView: TopicView = { lanes: [], match: () => [], rejoining: false }

/** The subscriptions of one topic, as of one moment. */
export interface TopicView {
  readonly lanes: readonly Lane[]
  /** The lanes whose subscription wants the event. */
  match(event: Event): Lane[]
  /** Whether one of them is about to take its events from the group again, and it is not known from where on. */
  readonly rejoining: boolean
}

/**
 * What this replica knows of the subscriptions. The store's change counter says when that is out of date, so that a
 * subscription misses nothing from the moment on that its creation was answered.
 */
export class Catalog {
  readonly #context: DeliveryContext
  readonly #slots: Slots
  readonly #lanes = new Map<string, Lane>()
  readonly #views = new Map<string, TopicView>()
  readonly #onChange: () => void
  readonly #onLane: (lane: Lane) => void
  #version = -1
  #loading: Promise<void> | undefined

  /** `onLane` is told of every new lane, `onChange` after something was different. */
  constructor(context: DeliveryContext, slots: Slots, onLane: (lane: Lane) => void, onChange: () => void) {
    this.#context = context
    this.#slots = slots
    this.#onLane = onLane
    this.#onChange = onChange
  }

  get topics(): IterableIterator<string> {
    return this.#views.keys()
  }

  get lanes(): IterableIterator<Lane> {
    return this.#lanes.values()
  }

  lane(subscription: string): Lane | undefined {
    return this.#lanes.get(subscription)
  }

  /** The topic as it was last looked at. */
  known(topic: string): TopicView {
    return this.#views.get(topic) ?? emptyView
  }

  /** The topic as it is now: with everything that was stored before the call. Rejects where the store cannot tell. */
  async view(topic: string): Promise<TopicView> {
    await this.refresh()
    return this.known(topic)
  }

  async refresh(): Promise<void> {
    const version = await this.#context.store.subscriptions.version()
    while (this.#version < version) {
      this.#loading ??= this.#load().finally(() => {
        this.#loading = undefined
      })
      await this.#loading
    }
  }

  async #load(): Promise<void> {
    const { subscriptions } = this.#context.store
    const snapshot = await subscriptions.load(this.#version)
    const known = snapshot.subscriptions.filter(({ id }) => this.#lanes.has(id)).length
    const expected = this.#lanes.size + snapshot.subscriptions.length - known
    // What is gone was no change of its own.
    const left = expected === snapshot.total ? undefined : new Set(await subscriptions.ids())
    this.#apply(snapshot, left)
    this.#onChange()
  }

  #apply({ version, subscriptions }: SubscriptionSnapshot, left: ReadonlySet<string> | undefined): void {
    const changed = new Set<string>()
    for (const subscription of subscriptions) {
      const lane = this.#lanes.get(subscription.id)
      if (lane === undefined) this.#add(subscription)
      else if (same(lane.subscription, subscription)) continue
      else lane.update(subscription)
      changed.add(subscription.topic)
    }
    for (const [id, lane] of left === undefined ? [] : [...this.#lanes]) {
      if (left!.has(id)) continue
      changed.add(lane.subscription.topic)
      this.#lanes.delete(id)
      lane.update({ ...lane.subscription, status: 'ended' })
    }
    this.#version = version
    if (changed.size > 0) this.#index(changed)
  }

  #add(subscription: StoredSubscription): void {
    const lane = new Lane(this.#context, this.#slots, subscription)
    this.#lanes.set(subscription.id, lane)
    this.#onLane(lane)
  }

  /** A topic that lost its last subscription keeps an empty view: what comes on it is still to be settled. */
  #index(topics: ReadonlySet<string>): void {
    const byTopic = new Map<string, Lane[]>([...topics].map((topic) => [topic, []]))
    for (const lane of this.#lanes.values()) byTopic.get(lane.subscription.topic)?.push(lane)
    for (const [topic, lanes] of byTopic) {
      const wanting = lanes.filter(({ subscription }) => subscription.status !== 'ended')
      const rejoining = wanting.some(({ subscription }) => subscription.feed.state === 'rejoining')
      // Made when an event comes: for many subscriptions that takes a while, and several may change before.
      let matcher: Matcher<Lane> | undefined
      const match = (event: Event): Lane[] => {
        matcher ??= new Matcher(wanting.map((lane) => ({ filters: lane.subscription.filters, value: lane })))
        return matcher.match(event)
      }
      this.#views.set(topic, { lanes: wanting, match, rejoining })
    }
  }
}

function same(a: StoredSubscription, b: StoredSubscription): boolean {
  return a.revision === b.revision && a.status === b.status && JSON.stringify(a.feed) === JSON.stringify(b.feed)
}
