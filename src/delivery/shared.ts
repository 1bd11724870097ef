import type { AttemptResult } from '../core/delivery.ts'
import type { DeliveryContext } from './context.ts'
import type { Decision } from './decide.ts'
import type { FirstSecond } from './first-second.ts'
import type { Job } from './job.ts'
import type { Journal } from './journal.ts'
import type { Lane } from './lane.ts'
import type { PendingRows } from './pending.ts'

/** What the parts of delivery on one replica have in common. */
export interface Shared {
  readonly context: DeliveryContext
  readonly journal: Journal
  readonly pending: PendingRows
  readonly young: FirstSecond
  /** The claimed rows in memory. */
  readonly claimed: { rows: number; bytes: number }
  /** Under which this replica claims rows. */
  readonly token: string
  /** Aborts when shutdown begins: what did not come to an end then is left for whoever comes next. */
  readonly stopping: AbortSignal
  /** What became of an attempt, told to whoever observes, and to the subscription's health. */
  concluded(lane: Lane, job: Job, result: AttemptResult, decision: Decision): void
  /** A row of the lane was written that is due then. */
  due(lane: Lane, at: number): void
}
