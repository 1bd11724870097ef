import type { AttemptResult } from '../core/delivery.ts'
import { Parcel } from '../core/parcel.ts'
import type { Subscription } from '../core/subscription.ts'
import type { OpenTopic } from '../core/topic.ts'
import type { Feed, StoredSubscription } from '../store/subscriptions.ts'
import { Catalog } from './catalog.ts'
import { Claims } from './claims.ts'
import type { DeliveryContext } from './context.ts'
import { Drains } from './drain/drains.ts'
import { Fanouts } from './fanouts.ts'
import { Feeds } from './feeds.ts'
import { FirstSecond } from './first-second.ts'
import { Health } from './health.ts'
import { Journal } from './journal.ts'
import { type Behind, type GroupLag, Lag } from './lag.ts'
import type { Lane } from './lane.ts'
import { beforeAll, edgeOf, isReplayable, placeOf, requirePlace } from './log-range.ts'
import { Operations } from './operations.ts'
import { PendingRows } from './pending.ts'
import type { Shared } from './shared.ts'
import { Slots } from './slots.ts'
import { Upkeep } from './upkeep.ts'

const lookMs = 2000
/** How long metrics wait for brokers; those that take longer tell at the next time. */
const watchMs = 1000

export interface Watch {
  readonly now: number
  readonly lanes: readonly {
    readonly lane: Lane
    readonly pending: { readonly events: number; readonly bytes: number; readonly oldestAt: number }
    readonly behind: Behind | undefined
  }[]
  readonly groups: readonly GroupLag[]
  /** Events that were left behind at a broker since this replica started, by topic. */
  readonly left: readonly { readonly topic: string; readonly events: number }[]
}

/** Delivers the events of all topics to their subscriptions, on this replica. */
export class DeliveryEngine {
  readonly #context: DeliveryContext
  readonly #shared: Shared
  readonly #catalog: Catalog
  readonly #claims: Claims
  readonly #feeds: Feeds
  readonly #operations: Operations
  readonly #upkeep: Upkeep
  readonly #lag: Lag
  readonly #fanouts: Fanouts
  readonly #drains: Drains
  readonly #stopping = new AbortController()
  #timer: ReturnType<typeof setInterval> | undefined
  #stopped: Promise<void> | undefined

