import type { Batch, Consumer, Delivery } from '../core/broker.ts'
import { keyOf } from '../core/event.ts'
import { fanoutGroup } from '../core/own-group.ts'
import type { BoundTopic, OpenTopic } from '../core/topic.ts'
import type { NewDelivery } from '../store/deliveries.ts'
import type { Feed } from '../store/subscriptions.ts'
import type { Catalog, TopicView } from './catalog.ts'
import { Credit } from './credit.ts'
import type { Feeds } from './feeds.ts'
import { deliveryId } from './identity.ts'
import { InlineDelivery } from './inline.ts'
import type { Lane } from './lane.ts'
import { Owed } from './owed.ts'
import { RowDelivery } from './row-delivery.ts'
import { claimEnds, type Placed, storedEvent, withoutPayload } from './rows.ts'
import { Settler } from './settler.ts'
import type { Shared } from './shared.ts'
import { pause } from './timing.ts'
import { Unsettled } from './unsettled.ts'

/** An event that more subscriptions want is written down for each before the first attempt. */
const maxInline = 64
const maxEvents = 2000
const maxBytes = 16 << 20
const pullMax = 500
const pullWaitMs = 5000
const retryMs = { first: 200, most: 5000 } as const
const holdMs = 25
const fullMs = 200
/** How long after it was pulled an event may wait for a process that is behind. */
const heldUpMs = 2000

interface Match {
  readonly owed: Owed
  readonly lane: Lane
  readonly id: string
  readonly key: string | undefined
  /** As it was when the event was matched. */
  readonly feed: Feed
}

/**
 * Matches what comes on one topic out of one of its bindings, once for each event, and sees that every delivery is made
 * or written down.
 */
export class Fanout {
  readonly #shared: Shared
  readonly #catalog: Catalog
  readonly #feeds: Feeds
  readonly #topic: OpenTopic
  readonly #binding: BoundTopic
  readonly #credit = new Credit(maxEvents, maxBytes)
  #unsettled: Unsettled | undefined

  constructor(shared: Shared, catalog: Catalog, feeds: Feeds, topic: OpenTopic, binding: BoundTopic) {
    this.#shared = shared
    this.#catalog = catalog
    this.#feeds = feeds
    this.#topic = topic
    this.#binding = binding
  }

  /** Whether it has events that are not settled. */
  get isHolding(): boolean {
    return this.#unsettled?.isEmpty === false
  }

  /** Goes on until `signal` aborts, and then until what runs has ended or `giveUp` aborts; whatever fails is tried again. */
  async run(signal: AbortSignal, giveUp: AbortSignal): Promise<void> {
    const { log } = this.#shared.context
    const { broker, brokerTopic, brokerName, name } = this.#binding
    let wait: number = retryMs.first
    while (!signal.aborted) {
      let consumer: Consumer | undefined
      try {
        consumer = await broker.open(brokerTopic, fanoutGroup, { prefetch: maxEvents * 2, holdKeys: false })
        wait = retryMs.first
        await this.#consume(consumer, signal, giveUp)
      } catch (error) {
        const fields = { topic: name, broker: brokerName, cause: String(error) }
        log('warn', 'A topic cannot be consumed for its subscriptions; trying again.', fields)
        await pause(wait, signal)
        wait = Math.min(wait * 2, retryMs.most)
      } finally {
        await consumer?.close().catch(() => {})
      }
    }
  }

  async #consume(consumer: Consumer, signal: AbortSignal, giveUp: AbortSignal): Promise<void> {
    const settler = new Settler(this.#shared.context, consumer)
    const unsettled = new Unsettled(this.#credit, (receipt) => settler.ack(receipt))
    this.#unsettled = unsettled
    const { failpoint } = this.#shared.context
    try {
      while (!signal.aborted) {
        const room = await this.#credit.room(signal)
        if (signal.aborted) break
        const batch = await consumer.pull({ max: Math.min(room, pullMax), waitMs: pullWaitMs, signal })
        if (batch.deliveries.length === 0) continue
        failpoint?.('before-match')
        const view = await this.#view(batch, signal)
        if (view === undefined) continue
        await this.#take(batch, view, unsettled, signal)
        failpoint?.('after-match')
      }
      await unsettled.empty(giveUp)
      await settler.idle()
    } finally {
      void settler.idle()
      unsettled.forget()
    }
  }

  /** The subscriptions as they are after the pull. Undefined where the batch is not ours any more. */
  async #view(batch: Batch, signal: AbortSignal): Promise<TopicView | undefined> {
    const { log } = this.#shared.context
    for (let told = false; !batch.revoked.aborted && !signal.aborted; ) {
      try {
        const view = await this.#catalog.view(this.#topic.name)
        if (!view.rejoining) return view
        await pause(holdMs, signal)
      } catch (error) {
        // Without the store nobody knows who wants an event: it waits.
        if (!told) log('warn', 'The store does not tell the subscriptions; events wait.', { cause: String(error) })
        told = true
        await pause(retryMs.first, signal)
      }
    }
    return undefined
  }

