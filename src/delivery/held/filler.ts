import type { Batch, Consumer, Delivery } from '../../core/broker.ts'
import { type GatewayError, toGatewayError } from '../../core/errors.ts'
import { keyOf } from '../../core/event.ts'
import { structuredBytes } from '../../core/structured.ts'
import type { HeldAmount, NewHeldEvent } from '../../store/held-groups.ts'
import { pause } from '../timing.ts'
import { type HeldContext, type HeldPlace, storeName } from './context.ts'
import { Waiters } from './waiters.ts'

/** So many events may lie ready that nobody has leased, all replicas together. */
const aheadMax = 500
/** And so many in all: those of a key whose first is leased wait too. */
const heldMax = { events: 20_000, bytes: 256 << 20 } as const
const pullMax = { events: 250, bytes: 8 << 20 } as const
const prefetch = 500
/** What the broker has at hand comes within this; then there is nothing. */
const pullWaitMs = 1000
/** Without pullers for so long, its partitions go to replicas that have some. */
const idleMs = 30_000
/** What was pulled longer ago may have come to another replica, and even have ended there. */
const staleMs = 60_000
const fullMs = 500
const closedMs = 200
const retryMs = { first: 200, most: 5000 } as const

interface FillerEvents {
  /** There is something to lease. */
  filled(): void
  /** It is warm from now on, or has a fault. */
  turned(): void
}

/** Moves events of a group from the broker into the store, ahead of the pullers, as long as there are any. */
export class Filler {
  readonly #context: HeldContext
  readonly #place: HeldPlace
  readonly #group: string
  readonly #name: string
  readonly #events: FillerEvents
  readonly #room = new Waiters()
  #pullers = 0
  #wantedAt = 0
  #running: Promise<void> | undefined
  #stop = new AbortController()
  #isWarm = false
  #fault: GatewayError | undefined
  #averageBytes = 1024

  constructor(context: HeldContext, place: HeldPlace, group: string, events: FillerEvents) {
    this.#context = context
    this.#place = place
    this.#group = group
    this.#name = storeName(place, group)
    this.#events = events
  }

  /** Whether it has looked at what the broker has since it began. */
  get isWarm(): boolean {
    return this.#isWarm
  }

  /** Why it cannot go on; undefined where it can. */
  get fault(): GatewayError | undefined {
    return this.#fault
  }

  /** Somebody pulls until `left` is called. */
  entered(): void {
    this.#pullers++
    this.#running ??= this.#run(this.#stop.signal)
  }

  left(): void {
    this.#pullers--
    this.#wantedAt = performance.now()
  }

  /** Some of what was ahead is leased. */
  leased(): void {
    this.#room.ring()
  }

  /** Resolves once the broker has its consumer back; then it begins anew, where somebody pulls. */
  async restart(): Promise<void> {
    await this.stop()
    this.#stop = new AbortController()
    if (this.#pullers > 0) this.#running = this.#run(this.#stop.signal)
  }

  /** Resolves once the broker has its consumer back, for good. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  get #isWanted(): boolean {
    return this.#pullers > 0 || performance.now() - this.#wantedAt < idleMs
  }

  async #run(signal: AbortSignal): Promise<void> {
    let wait: number = retryMs.first
    while (this.#isWanted && !signal.aborted) {
      try {
        if (await this.#once(signal)) wait = retryMs.first
        else await pause(closedMs, signal)
      } catch (error) {
        const fault = toGatewayError(error)
        if (this.#fault?.message !== fault.message) {
          const fields = { topic: this.#place.name, group: this.#group, cause: fault.message }
          this.#context.log('warn', 'A group cannot be filled for its pullers; trying again.', fields)
        }
        this.#fault = fault
        this.#events.turned()
        await pause(wait, signal)
        wait = Math.min(wait * 2, retryMs.most)
      }
    }
    this.#isWarm = false
    this.#fault = undefined
    this.#running = undefined
  }

  /** From opening a consumer to closing it. Answers whether the group could be filled at all. */
  async #once(signal: AbortSignal): Promise<boolean> {
    const { clock, store } = this.#context
    const group = await store.get(this.#name)
    if (group === undefined || group.closedUntil > clock.now()) {
      this.#warm()
      return false
    }
    const { broker, brokerTopic } = this.#place
    const consumer = await broker.open(brokerTopic, this.#group, { prefetch })
    try {
      await this.#fill(consumer, group.term, signal)
      return true
    } finally {
      await consumer.close().catch(() => {})
    }
  }

  async #fill(consumer: Consumer, term: number, signal: AbortSignal): Promise<void> {
    const { clock, store } = this.#context
    let settled: string[] = []
    while (this.#isWanted && !signal.aborted) {
      const seen = this.#room.rings
      const amount = await store.amount(this.#name, clock.now(), aheadMax)
      if (amount === undefined || amount.term !== term || amount.closedUntil > clock.now()) return
      const max = this.#roomIn(amount)
      if (max <= 0) {
        this.#warm()
        await this.#room.heard(seen, fullMs, signal)
        continue
      }
      const batch = await consumer.pull({ max, waitMs: pullWaitMs, signal })
      const pulledAt = performance.now()
      const events = batch.deliveries.map(toHeld)
      if (batch.revoked.aborted || performance.now() - pulledAt > staleMs) continue
      if (events.length > 0 || settled.length > 0) {
        const id = crypto.randomUUID()
        if (!(await store.fill(this.#name, { term, id, events, settled, now: clock.now() }))) return
        settled = (await this.#settle(consumer, batch)) ? [id] : []
      }
      this.#average(events)
      this.#fault = undefined
      if (events.length > 0) this.#events.filled()
      this.#warm()
    }
  }

  /** Only what the store has. What cannot be settled comes again, and is known then. */
  async #settle(consumer: Consumer, batch: Batch): Promise<boolean> {
    if (batch.deliveries.length === 0) return false
    const acks = batch.deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } as const }))
    const results = await consumer.settle(acks)
    return results.every(({ status }) => status === 'ok')
  }

  #roomIn({ ahead, events, bytes }: HeldAmount): number {
    if (bytes >= heldMax.bytes) return 0
    const affordable = Math.max(1, Math.floor(pullMax.bytes / this.#averageBytes))
    return Math.min(aheadMax - ahead, heldMax.events - events, pullMax.events, affordable)
  }

  #average(events: readonly NewHeldEvent[]): void {
    if (events.length === 0) return
    const average = events.reduce((sum, { bytes }) => sum + bytes.length, 0) / events.length
    this.#averageBytes = Math.max(average, (this.#averageBytes + average) / 2)
  }

  #warm(): void {
    if (this.#isWarm) return
    this.#isWarm = true
    this.#events.turned()
  }
}

/** A position is the one name of a stored event: the same id may have been published twice, and is due twice then. */
function toHeld({ event, position }: Delivery): NewHeldEvent {
  const { source, id } = event.attributes
  const key = keyOf(event)
  return {
    id: position ?? `${source}\n${id}`,
    bytes: structuredBytes(event),
    ...(key !== undefined && { key }),
    ...(position !== undefined && { position }),
  }
}
