import { Parcel } from '../core/parcel.ts'
import type { Subscription } from '../core/subscription.ts'
import type { Wanted } from '../store/deliveries.ts'
import type { Catalog } from './catalog.ts'
import type { Lane } from './lane.ts'
import { RowDelivery } from './row-delivery.ts'
import { claimEnds } from './rows.ts'
import type { Shared } from './shared.ts'

/** How many rows one call claims at the most, all lanes together. */
const maxTogether = 500
/** How many a lane is asked for at the least: one that had only one row is known to have no more then. */
const leastShare = 2
/** What of claimed rows is in memory at the most, all lanes together; a claim may go beyond the bytes. */
const maxHeld = { rows: 4096, bytes: 32 << 20 } as const
const fullMs = 25
/** How much a row's size moves the average. */
const weight = 0.05
/** How often the store is asked what other replicas have left behind, while something is pending and otherwise. */
const lookMs = { soon: 100, pending: 1000, idle: 5000 } as const

/**
 * Claims rows that are due, for lanes that have room. What this replica parks it knows the time of; the rest it asks the
 * store for now and then.
 */
export class Claims {
  readonly #shared: Shared
  readonly #catalog: Catalog
  /** When the earliest row of a lane is due, as far as is known. */
  readonly #due = new Map<Lane, number>()
  /** Those that got something due while a claim was under way. */
  readonly #touched = new Set<Lane>()
  readonly #burying = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #wakesAt = Number.POSITIVE_INFINITY
  #looksAt = 0
  #averageBytes = 1024
  #running: Promise<void> | undefined
  #again = false
  #count = 0
  #stopped = false

  constructor(shared: Shared, catalog: Catalog) {
    this.#shared = shared
    this.#catalog = catalog
  }

  start(): void {
    this.#wake(0)
  }

  /** A row of the lane is due at `at`. */
  due(lane: Lane, at: number): void {
    this.#touched.add(lane)
    const known = this.#due.get(lane)
    if (known !== undefined && known <= at) return
    this.#due.set(lane, at)
    this.#wake(at - this.#now())
  }

