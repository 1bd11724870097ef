import { toGatewayError } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { fanoutGroup } from '../core/own-group.ts'
import type { BoundTopic, OpenTopic } from '../core/topic.ts'
import type { NewDelivery } from '../store/deliveries.ts'
import type { Feed } from '../store/subscriptions.ts'
import type { Catalog } from './catalog.ts'
import { deliveryId } from './identity.ts'
import type { Lane } from './lane.ts'
import {
  beginningOf,
  chunksOf,
  edgeOf,
  isBefore,
  isCursor,
  isReplayable,
  located,
  logOf,
  placeOf,
} from './log-range.ts'
import { matches } from './match/matcher.ts'
import { logRow } from './rows.ts'
import type { Shared } from './shared.ts'
import { pause } from './timing.ts'

/** So many rows of a subscription are ahead of its attempts, and no more: the log keeps the rest. */
const aheadRows = 1000
const chunkRows = 500
const leaseMs = 15_000
const waitMs = 100
const retryMs = 1000
/** Replicas that do not know yet that a topic was bound elsewhere publish to where it was for less than this. */
const quietMs = 5000

type Detached = Exclude<Feed, { state: 'attached' }>

/**
 * Turns what a detached subscription has missed into rows, a bounded number ahead, and attaches it again at the end of
 * the log. One replica does it at a time; where that one dies, another goes on from the last chunk.
 */
export class FeedPump {
  readonly #shared: Shared
  readonly #catalog: Catalog
  readonly #topic: OpenTopic
  readonly #lane: Lane
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  ended: Promise<void> = Promise.resolve()

