import type { AttemptResult } from '../core/delivery.ts'
import { GatewayError } from '../core/errors.ts'
import { Parcel } from '../core/parcel.ts'
import type { Subscription } from '../core/subscription.ts'
import type { OpenTopic } from '../core/topic.ts'
import type { Feed, StoredSubscription } from '../store/subscriptions.ts'
import { Catalog } from './catalog.ts'
import { Claims } from './claims.ts'
import type { DeliveryContext } from './context.ts'
import { Fanout } from './fanout.ts'
import { Feeds } from './feeds.ts'
import { FirstSecond } from './first-second.ts'
import { fanoutGroup } from './group.ts'
import { Health } from './health.ts'
import { Journal } from './journal.ts'
import { type Behind, type GroupLag, Lag } from './lag.ts'
import type { Lane } from './lane.ts'
import { edgeOf, isReplayable, placeOf, requirePlace } from './log-range.ts'
import { Operations } from './operations.ts'
import { PendingRows } from './pending.ts'
import type { Shared } from './shared.ts'
import { Slots } from './slots.ts'
import { pause } from './timing.ts'
import { Upkeep } from './upkeep.ts'

/** How long a lease of the gateway's own group lasts: what a crashed replica had pulled comes again after it. */
const groupLeaseMs = 10_000
/** Events of the group are never given up: what cannot be delivered is written down. */
const groupMaxAttempts = 1_000_000_000
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
  readonly #fanouts = new Map<string, Promise<void>>()
  /** The first try of each to have its group. */
  readonly #groups = new Map<string, Promise<void>>()
  readonly #prepared = new Set<string>()
  readonly #pulling = new AbortController()
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
    this.#operations = new Operations(this.#shared, this.#catalog)
    this.#upkeep = new Upkeep(context)
    this.#lag = new Lag(context, this.#catalog)
  }

  /** Resolves once what is acknowledged from then on waits for its subscriptions, as far as the brokers can be reached. */
  async start(): Promise<void> {
    await this.#catalog.refresh()
    await Promise.all([...this.#groups.values()])
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
    this.#pulling.abort()
    const giveUp = setTimeout(() => this.#stopping.abort(), graceMs)
    const parts = [this.#operations, this.#claims, this.#feeds]
    await Promise.all([...parts.map((part) => part.stop()), ...this.#fanouts.values(), this.#idle()])
    clearTimeout(giveUp)
    this.#stopping.abort()
    this.#upkeep.stop()
    await this.#context.sender.close()
    await this.#shared.journal.close()
  }

  /** See `Webhooks.prepare`. */
  async prepare(topic: OpenTopic, start: string): Promise<Feed> {
    if (start !== 'latest') await requirePlace(topic, start, this.#stopping.signal)
    await this.#group(topic)
    if (start !== 'latest') {
      const from = placeOf(topic, start)
      return { state: 'detached', from, next: from }
    }
    if (!isReplayable(topic)) return { state: 'attached' }
    // What the group has not come to yet was published before.
    const to = placeOf(topic, await edgeOf(topic, 'latest', this.#stopping.signal))
    return { state: 'attached', gap: { from: 'earliest', to } }
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
    return { now: this.#context.clock.now(), lanes, groups: this.#lag.groups }
  }

  async #group(topic: OpenTopic): Promise<void> {
    if (this.#prepared.has(topic.name)) return
    const options = { start: 'latest', leaseMs: groupLeaseMs, maxAttempts: groupMaxAttempts } as const
    await topic.broker.groups.create(topic.brokerTopic, fanoutGroup, options)
    this.#prepared.add(topic.name)
  }

  #changed(): void {
    for (const name of this.#catalog.topics) {
      if (this.#fanouts.has(name) || this.#pulling.signal.aborted) continue
      const topic = this.#context.topics.resolve(name)
      if (topic === undefined) continue
      const group = this.#group(topic)
      this.#groups.set(
        name,
        group.catch(() => {}),
      )
      this.#fanouts.set(name, this.#fanout(topic, group))
    }
    this.#feeds.tend()
    this.#claims.look()
  }

  async #fanout(topic: OpenTopic, group: Promise<void>): Promise<void> {
    const { log } = this.#context
    for (let made = group; !this.#pulling.signal.aborted; made = this.#group(topic)) {
      try {
        await made
        break
      } catch (error) {
        const cause = error instanceof GatewayError ? error.message : String(error)
        log('warn', "A topic's group for subscriptions cannot be made; trying again.", { topic: topic.name, cause })
        await pause(lookMs, this.#pulling.signal)
      }
    }
    await new Fanout(this.#shared, this.#catalog, this.#feeds, topic).run(this.#pulling.signal)
  }

  /** Resolves when no attempt runs, or time is up. */
  async #idle(): Promise<void> {
    const running = (): boolean => [...this.#catalog.lanes].some(({ inFlight }) => inFlight > 0)
    while (running() && !this.#stopping.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
