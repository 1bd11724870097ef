import type { Filter } from '../core/filter.ts'

/** Long work that a caller started, survives crashes, and is done by one replica at a time. */
export interface Operations {
  create(operation: Operation): Promise<void>
  get(id: string): Promise<Operation | undefined>
  /** Those that are not finished, oldest first. */
  unfinished(): Promise<readonly Operation[]>
  /** Changes the state where it is one of `from`; answers whether it did. */
  transition(
    id: string,
    from: readonly OperationState[],
    to: OperationState,
    now: number,
    error?: string,
  ): Promise<boolean>
  /** Takes the lease on working on it, or prolongs one's own; false where another replica has it. */
  lease(id: string, owner: string, until: number, now: number): Promise<boolean>
  /**
   * Takes up to `max` dead deliveries of a redrive, in one transaction: each becomes due at `now` with a new lineage of
   * attempts, belongs to the operation from then on, counts in its `matched`, and is never taken by the same operation
   * again. Answers how many; 0 when there are no more.
   */
  redrive(id: string, max: number, now: number): Promise<number>
  /** How many rows of it are pending. */
  pending(id: string): Promise<number>
}

export type OperationState = 'running' | 'paused' | 'cancelled' | 'succeeded' | 'failed'

export interface Operation {
  readonly id: string
  readonly subscription: string
  readonly topic: string
  readonly what: Redrive | Replay
  readonly state: OperationState
  readonly matched?: number
  readonly done: number
  readonly failed: number
  readonly error?: string
  readonly startedAt: number
  readonly finishedAt?: number
}

export interface Redrive {
  readonly kind: 'redrive'
  readonly ids?: readonly string[]
  /** Dead ones that were inserted at or after; in milliseconds since the epoch. */
  readonly since?: number
  /** Only those that were dead when the operation began. */
  readonly before: number
  readonly ratePerSecond?: number
}

export interface Replay {
  readonly kind: 'replay'
  /** Of the binding of the topic whose log is read: that of another is another history. */
  readonly epoch: number
  /** `earliest`, a time or a cursor of the broker, as the log takes it. */
  readonly from: string
  /** Inclusive; the end of the log when it began where absent. */
  readonly to?: number
  readonly filters: readonly Filter[]
  readonly ratePerSecond?: number
  readonly dryRun: boolean
  /** Where it goes on; moves with `Deliveries.insert`. */
  readonly next: string
}