  constructor(shared: Shared, catalog: Catalog, topic: OpenTopic, lane: Lane) {
    this.#shared = shared
    this.#catalog = catalog
    this.#topic = topic
    this.#lane = lane
    this.#signal = AbortSignal.any([this.#stop.signal, shared.stopping])
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Resolves when the subscription is attached again, or the pump was stopped. */
  run(): Promise<void> {
    this.ended = this.#run()
    return this.ended
  }

  async #run(): Promise<void> {
    const { context } = this.#shared
    while (!this.#signal.aborted) {
      try {
        const waitMs = this.#idleMs
        if (waitMs > 0) {
          await pause(waitMs, this.#signal)
          continue
        }
        const feed = await this.#detached()
        if (feed === undefined) return
        if ((await this.#mayPump(feed)) && (await this.#isNext(feed))) await this.#pump(feed)
        else await pause(retryMs, this.#signal)
      } catch (thrown) {
        const error = toGatewayError(thrown)
        if (this.#signal.aborted) return
        if (error.code === 'conflict') continue
        const { id: subscription } = this.#lane.subscription
        context.log('warn', 'A subscription cannot be fed from the log; trying again.', {
          subscription,
          cause: error.message,
        })
        await pause(retryMs, this.#signal)
      }
    }
  }

  /** How long nothing can be done, as far as this replica knows without asking the store. */
  get #idleMs(): number {
    if (this.#lane.subscription.feed.state === 'rejoining') return 0
    const now = this.#shared.context.clock.now()
    if (!this.#lane.isActive) return retryMs
    if (this.#lane.opensAt > now) return Math.min(this.#lane.opensAt - now, 5 * retryMs)
    return this.#shared.pending.of(this.#lane.subscription.id).events >= aheadRows / 2 ? waitMs : 0
  }

  /** The feed as it stands; undefined where there is nothing to pump. */
  async #detached(): Promise<Detached | undefined> {
    const stored = await this.#shared.context.store.subscriptions.get(this.#lane.subscription.id)
    return stored === undefined || stored.feed.state === 'attached' ? undefined : stored.feed
  }

  /** While it attaches again the whole topic waits: that comes to its end whatever the endpoint does. */
  async #mayPump({ state }: Detached): Promise<boolean> {
    const { context, token } = this.#shared
    const now = context.clock.now()
    if (state !== 'rejoining' && (!this.#lane.isActive || this.#lane.opensAt > now)) return false
    return context.store.subscriptions.leaseFeed(this.#lane.subscription.id, token, now + leaseMs, now)
  }

  /**
   * Whether events of the log may come now. Where keys are in order, those before it, which come through the group, are
   * all delivered or written down first.
   */
  async #isNext({ state, from, next }: Detached): Promise<boolean> {
    if (state === 'rejoining' || this.#lane.subscription.ordering === 'none' || next !== from) return true
    const at = located(this.#topic, from)
    if (at === undefined || !isCursor(at.start)) return true
    const { broker, brokerTopic } = at.binding
    return (await broker.groups.passed?.(brokerTopic, fanoutGroup, at.start)) ?? true
  }

  async #pump(feed: Detached): Promise<void> {
    const { context } = this.#shared
    const { id } = this.#lane.subscription
    const at = located(this.#topic, feed.next)
    if (at === undefined) {
      await this.#rebound(feed)
      return
    }
    const { binding, start: from } = at
    let next = feed.next
    let room = feed.state === 'rejoining' ? chunkRows : await this.#room()
    const readAt = context.clock.now()
    const mayGrow = this.#mayGrow(binding, readAt)
    let leasedAt = readAt
    if (room <= 0) {
      await pause(waitMs, this.#signal)
      return
    }
    const accepts = (event: Event): boolean => matches(this.#lane.subscription.filters, event)
    const sizes = (): number => Math.min(chunkRows, room)
    try {
      for await (const { records, cursor } of chunksOf(binding, { from }, accepts, sizes, this.#signal)) {
        const rows = records.map((record) => {
          const { subscription } = this.#lane
          return logRow(context, subscription, record, deliveryId(context.digest, id, subscription.topic, record.event))
        })
        const to = placeOf(binding, cursor)
        await context.store.deliveries.insert(rows, { feed: id, from: next, to })
        next = to
        if (rows.length > 0) this.#inserted(rows)
        room -= rows.length
        // The end of what is to be done now; while it attaches again, the group's events wait for the rest.
        if (room <= 0 && feed.state !== 'rejoining') return
        if (room <= 0) room = chunkRows
        if (context.clock.now() - leasedAt > leaseMs / 3) {
          if (!(await this.#mayPump(feed))) return
          leasedAt = context.clock.now()
        }
      }
    } catch (thrown) {
      if (toGatewayError(thrown).code !== 'stale_cursor') throw thrown
      await this.#expired({ ...feed, next }, binding)
      return
    }
    if (this.#signal.aborted) return
    if (binding !== this.#topic && feed.state === 'detached' && isReplayable(this.#topic)) {
      if (mayGrow) await pause(retryMs, this.#signal)
      else await this.#goOn({ ...feed, next })
    } else await this.#advance({ ...feed, next })
  }

  /** Whether a log may get more events: replicas may publish to an old one for a while, and what is delayed comes later. */
  #mayGrow(binding: BoundTopic, now: number): boolean {
    const { draining } = this.#topic
    return binding !== draining || now - draining.since < quietMs || draining.progress.hasDelayed
  }

  /** The log of the binding that the topic had before is read: on to that of the present one. */
  async #goOn(feed: Detached): Promise<void> {
    const { store } = this.#shared.context
    await store.subscriptions.feed(this.#lane.subscription.id, feed, { ...feed, next: beginningOf(this.#topic) })
  }

  /** How many rows may be added now; one while it is not known whether the endpoint is back. */
  async #room(): Promise<number> {
    const { id } = this.#lane.subscription
    const [pending] = await this.#shared.context.store.deliveries.pending(id)
    const most = this.#lane.state.breaker === 'half-open' ? 1 : aheadRows
    return most - (pending?.events ?? 0)
  }

  #inserted(rows: readonly NewDelivery[]): void {
    const { pending, context } = this.#shared
    for (const { subscription, event } of rows) pending.add(subscription, 1, event.bytes.length)
    this.#shared.due(this.#lane, context.clock.now())
  }

  /** The log is read: at first the group's events are told to wait, then what came meanwhile is read, then it is attached. */
  async #advance(feed: Detached): Promise<void> {
    const { context } = this.#shared
    const { id } = this.#lane.subscription
    const { from, next } = feed
    const to: Feed =
      feed.state === 'detached' ? { state: 'rejoining', from, next } : { state: 'attached', gap: { from, to: next } }
    if (!(await context.store.subscriptions.feed(id, feed, to))) return
    await this.#catalog.refresh()
    if (to.state === 'attached') context.log('info', 'A subscription has caught up.', { subscription: id })
  }

  /** One row for all of them: which they were, nobody knows any more. */
  async #noteExpired(place: string, reason: string): Promise<void> {
    const { context } = this.#shared
    const { id: subscription, topic } = this.#lane.subscription
    const ref = context.digest(`expired\n${subscription}\n${place}`).slice(0, 32)
    const event = {
      ref: `-${ref}`,
      id: place,
      source: `/topics/${topic}`,
      type: 'sluice.expired',
      bytes: new Uint8Array(0),
    }
    const now = context.clock.now()
    const row = { id: `dlv_${ref}`, subscription, topic, event, reason, attempts: [], now } as const
    await context.store.deliveries.insert([{ ...row, status: 'expired' }])
  }

  /** The topic was bound to another broker, and what was left in the old one abandoned: all of the new one is to come. */
  async #rebound(feed: Detached): Promise<void> {
    // This replica is the one that does not know of another binding yet.
    if (isBefore(this.#topic, undefined, feed.next)) {
      await pause(retryMs, this.#signal)
      return
    }
    const binding = this.#topic.draining ?? this.#topic
    const next = beginningOf(binding)
    const to: Feed = isReplayable(binding) ? { ...feed, from: next, next } : { state: 'attached' }
    await this.#shared.context.store.subscriptions.feed(this.#lane.subscription.id, feed, to)
  }

  /** Retention has overtaken it: what is gone is told, and it goes on from what is left. */
  async #expired(feed: Detached, binding: BoundTopic): Promise<void> {
    const { context, stopping } = this.#shared
    const { subscription } = this.#lane
    const earliest = await edgeOf(binding, 'earliest', stopping)
    const next = placeOf(binding, earliest)
    if (!(await context.store.subscriptions.feed(subscription.id, feed, { ...feed, next }))) return
    const { start } = located(this.#topic, feed.next) ?? { start: earliest }
    const events = isCursor(start) ? logOf(binding).between(start, earliest) : 0
    const reason = `Retention has removed up to ${events} events before the subscription had read them.`
    const data = { events, from: feed.next, to: next }
    await this.#noteExpired(feed.next, reason)
    context.log('error', reason, { subscription: subscription.id, ...data })
    context.announce({ type: 'sluice.subscription.expired', subscription, reason, data })
  }
}