  async #take(batch: Batch, view: TopicView, unsettled: Unsettled, signal: AbortSignal): Promise<void> {
    const now = this.#shared.context.clock.now()
    const all = batch.deliveries.map((delivery) => {
      const owed = new Owed(delivery, batch.revoked, now, (one) => unsettled.settle(one))
      unsettled.add(owed)
      return { owed, matches: this.#matchesOf(owed, view) }
    })
    const matches = all.flatMap((one) => one.matches)
    const known = await this.#untilTold(batch, signal, () => this.#knownOf(matches))
    let blocked = await this.#untilTold(batch, signal, () => this.#blockedOf(matches))
    for (const [index, { owed, matches }] of all.entries()) {
      if (known === undefined || blocked === undefined) return
      const left = matches.filter(({ id }) => !known.has(id))
      owed.expect(left.length)
      const rowFirst = left.length > maxInline
      for (const match of left) {
        while (blocked !== undefined) {
          const placed = this.#place(match, rowFirst, blocked)
          if (placed === 'done') break
          await pause(placed === 'full' ? fullMs : holdMs, signal)
          // Of all that is left, for those after this one are placed by it too.
          const rest = all.slice(index).flatMap((one) => one.matches)
          blocked = await this.#untilTold(batch, signal, () => this.#blockedOf(rest))
        }
      }
    }
  }

  #matchesOf(owed: Owed, view: TopicView): Match[] {
    const { digest } = this.#shared.context
    const { event, position } = owed.delivery
    const matches: Match[] = []
    for (const lane of view.match(event)) {
      const { id, ordering, feed } = lane.subscription
      if (this.#feeds.readsFromLog(this.#binding, feed, position)) continue
      const key = ordering === 'key' ? keyOf(event) : undefined
      matches.push({ owed, lane, id: deliveryId(digest, id, this.#topic.name, event), key, feed })
    }
    return matches
  }

  /** What the store answers, as soon as it does. Undefined where the batch is not ours any more. */
  async #untilTold<T>(batch: Batch, signal: AbortSignal, ask: () => Promise<T>): Promise<T | undefined> {
    while (!batch.revoked.aborted && !signal.aborted) {
      try {
        return await ask()
      } catch {
        await pause(retryMs.first, signal)
      }
    }
    return undefined
  }

  /** Which deliveries have a row already, as far as their events may have come before. */
  async #knownOf(matches: readonly Match[]): Promise<ReadonlySet<string>> {
    const again = matches.filter(({ owed }) => this.#mayBeAgain(owed.delivery))
    if (again.length === 0) return none
    return this.#shared.context.store.deliveries.known(again.map(({ id }) => id))
  }

  #mayBeAgain({ attempt }: Delivery): boolean {
    return attempt > 1 || !this.#binding.broker.capabilities.attempts
  }

  /** Which keys of ordered subscriptions wait for a row, told while no such row is being written. */
  async #blockedOf(matches: readonly Match[]): Promise<Set<string>> {
    const { journal, context } = this.#shared
    const pairs = matches.flatMap(({ lane, key }) => {
      return key === undefined ? [] : [{ subscription: lane.subscription.id, key }]
    })
    if (pairs.length === 0) return new Set()
    for (;;) {
      const before = journal.keyed
      const writing = pairs.filter(({ subscription, key }) => journal.isWriting(subscription, key))
      const blocked = new Set(await context.store.deliveries.blocked(pairs))
      for (const { subscription, key } of writing) blocked.add(`${subscription} ${key}`)
      if (journal.keyed === before) return blocked
    }
  }

