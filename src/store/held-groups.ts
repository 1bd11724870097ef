import type { Outcome } from '../core/broker.ts'

/**
 * Pull groups on brokers whose receipts are bound to a connection: their definitions, and a bounded number of events ahead
 * of the pullers, which are leased here. A method that answers undefined found no such group. A group's changes are made
 * one after another, whichever replica makes them.
 */
export interface HeldGroups {
  get(group: string): Promise<HeldGroup | undefined>
  /** How much is held; `ahead` is what could be leased at `now`, counted up to `limit`. */
  amount(group: string, now: number, limit: number): Promise<HeldAmount | undefined>
  /**
   * Keeps everybody from filling the group until `until`, or until it is opened: whoever was is over, for its term is. Makes
   * the group where it is missing and `definition` is given. Answers `held` where somebody else keeps it closed.
   */
  close(
    group: string,
    definition: HeldDefinition | undefined,
    now: number,
    until: number,
  ): Promise<{ readonly term: number; readonly isNew: boolean } | 'held' | undefined>
  /** Ends what `close` began, where `term` is its own; false otherwise. */
  open(group: string, term: number, change: HeldChange): Promise<boolean>
  /** Deletes a closed group with all that it holds; false where `term` is not its own. */
  delete(group: string, term: number): Promise<boolean>

  /**
   * Adds events at the end, in this order, but for those whose id is there already, in whatever state. False where the group
   * is gone, closed, or of another term: then nothing was added.
   */
  fill(group: string, fill: Fill): Promise<boolean>
  /**
   * Leases up to `max` events that are due, those due longest first, and of those with a key only the first that has not
   * ended. One that was leased `maxAttempts` times becomes a dead letter instead.
   */
  lease(group: string, wanted: WantedLeases): Promise<readonly LeasedEvent[] | undefined>
  /** When the next event may be leased; undefined where there is none. */
  nextDue(group: string): Promise<number | undefined>
  /** One answer for each, in order: `lost` where the lease is over, or of somebody else. */
  settle(
    group: string,
    settlements: readonly HeldSettlement[],
    now: number,
  ): Promise<readonly HeldSettled[] | undefined>

  /** Oldest first; `after` is the `id` of the last one seen. */
  dead(
    group: string,
    page: { limit: number; after: number },
    now: number,
  ): Promise<readonly HeldDeadLetter[] | undefined>
  /** To the end of the group again, with attempts counted anew. Answers how many. */
  redrive(group: string, which: readonly number[] | 'all', now: number): Promise<number | undefined>
  /** False where there is none. */
  deleteDead(group: string, id: number, now: number): Promise<boolean>
}

export interface HeldDefinition {
  /** As `GroupState` shows it. */
  readonly start: string
  readonly leaseMs: number
  readonly maxAttempts: number
}

export interface HeldGroup extends HeldDefinition {
  /** Grows whenever the group is closed. */
  readonly term: number
  readonly closedUntil: number
}

export interface HeldAmount {
  readonly term: number
  readonly closedUntil: number
  /** What has not ended, leased or not. */
  readonly events: number
  readonly bytes: number
  readonly ahead: number
  readonly inFlight: number
  /** When the oldest of them was added. */
  readonly oldestAt?: number
}

export interface HeldChange {
  readonly definition?: HeldDefinition
  /** What goes: everything but dead letters, or everything. */
  readonly empty?: 'pending' | 'all'
}

export interface Fill {
  readonly term: number
  /** Names what comes from one pull. */
  readonly id: string
  readonly events: readonly NewHeldEvent[]
  /** Fills that the broker will not give again: what has ended of them need not be remembered. */
  readonly settled: readonly string[]
  readonly now: number
}

export interface NewHeldEvent {
  /** The same whenever the broker gives the same stored event. */
  readonly id: string
  readonly key?: string
  readonly position?: string
  /** In the JSON format. */
  readonly bytes: Uint8Array
}

export interface WantedLeases {
  readonly max: number
  readonly maxBytes: number
  readonly token: string
  readonly now: number
}

interface HeldLease {
  readonly place: number
  readonly token: string
}

export interface LeasedEvent extends HeldLease {
  readonly attempt: number
  readonly expiresAt: number
  readonly position?: string
  readonly bytes: Uint8Array
}

export interface HeldSettlement extends HeldLease {
  readonly outcome: Outcome
  /** The token of the lease that follows, where it is extended. */
  readonly renewed: string
}

/** A time is when the extended lease ends. */
export type HeldSettled = 'ok' | 'lost' | number

export interface HeldDeadLetter {
  readonly id: number
  readonly reason: string
  readonly attempts: number
  readonly deadAt: number
  readonly position?: string
  readonly bytes: Uint8Array
}