  /** The lane has room again. */
  room(lane: Lane): void {
    const at = this.#due.get(lane)
    if (at !== undefined && at <= this.#now() && lane.isHungry) this.#wake(0)
  }

  /** Looks at the store soon, for something changed there. */
  look(): void {
    this.#looksAt = 0
    this.#wake(0)
  }

  /** Nothing is claimed any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #now(): number {
    return this.#shared.context.clock.now()
  }

  #wake(inMs: number): void {
    const at = performance.now() + Math.max(0, inMs)
    if (this.#stopped || at >= this.#wakesAt) return
    this.#wakesAt = at
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#turn(), Math.min(Math.max(0, inMs), lookMs.idle))
  }

  #turn(): void {
    this.#wakesAt = Number.POSITIVE_INFINITY
    if (this.#running !== undefined) {
      this.#again = true
      return
    }
    this.#again = false
    this.#running = this.#work()
      .catch((error: unknown) => {
        this.#shared.context.log('warn', 'Due deliveries could not be claimed; trying again.', { cause: String(error) })
        return lookMs.pending
      })
      .then((nextMs) => {
        this.#running = undefined
        this.#wake(this.#again ? 0 : nextMs)
      })
  }

  /** Answers after how many milliseconds to come again. */
  async #work(): Promise<number> {
    if (this.#looksAt <= this.#now()) await this.#lookAround()
    const wanted = this.#wanted()
    if (wanted.length > 0) {
      const claimed = await this.#claim(wanted)
      if (claimed >= maxTogether) return 0
    }
    if (this.#room < 1) return fullMs
    const now = this.#now()
    let next = this.#looksAt
    for (const [lane, at] of this.#due) {
      // Without room it is the lane that calls.
      if (at > now || lane.isHungry) next = Math.min(next, at)
    }
    return Math.max(1, next - now)
  }

  async #lookAround(): Promise<void> {
    const { store } = this.#shared.context
    await this.#shared.pending.reload()
    const rows = await store.deliveries.schedule()
    for (const { subscription, at } of rows) {
      const lane = this.#catalog.lane(subscription)
      if (lane?.subscription.status === 'ended') this.#bury(lane.subscription)
      else if (lane !== undefined) this.due(lane, at)
    }
    this.#looksAt = this.#now() + (rows.length > 0 ? lookMs.pending : lookMs.idle)
  }

  /**
   * What was written down after its subscription had ended: by attempts that ran, by another replica, or because whoever
   * ended it went away before the rows were.
   */
  #bury({ id, reason = 'The subscription has ended.' }: Subscription): void {
    if (this.#burying.has(id)) return
    this.#burying.add(id)
    const { store, clock } = this.#shared.context
    store.deliveries
      .kill(id, reason, clock.now())
      // The next look comes.
      .catch(() => {})
      .finally(() => this.#burying.delete(id))
  }

  /** Each gets its share: most have less than they could take, and one with much must not leave the others waiting. */
  #wanted(): Wanted[] {
    const ready = this.#ready()
    const share = Math.max(leastShare, Math.ceil(maxTogether / ready.length))
    const wanted: Wanted[] = []
    let left = Math.min(maxTogether, this.#room)
    for (const lane of ready) {
      const max = Math.min(left, share, lane.appetite)
      if (max <= 0) break
      left -= max
      wanted.push({ subscription: lane.subscription.id, max })
    }
    return wanted
  }

  /** How many more claimed rows this replica may have in memory. How large the next are nobody knows: like those before. */
  get #room(): number {
    const { rows, bytes } = this.#shared.claimed
    return Math.min(maxHeld.rows - rows, Math.floor((maxHeld.bytes - bytes) / this.#averageBytes))
  }

  /** Those that have something due and room for it. */
  #ready(): Lane[] {
    const now = this.#now()
    const ready: Lane[] = []
    for (const [lane, at] of this.#due) {
      if (at > now) continue
      if (!lane.isActive) this.#due.delete(lane)
      else if (lane.opensAt > now) this.#due.set(lane, lane.opensAt)
      else if (lane.appetite > 0) ready.push(lane)
    }
    return ready
  }

  async #claim(wanted: readonly Wanted[]): Promise<number> {
    const { context, token } = this.#shared
    const now = this.#now()
    const lanes = wanted.map(({ subscription }) => this.#catalog.lane(subscription)!)
    const until = Math.max(...lanes.map((lane) => claimEnds(lane.subscription, now)))
    this.#touched.clear()
    const held = { token: `${token}-${++this.#count}`, until }
    const claimed = await context.store.deliveries.claim(wanted, { ...held, now })
    const got = new Map<string, number>()
    for (const row of claimed) {
      got.set(row.subscription, (got.get(row.subscription) ?? 0) + 1)
      const lane = this.#catalog.lane(row.subscription)
      this.#averageBytes += weight * (row.bytes.length - this.#averageBytes)
      lane?.add(new RowDelivery(this.#shared, lane, row, Parcel.ofBytes(row.bytes), held))
    }
    for (const [i, { subscription, max }] of wanted.entries()) {
      // Who got all it asked for may get more, after the others; of those the store tells the next time.
      if ((got.get(subscription) ?? 0) < max) this.#forget(lanes[i]!)
      else this.#requeue(lanes[i]!)
    }
    return claimed.length
  }

  #requeue(lane: Lane): void {
    const at = this.#due.get(lane)
    if (at === undefined) return
    this.#due.delete(lane)
    this.#due.set(lane, at)
  }

  /** Nothing more of the lane is due. Of what is due later only the store knows the earliest: it is asked soon. */
  #forget(lane: Lane): void {
    if (this.#touched.has(lane)) return
    this.#due.delete(lane)
    if (this.#shared.pending.of(lane.subscription.id).events > 0) {
      this.#looksAt = Math.min(this.#looksAt, this.#now() + lookMs.soon)
    }
  }
}
