import { GatewayError } from '../core/errors.ts'
import type { BoundTopic, OpenTopic } from '../core/topic.ts'
import type { Feed } from '../store/subscriptions.ts'
import type { Catalog } from './catalog.ts'
import { FeedPump } from './feed-pump.ts'
import type { Lane } from './lane.ts'
import { edgeOf, isBefore, isReplayable, located, placeOf } from './log-range.ts'
import type { Shared } from './shared.ts'
import { pause } from './timing.ts'

/** How long events of a subscription wait for its being detached; and how long after a failure that is tried again. */
const holdMs = 2000
const againMs = 5000
/** A subscription that has more than so many rows does not keep up: it reads from the log then, if there is one. */
const maxRows = 1000

/**
 * Where subscriptions take their events from. One that is broken, paused or cannot keep up is detached where the broker
 * replays: it keeps a place in the log instead of rows, and catches up from there when it can.
 */
export class Feeds {
  readonly #shared: Shared
  readonly #catalog: Catalog
  /** Since when each is being detached. */
  readonly #detaching = new Map<string, number>()
  readonly #pumps = new Map<string, FeedPump>()

  constructor(shared: Shared, catalog: Catalog) {
    this.#shared = shared
    this.#catalog = catalog
  }

  /**
   * Whether an event of the group comes to a subscription out of the log, and not from here. Out of the log of a binding
   * that a topic had before, a feed goes on in the log of the present one, where there is one.
   */
  readsFromLog(binding: BoundTopic, feed: Feed, position: string | undefined): boolean {
    if (feed.state === 'attached') {
      if (feed.gap === undefined) return false
      return isBefore(binding, position, feed.gap.to) && !isBefore(binding, position, feed.gap.from)
    }
    return isReplayable(binding) && !isBefore(binding, position, feed.from)
  }

  /** Whether the subscription has as many rows as it may: nothing new is tried then, for it might need one too. */
  isFull(lane: Lane): boolean {
    const { policy, id } = lane.subscription
    const { events, bytes } = this.#shared.pending.of(id)
    return events >= policy.quota.events || bytes >= policy.quota.bytes
  }

  /**
   * Whether it is just being decided from where on a subscription reads the log. What is given to it meanwhile might come
   * out of the log again; so it waits, but not for a broker or a store that does not answer.
   */
  isDetaching({ subscription: { id } }: Lane): boolean {
    const since = this.#detaching.get(id)
    return since !== undefined && performance.now() - since < holdMs
  }

  /** What to do with an event of a binding whose subscription cannot take it now. */
  overflow(topic: OpenTopic, binding: BoundTopic, lane: Lane): 'park' | 'discard' | 'wait' {
    const { policy, id } = lane.subscription
    const { events } = this.#shared.pending.of(id)
    // What reads from the log of an old binding goes on in that of the present one, which must be there.
    if (isReplayable(binding) && isReplayable(topic)) {
      if (!lane.isActive || lane.state.breaker === 'open' || events >= Math.min(maxRows, policy.quota.events)) {
        this.#detach(binding, lane)
      }
      // What the group had not come to when it was detached still gets rows: no more than its lag, and nobody waits.
      return 'park'
    }
    if (!this.isFull(lane)) return 'park'
    return policy.onFull === 'discard' ? 'discard' : 'wait'
  }

  /** Starts what can be read from the log, and forgets what is attached again. Cheap: called after every change. */
  tend(): void {
    for (const [id, pump] of this.#pumps) {
      if (this.#catalog.lane(id) !== undefined) continue
      pump.stop()
      this.#pumps.delete(id)
    }
    for (const lane of this.#catalog.lanes) {
      const { id, feed, topic: name } = lane.subscription
      const topic = this.#shared.context.topics.resolve(name)
      const isIdle = feed.state === 'attached' || (feed.state === 'detached' && !lane.isActive)
      if (isIdle || topic?.superseded !== undefined) {
        this.#pumps.get(id)?.stop()
        this.#pumps.delete(id)
        continue
      }
      if (this.#pumps.has(id) || topic === undefined) continue
      const at = located(topic, feed.next)
      if (at !== undefined && !isReplayable(at.binding)) continue
      const pump = new FeedPump(this.#shared, this.#catalog, topic, lane)
      this.#pumps.set(id, pump)
      void pump.run().finally(() => {
        if (this.#pumps.get(id) === pump) this.#pumps.delete(id)
      })
    }
  }

  async stop(): Promise<void> {
    const pumps = [...this.#pumps.values()]
    for (const pump of pumps) pump.stop()
    await Promise.all(pumps.map((pump) => pump.ended))
  }

  #detach(binding: BoundTopic, lane: Lane): void {
    const { id, feed } = lane.subscription
    if (feed.state !== 'attached' || this.#detaching.has(id)) return
    this.#detaching.set(id, performance.now())
    this.#detachNow(binding, lane, feed)
      .catch((error: unknown) => {
        const cause = error instanceof GatewayError ? error.message : String(error)
        this.#shared.context.log('warn', 'A subscription could not be detached; trying again.', {
          subscription: id,
          cause,
        })
        return pause(againMs, this.#shared.stopping)
      })
      .finally(() => this.#detaching.delete(id))
  }

  /** Events before the place come through the group, as before; those behind it out of the log. */
  async #detachNow(binding: BoundTopic, lane: Lane, feed: Feed): Promise<void> {
    const { context, stopping } = this.#shared
    const { id } = lane.subscription
    const end = placeOf(binding, await edgeOf(binding, 'latest', stopping))
    if (!(await context.store.subscriptions.feed(id, feed, { state: 'detached', from: end, next: end }))) return
    await this.#catalog.refresh()
    const why = lane.isActive ? lane.state.breaker : lane.subscription.status
    context.log('info', 'A subscription is detached: it goes on from the log.', { subscription: id, why })
  }
}
