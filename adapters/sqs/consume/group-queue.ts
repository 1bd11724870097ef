import type { DeadLetterQueue } from '../dead-letters.ts'
import type { GroupHub } from './hub.ts'
import type { Queue } from './queue.ts'

/** A group as its consumers see it. */
export interface GroupQueue {
  readonly topic: string
  readonly queue: Queue
  readonly dead: DeadLetterQueue
  readonly hub: GroupHub
  readonly fifo: boolean
  readonly leaseMs: number
  readonly maxAttempts: number
  /** Rejects with `not_found` where the group is not there any more, wherever it was deleted; asks now and then. */
  check(): Promise<void>
}
