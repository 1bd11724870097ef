import type { Subscription, SubscriptionStatus } from '../core/subscription.ts'

/** The subscriptions of all topics, and how each of them is fed. Every change moves the change counter. */
export interface Subscriptions {
  /**
   * A counter that grows with every change of a subscription or of its feed, also by another replica. A subscription whose
   * `create` resolved is seen by whoever reads the counter after that.
   */
  version(): Promise<number>
  /** As of one moment: everything, or what has changed since the counter stood at `since`. */
  load(since?: number): Promise<SubscriptionSnapshot>
  /** Of all that there are. */
  ids(): Promise<readonly string[]>
  list(page: SubscriptionPage): Promise<readonly StoredSubscription[]>
  /** Undefined where there is none. */
  get(id: string): Promise<StoredSubscription | undefined>
  /** Rejects with `conflict` where its name is taken. */
  create(subscription: Subscription, feed: Feed): Promise<StoredSubscription>
  /**
   * Replaces it where it still has `revision`; rejects with `conflict` otherwise, and with `not_found` where it is gone.
   * Topic, id and feed stay.
   */
  update(subscription: Subscription, revision: number): Promise<StoredSubscription>
  /** With everything that it owns: rows, attempts, feed. False where there was none. */
  delete(id: string): Promise<boolean>
  /** Changes the status where it is one of `from`; answers whether it did. */
  transition(
    id: string,
    from: readonly SubscriptionStatus[],
    to: SubscriptionStatus,
    reason: string | undefined,
    now: number,
  ): Promise<boolean>
  /** Notes since when it fails, or that it does not any more. Does not move the counter. */
  failing(id: string, since: number | undefined): Promise<void>
  /** Changes the feed where it is still what `from` says; answers whether it did. */
  feed(id: string, from: Feed, to: Feed): Promise<boolean>
  /**
   * Takes the lease on pumping the feed, or prolongs one's own; false where another replica has it. Does not move the
   * counter.
   */
  leaseFeed(id: string, owner: string, until: number, now: number): Promise<boolean>
}

export interface SubscriptionSnapshot {
  readonly version: number
  /** How many there are in all. */
  readonly total: number
  readonly subscriptions: readonly StoredSubscription[]
}

export interface StoredSubscription extends Subscription {
  /** Grows with every change of it. */
  readonly revision: number
  readonly feed: Feed
}

export interface SubscriptionPage {
  readonly topic?: string
  readonly limit: number
  /** The id of the last one seen; they are listed by id. */
  readonly after?: string
}

/**
 * Where a subscription's events come from. `attached`: the gateway's group on the topic; where it was detached before,
 * events from `from` up to `to` came out of the log already. `detached`: the log, from `from` on. `rejoining`: the log
 * is nearly read, and the group's events wait until it is known where it begins.
 */
export type Feed =
  | { readonly state: 'attached'; readonly gap?: { readonly from: string; readonly to: string } }
  | { readonly state: 'detached' | 'rejoining'; readonly from: string; readonly next: string }
