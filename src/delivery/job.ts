import type { AttemptResult } from '../core/delivery.ts'
import type { Parcel } from '../core/parcel.ts'

/** One attempt that a lane is asked to make. */
export interface Job {
  /** The delivery. */
  readonly id: string
  readonly eventId: string
  readonly parcel: Parcel
  /** The ordering key, where the subscription is ordered by it: jobs of one key run one after the other. */
  readonly key: string | undefined
  /** Attempts before this one: of this lineage, and ever. */
  readonly tried: number
  readonly triedEver: number
  readonly replay: string | undefined
  /** Since when the gateway owes the delivery. */
  readonly since: number
  readonly signal: AbortSignal
  /** Whether the lane may still begin it; asked when its turn comes. */
  wanted(): boolean
  begun(at: number): void
  /** Called once, if it has begun. */
  done(result: AttemptResult, succeeded: boolean): void
  /** The one before it of its key was not delivered: it must not be tried before that one is. */
  overtaken(): void
  /** One of its key gets a row: so that this one is not behind it then, it gets its own now, where it has none. */
  writeDown(): void
}
