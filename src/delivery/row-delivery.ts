import type { AttemptResult } from '../core/delivery.ts'
import type { Parcel } from '../core/parcel.ts'
import type { ClaimedDelivery } from '../store/deliveries.ts'
import { decide } from './decide.ts'
import { deliveryId } from './identity.ts'
import { placeOf, rowConcluded } from './inline.ts'
import type { Job } from './job.ts'
import type { Lane } from './lane.ts'
import { attemptOf } from './rows.ts'
import type { Shared } from './shared.ts'

const never = new AbortController().signal

export interface Held {
  readonly token: string
  /** When the claim ends: what has not begun long before belongs to somebody else. */
  readonly until: number
}

/** An attempt at a delivery whose row this replica has claimed. */
export class RowDelivery implements Job {
  readonly id: string
  readonly eventId: string
  readonly parcel: Parcel
  readonly key: string | undefined
  readonly tried: number
  readonly triedEver: number
  readonly replay: string | undefined
  readonly since: number
  readonly signal: AbortSignal = never
  readonly #shared: Shared
  readonly #lane: Lane
  readonly #held: Held
  #over = false

  constructor(shared: Shared, lane: Lane, claimed: Omit<ClaimedDelivery, 'bytes'>, parcel: Parcel, held: Held) {
    this.#shared = shared
    this.#lane = lane
    this.#held = held
    this.id = claimed.id
    this.eventId = claimed.eventId
    this.parcel = parcel
    this.key = claimed.key
    this.tried = claimed.tried
    this.triedEver = claimed.triedEver
    this.since = claimed.createdAt
    this.replay = this.#replayOf(claimed)
    shared.claimed.rows++
    shared.claimed.bytes += parcel.bytes.length
  }

  wanted(): boolean {
    if (this.#over) return false
    const { context } = this.#shared
    if (context.clock.now() + this.#lane.subscription.policy.timeoutMs < this.#held.until && this.#lane.isActive)
      return true
    this.giveBack()
    return false
  }

  begun(): void {
    this.#over = true
  }

  overtaken(): void {
    this.giveBack()
  }

  /** It has a row. */
  writeDown(): void {}

  /** Untried, for whoever claims it next. */
  giveBack(): void {
    if (this.#over) return
    this.#over = true
    const { context, journal } = this.#shared
    const at = Math.max(context.clock.now(), this.#lane.opensAt)
    journal.release({ id: this.id, token: this.#held.token, at })
    this.#shared.due(this.#lane, at)
    this.#left()
  }

  done(result: AttemptResult): void {
    this.#left()
    void this.#conclude(result)
  }

  #left(): void {
    const { claimed } = this.#shared
    claimed.rows--
    claimed.bytes -= this.parcel.bytes.length
  }

  async #conclude(result: AttemptResult): Promise<void> {
    const { context, journal, stopping } = this.#shared
    const { token } = this.#held
    const { id } = this
    const now = context.clock.now()
    if (stopping.aborted && result.stage === 'gateway') {
      journal.release({ id, token, at: now })
      return
    }
    const decision = decide(this.#lane.subscription.policy, result, this.tried + 1, now, Math.random())
    const placed = placeOf(decision)
    const attempt = attemptOf(result, this.triedEver + 1)
    this.#shared.concluded(this.#lane, this, result, decision)
    const held = await journal.finish({ id, token, attempt, now, ...placed }).catch(() => false)
    if (!held) return
    rowConcluded(this.#shared, this.#lane, this, placed)
  }

  /** A redriven delivery keeps its own id; that of a replay is derived from the replay. */
  #replayOf({ id, operation, subscription, topic }: Omit<ClaimedDelivery, 'bytes'>): string | undefined {
    if (operation === undefined) return undefined
    const own = deliveryId(this.#shared.context.digest, subscription, topic, this.parcel.event)
    return id === own ? undefined : operation
  }
}