  /** Where the subscription takes nothing more now, or this process is behind, the event has to wait. */
  #place(match: Match, rowFirst: boolean, blocked: Set<string>): 'done' | 'full' | 'behind' {
    const { lane, key, owed, feed } = match
    if (this.#feeds.isDetaching(lane)) return 'behind'
    const now = lane.subscription.feed
    if (now !== feed && this.#feeds.readsFromLog(this.#binding, now, owed.delivery.position)) {
      // Detached since it was matched.
      owed.taken()
      return 'done'
    }
    const pair = key === undefined ? undefined : `${lane.subscription.id} ${key}`
    const isBlocked = pair !== undefined && blocked.has(pair)
    // Behind one of its key that is being tried, and has no row yet, it may have none either.
    const follows = key !== undefined && lane.holds(key)
    if (!isBlocked && (follows || (lane.admits && !this.#feeds.isFull(lane)))) {
      if ((rowFirst || lane.isSlow) && !follows) {
        if (pair !== undefined) blocked.add(pair)
        this.#rowFirst(match)
      } else this.#inline(match)
      return 'done'
    }
    const { clock } = this.#shared.context
    if (!isBlocked && lane.isHeldUp && clock.now() - owed.since < heldUpMs) return 'behind'
    const overflow = this.#feeds.overflow(this.#topic, this.#binding, lane)
    if (overflow === 'wait') return 'full'
    if (overflow === 'discard') {
      const { digest } = this.#shared.context
      const event = storedEvent(digest, this.#topic.name, owed.parcel, owed.delivery.position)
      const reason = 'The quota of the subscription was full.'
      this.#write(match, { status: 'discarded', reason }, withoutPayload(event), () => owed.taken())
      return 'done'
    }
    if (pair !== undefined) blocked.add(pair)
    const at = Math.max(clock.now(), lane.opensAt)
    this.#write(match, { status: 'parked', at, reason: whyParked(lane, isBlocked) }, undefined, () => {
      this.#shared.due(lane, at)
      owed.taken()
    })
    return 'done'
  }

  #inline({ lane, owed, id, key }: Match): void {
    const inline = new InlineDelivery(this.#shared, lane, owed, id, key)
    this.#shared.young.watch(inline)
    lane.add(inline)
  }

  /** The row is claimed from the start, so that its attempt needs no other statement before it. */
  #rowFirst(match: Match): void {
    const { lane, owed, id, key } = match
    const { context, token } = this.#shared
    const now = context.clock.now()
    const until = claimEnds(lane.subscription, now)
    this.#write(match, { status: 'in_flight', at: until, token }, undefined, (isNew) => {
      owed.taken()
      if (!isNew) return
      const { id: subscription, topic } = lane.subscription
      const eventId = owed.delivery.event.attributes.id
      const row = { id, subscription, topic, eventId, tried: 0, triedEver: 0, createdAt: now }
      const claimed = key === undefined ? row : { ...row, key }
      lane.add(new RowDelivery(this.#shared, lane, claimed, owed.parcel, { token, until }))
    })
  }

  #write(
    { lane, owed, id, key }: Match,
    placed: Placed,
    event: NewDelivery['event'] | undefined,
    written: (isNew: boolean) => void,
  ): void {
    const { context, journal } = this.#shared
    const { id: subscription, topic } = lane.subscription
    const row: NewDelivery = {
      id,
      subscription,
      topic,
      event: event ?? storedEvent(context.digest, topic, owed.parcel, owed.delivery.position),
      attempts: [],
      now: context.clock.now(),
      ...(key !== undefined && { key }),
      ...placed,
    }
    // What cannot be written is not settled: the event comes again.
    journal.insert(row).then(written, () => {})
  }
}

/** Why a delivery waits that was never tried. */
function whyParked(lane: Lane, isBlocked: boolean): string {
  if (isBlocked) return 'It waits for an earlier event of its key.'
  if (!lane.isActive) return `The subscription is ${lane.subscription.status}.`
  if (lane.state.breaker !== 'closed') return 'The breaker is open: the endpoint mostly fails.'
  return 'It waits for its turn: the endpoint has more to do than it takes at once.'
}

const none: ReadonlySet<string> = new Set()