  constructor(context: DeliveryContext) {
    this.#context = context
    const pending = new PendingRows(context)
    const slots = new Slots(context.maxAttempts)
    this.#catalog = new Catalog(
      context,
      slots,
      (lane) => {
        lane.onRoom = (one) => this.#claims.room(one)
      },
      () => this.#changed(),
    )
    const health = new Health(context, this.#catalog)
    this.#shared = {
      context,
      pending,
      journal: new Journal(context, pending),
      claimed: { rows: 0, bytes: 0 },
      young: new FirstSecond(() => context.clock.now()),
      token: crypto.randomUUID(),
      stopping: this.#stopping.signal,
      concluded: (lane, job, result, decision) => {
        const { id, eventId, since, replay, triedEver } = job
        const subscription = lane.subscription
        const attempt = { subscription, id, eventId, since, replay, number: triedEver + 1 }
        const next = decision.kind === 'parked' ? decision.at : undefined
        context.observer.ended(attempt, result, decision.kind, next)
        health.concluded(lane, result, decision)
      },
      due: (lane, at) => this.#claims.due(lane, at),
    }
    this.#claims = new Claims(this.#shared, this.#catalog)
    this.#feeds = new Feeds(this.#shared, this.#catalog)
    this.#fanouts = new Fanouts(this.#shared, this.#catalog, this.#feeds)
    this.#drains = new Drains(context, this.#catalog, this.#fanouts, () => this.#changed())
    this.#operations = new Operations(this.#shared, this.#catalog)
    this.#upkeep = new Upkeep(context)
    this.#lag = new Lag(context, this.#catalog)
  }

  /** Resolves once what is acknowledged from then on waits for its subscriptions, as far as the brokers can be reached. */
  async start(): Promise<void> {
    await this.#catalog.refresh()
    await Promise.all([this.#fanouts.ready(), this.#fanouts.adopt()])
    await this.#drains.start()
    this.#claims.start()
    this.#operations.look()
    this.#upkeep.start()
    // What changes without an event: another replica paused or resumed one, or made the first of a topic.
    this.#timer = setInterval(() => void this.#catalog.refresh().catch(() => {}), lookMs)
  }

  /** Events come to an end or are left to whoever comes next, within `graceMs`; then nothing runs any more. */
  stop(graceMs: number): Promise<void> {
    this.#stopped ??= this.#stop(graceMs)
    return this.#stopped
  }

  async #stop(graceMs: number): Promise<void> {
    clearInterval(this.#timer)
    const drains = this.#drains.stop()
    const fanouts = this.#fanouts.stop()
    const giveUp = setTimeout(() => this.#stopping.abort(), graceMs)
    const parts = [this.#operations, this.#claims, this.#feeds]
    await Promise.all([...parts.map((part) => part.stop()), drains, fanouts, this.#idle()])
    clearTimeout(giveUp)
    this.#stopping.abort()
    this.#upkeep.stop()
    await this.#context.sender.close()
    await this.#shared.journal.close()
  }

  /** See `Webhooks.prepare`. */
  async prepare(topic: OpenTopic, start: string): Promise<Feed> {
    if (topic.superseded !== undefined) throw topic.superseded
    if (start !== 'latest') await requirePlace(topic, start, this.#stopping.signal)
    await this.#fanouts.prepare(topic)
    if (start !== 'latest') return { state: 'detached', from: beforeAll, next: placeOf(topic, start) }
    // What the group has not come to yet was published before.
    if (isReplayable(topic)) {
      const to = placeOf(topic, await edgeOf(topic, 'latest', this.#stopping.signal))
      return { state: 'attached', gap: { from: beforeAll, to } }
    }
    if (topic.draining === undefined) return { state: 'attached' }
    return { state: 'attached', gap: { from: beforeAll, to: placeOf(topic, 'earliest') } }
  }

  changed(): void {
    this.#catalog.refresh().catch(() => {})
    this.#operations.look()
    this.#claims.look()
  }

  ping(subscription: Subscription): Promise<AttemptResult> {
    const id = `ping_${crypto.randomUUID().replaceAll('-', '')}`
    const data = new TextEncoder().encode(JSON.stringify({ subscription: subscription.id }))
    const attributes = {
      specversion: '1.0',
      id,
      source: `/subscriptions/${subscription.id}`,
      type: 'sluice.ping',
      time: new Date(this.#context.clock.now()).toISOString(),
      datacontenttype: 'application/json',
    } as const
    const parcel = Parcel.ofEvent({ attributes, data })
    return this.#context.sender.send({ subscription, id, attempt: 1, parcel }, this.#stopping.signal)
  }

  state(subscription: string): Lane['state'] {
    return this.#catalog.lane(subscription)?.state ?? { breaker: 'closed', inFlight: 0 }
  }

  /** How far a detached subscription is behind in its log, as it was last looked up. */
  behind(subscription: StoredSubscription): Behind | undefined {
    return this.#lag.of(subscription)
  }

  /** Looks that up now. Never rejects. */
  look(subscription: StoredSubscription): Promise<void> {
    return this.#lag.look(subscription)
  }

  /** For metrics: how every subscription and every topic fares, as of the last few seconds. Never rejects. */
  async watch(): Promise<Watch> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, watchMs)
    })
    await Promise.race([this.#lag.refresh(), late])
    clearTimeout(timer)
    const lanes = [...this.#catalog.lanes].map((lane) => ({
      lane,
      pending: this.#shared.pending.of(lane.subscription.id),
      behind: this.#lag.of(lane.subscription),
    }))
    return { now: this.#context.clock.now(), lanes, groups: this.#lag.groups, left: this.#drains.left }
  }

  #changed(): void {
    this.#fanouts.tend()
    this.#feeds.tend()
    this.#claims.look()
  }

  /** Resolves when no attempt runs, or time is up. */
  async #idle(): Promise<void> {
    const running = (): boolean => [...this.#catalog.lanes].some(({ inFlight }) => inFlight > 0)
    while (running() && !this.#stopping.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
