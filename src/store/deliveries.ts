import type { Attempt, DeliveryStatus } from '../core/delivery.ts'

/**
 * Deliveries that own a row: what did not succeed at the first attempt, inline. A row's id comes from the subscription,
 * topic, source and id of the event, and inserting one that is there does nothing, whatever became of it: an event that
 * comes again neither doubles a delivery nor brings one back.
 */
export interface Deliveries {
  /**
   * Inserts all that are not there yet, in this order, in one transaction; answers for each whether it was new. Later rows
   * of one subscription and key wait for earlier ones where the row is `ordered`. With `progress`, the feed or the
   * operation that they come from moves in the same transaction; where that is not what `progress` says it was, nothing
   * is inserted and it rejects with `conflict`.
   */
  insert(rows: readonly NewDelivery[], progress?: Progress): Promise<readonly boolean[]>
  /**
   * Notes what became of claimed rows, each where its claim is still held; answers for each whether it was. Terminal rows of
   * an operation count in its `done` or `failed` in the same transaction.
   */
  finish(results: readonly FinishedDelivery[]): Promise<readonly boolean[]>
  /**
   * Claims due rows, those due longest first, up to `max` of each subscription. Of rows that are ordered only the head of
   * a key can be claimed: the oldest that is neither terminal nor claimed. No two replicas get the same row.
   */
  claim(wanted: readonly Wanted[], claim: Claim): Promise<readonly ClaimedDelivery[]>
  /** Gives claimed rows back untried, due at `dueAt`; claims that are not held any more are left as they are. */
  release(held: readonly HeldDelivery[], dueAt: number): Promise<void>
  /** When the earliest row of each subscription that has one is due, or its claim ends. */
  schedule(): Promise<readonly { readonly subscription: string; readonly at: number }[]>
  /** Which of these ids have a row, in whatever status. */
  known(ids: readonly string[]): Promise<ReadonlySet<string>>
  /** Which of these have a pending row, written `subscription key`. */
  blocked(pairs: readonly { readonly subscription: string; readonly key: string }[]): Promise<ReadonlySet<string>>
  /** What is pending of each subscription that has something; of one, where it is named. */
  pending(subscription?: string): Promise<readonly Pending[]>

  /** Oldest first. */
  list(filter: DeliveryFilter, page: { limit: number; after?: string }): Promise<DeliveryPage>
  get(id: string): Promise<DeliveryDetail | undefined>
  /**
   * Makes a dead, discarded or parked delivery due now, with a new lineage of attempts where it was terminal. Rejects with
   * `conflict` where its event was not kept.
   */
  retry(id: string, now: number): Promise<'due' | 'in_flight' | 'succeeded' | 'missing'>
  /** False where there was none; what is in flight is not deleted: `conflict`. */
  delete(id: string): Promise<boolean>
  /** Makes every pending row of a subscription dead. Answers how many. */
  kill(subscription: string, reason: string, now: number): Promise<number>
  /** How many rows there are by subscription and status. */
  counts(subscription: string): Promise<Readonly<Record<DeliveryStatus, number>>>
  /** Deletes, a bounded number at once, terminal rows older than `before`; then payloads that nothing needs. Answers how many rows went. */
  purge(before: { readonly succeeded: number; readonly other: number }): Promise<number>
}

export interface NewDelivery {
  /** Also the `webhook-id`. */
  readonly id: string
  readonly subscription: string
  readonly topic: string
  readonly event: StoredEvent
  /** The ordering key, where the subscription is ordered by it. */
  readonly key?: string
  readonly status: DeliveryStatus
  /** When it is due; when the claim ends, where it is `in_flight`. Absent where it is terminal. */
  readonly at?: number
  /** Who claims it, where it is `in_flight`. */
  readonly token?: string
  readonly attempts: readonly Attempt[]
  readonly reason?: string
  /** The operation that it comes from. */
  readonly operation?: string
  readonly now: number
}

/** An event as rows share it: in the JSON format, byte for byte. */
export interface StoredEvent {
  /** From topic, source and id. */
  readonly ref: string
  readonly id: string
  readonly source: string
  readonly type: string
  readonly position?: string
  readonly bytes: Uint8Array
}

export type Progress =
  /** The feed of a subscription that is not attached: its `next` moves from one place to another. */
  | { readonly feed: string; readonly from: string; readonly to: string }
  /** A replay, the same, and how many of its events matched. */
  | { readonly operation: string; readonly from: string; readonly to: string; readonly matched: number }

export interface HeldDelivery {
  readonly id: string
  readonly token: string
}

export interface FinishedDelivery extends HeldDelivery {
  readonly status: Exclude<DeliveryStatus, 'in_flight'>
  /** When it is due again, where it is parked. */
  readonly at?: number
  /** Absent where nothing was tried. */
  readonly attempt?: Attempt
  readonly reason?: string
  readonly now: number
}

export interface Wanted {
  readonly subscription: string
  readonly max: number
}

export interface Claim {
  readonly token: string
  readonly now: number
  readonly until: number
}

export interface ClaimedDelivery {
  readonly id: string
  readonly subscription: string
  readonly topic: string
  readonly eventId: string
  readonly position?: string
  readonly key?: string
  /** The event in the JSON format. */
  readonly bytes: Uint8Array
  /** How many attempts were made before, in this lineage and in all. */
  readonly tried: number
  readonly triedEver: number
  readonly operation?: string
  readonly createdAt: number
}

export interface Pending {
  readonly subscription: string
  readonly events: number
  readonly bytes: number
  /** When the oldest was inserted. */
  readonly oldestAt: number
}

export interface DeliveryFilter {
  readonly subscription?: string
  readonly topic?: string
  /** The event's own id. */
  readonly event?: string
  readonly status?: DeliveryStatus
  /** Inserted at or after. */
  readonly since?: number
  /** Which topics the caller may see; undefined is all. */
  readonly topics?: readonly string[]
}

export interface DeliverySummary {
  readonly id: string
  readonly subscription: string
  readonly topic: string
  readonly event: { readonly id: string; readonly source: string; readonly type: string; readonly position?: string }
  readonly status: DeliveryStatus
  readonly reason?: string
  readonly attempts: number
  /** When it is tried next, where it is parked. */
  readonly dueAt?: number
  readonly operation?: string
  readonly createdAt: number
  readonly updatedAt: number
}

export interface DeliveryPage {
  readonly items: readonly DeliverySummary[]
  /** What `after` of the next page is, where there is one. */
  readonly next?: string
}

export interface DeliveryDetail extends DeliverySummary {
  readonly history: readonly Attempt[]
  /** Absent once it was purged. */
  readonly bytes?: Uint8Array
}
