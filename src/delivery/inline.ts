import type { AttemptResult } from '../core/delivery.ts'
import type { Parcel } from '../core/parcel.ts'
import type { NewDelivery } from '../store/deliveries.ts'
import { type Decision, decide } from './decide.ts'
import { inlineMs, type Young } from './first-second.ts'
import type { Job } from './job.ts'
import type { Lane } from './lane.ts'
import type { Owed } from './owed.ts'
import { attemptOf, claimEnds, type Placed, storedEvent } from './rows.ts'
import type { Shared } from './shared.ts'

/** How long it may wait for its turn while the endpoint is quick: behind those of its key, or in a burst. */
const patienceMs = 4000

/**
 * A delivery's first attempt, made while the event is not settled. It gets a row when it fails, when its second is over,
 * or where its turn does not come; the event is settled once the attempt succeeded or the row is durable.
 */
export class InlineDelivery implements Job, Young {
  readonly id: string
  readonly key: string | undefined
  readonly tried = 0
  readonly triedEver = 0
  readonly replay = undefined
  readonly since: number
  readonly #shared: Shared
  readonly #lane: Lane
  readonly #owed: Owed
  #begunAt = 0
  #state: 'waiting' | 'running' | 'taken' = 'waiting'
  /** The row that it got while it ran: whether that was new. */
  #row: Promise<boolean> | undefined

  constructor(shared: Shared, lane: Lane, owed: Owed, id: string, key: string | undefined) {
    this.#shared = shared
    this.#lane = lane
    this.#owed = owed
    this.id = id
    this.key = key
    this.since = owed.since
  }

  get eventId(): string {
    return this.#owed.delivery.event.attributes.id
  }

  get parcel(): Parcel {
    return this.#owed.parcel
  }

  get signal(): AbortSignal {
    return this.#owed.revoked
  }

  get isDone(): boolean {
    return this.#state === 'taken'
  }

  wanted(): boolean {
    return this.#state === 'waiting' && !this.signal.aborted
  }

  begun(at: number): void {
    this.#state = 'running'
    this.#begunAt = at
  }

  /** Where it has run too long, or will not run soon, a row takes its place, and the event need not wait for it. */
  grownUp(): boolean {
    if (this.signal.aborted) return false
    const now = this.#shared.context.clock.now()
    if (this.#state === 'running') {
      if (now - this.#begunAt < inlineMs) return true
      this.#claim()
      return false
    }
    if (now - this.since < patienceMs && this.#lane.isActive && !this.#lane.isSlow && this.#lane.opensAt <= now)
      return true
    if (this.key === undefined) this.#park()
    else this.#lane.writeDown(this.key)
    return false
  }

  overtaken(): void {
    if (this.#state === 'waiting') this.#park()
  }

  writeDown(): void {
    if (this.#state === 'waiting') this.#park()
    else if (this.#state === 'running') this.#claim()
  }

  done(result: AttemptResult): void {
    const { context, stopping } = this.#shared
    const interrupted = this.signal.aborted || (stopping.aborted && result.stage === 'gateway')
    if (interrupted) {
      context.observer.ended(this.#observed, result, 'aborted')
      this.#state = 'taken'
      if (this.#row !== undefined) void this.#giveBack()
      return
    }
    const { clock } = context
    const decision = decide(this.#lane.subscription.policy, result, 1, clock.now(), Math.random())
    if (this.#row !== undefined) void this.#finish(result, decision)
    else if (decision.kind === 'succeeded' && this.#lane.subscription.policy.record === 'problems') this.#taken()
    else void this.#write(placeOf(decision), result)
    this.#shared.concluded(this.#lane, this, result, decision)
  }

  get #observed() {
    const { id, eventId, since, replay } = this
    return { subscription: this.#lane.subscription, id, eventId, since, replay, number: 1 }
  }

  #park(): void {
    this.#state = 'taken'
    // It belongs to whoever pulls it next, and a row of it would be a second delivery.
    if (this.signal.aborted) return
    const now = this.#shared.context.clock.now()
    void this.#write({ status: 'parked', at: Math.max(now, this.#lane.opensAt) })
  }

  /** The attempt goes on, and belongs to a row that this replica has claimed. */
  #claim(): void {
    if (this.signal.aborted) return
    const { context, journal, token } = this.#shared
    const at = claimEnds(this.#lane.subscription, context.clock.now())
    this.#row = journal.insert(this.#newRow({ status: 'in_flight', at, token }))
    this.#row.then(
      () => this.#owed.taken(),
      () => {},
    )
    this.#state = 'taken'
  }

  async #write(placed: Placed, result?: AttemptResult): Promise<void> {
    this.#state = 'taken'
    try {
      await this.#shared.journal.insert(this.#newRow(placed, result))
    } catch {
      // Not written is not settled: the event comes again.
      return
    }
    if (placed.status === 'parked') this.#shared.due(this.#lane, placed.at!)
    this.#taken()
  }

  async #finish(result: AttemptResult, decision: Decision): Promise<void> {
    const { context, journal, token } = this.#shared
    // Where there was a row before, that one decides.
    if (!(await this.#row!.catch(() => false))) return
    const placed = placeOf(decision)
    const { id } = this
    const finished = { id, token, attempt: attemptOf(result, 1), now: context.clock.now(), ...placed }
    const held = await journal.finish(finished).catch(() => false)
    if (!held) return
    rowConcluded(this.#shared, this.#lane, this, placed)
  }

  async #giveBack(): Promise<void> {
    const { context, journal, token } = this.#shared
    if (await this.#row!.catch(() => false)) journal.release({ id: this.id, token, at: context.clock.now() })
  }

  #newRow(placed: Placed, result?: AttemptResult): NewDelivery {
    const { context } = this.#shared
    const { id: subscription, topic } = this.#lane.subscription
    return {
      id: this.id,
      subscription,
      topic,
      event: storedEvent(context.digest, topic, this.parcel, this.#owed.delivery.position),
      attempts: result === undefined ? [] : [attemptOf(result, 1)],
      now: context.clock.now(),
      ...(this.key !== undefined && { key: this.key }),
      ...placed,
    }
  }

  #taken(): void {
    this.#state = 'taken'
    this.#owed.taken()
    this.#shared.young.ended()
  }
}

/** What this replica knows of a row's end, without asking the store. */
export function rowConcluded(shared: Shared, lane: Lane, { key, parcel }: Job, placed: Placed): void {
  if (placed.status === 'parked') {
    shared.due(lane, placed.at!)
    return
  }
  shared.pending.add(lane.subscription.id, -1, -parcel.bytes.length)
  // Its successor may be claimed now.
  if (key !== undefined) shared.due(lane, shared.context.clock.now())
}

/** Where a decision puts a row. What the endpoint ended is dead. */
export function placeOf(decision: Decision): Placed & { status: 'succeeded' | 'parked' | 'dead' | 'discarded' } {
  if (decision.kind === 'ended') return { status: 'dead', reason: decision.reason }
  if (decision.kind === 'succeeded') return { status: 'succeeded' }
  if (decision.kind === 'parked') return { status: 'parked', at: decision.at, reason: decision.reason }
  return { status: decision.kind, reason: decision.reason }
}
