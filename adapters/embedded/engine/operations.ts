import type { Change, TopicSpec } from '../../../src/core/broker.ts'
import type { Range, RangeRequest } from './chunks.ts'
import type { TopicInfo } from './topics.ts'

/** Where a group or a read begins: a time in milliseconds (inclusive), or after an event. */
export type Place = 'earliest' | 'latest' | { readonly at: number } | { readonly after: number }

/** How an entry of a group is settled. `return` gives it back as if it had never been handed out. */
export const outcomes = { ack: 0, nack: 1, reject: 2, extend: 3, return: 4 } as const
type OutcomeKind = keyof typeof outcomes

export interface SettleItem {
  readonly seq: number
  readonly nonce: number
  /** When the lease ends. */
  readonly until: number
  readonly kind: OutcomeKind
  /** The delay of a nack, how long an extended lease lasts. */
  readonly ms?: number
  readonly reason?: string
}

/** Deliveries as columns; `bytes` are their records, one after the other. All leases end at `expiresAt`. */
export interface Handed {
  readonly seqs: number[]
  readonly attempts: number[]
  readonly nonces: number[]
  readonly expiresAt: number
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface DeadItem {
  readonly id: number
  readonly seq: number
  readonly attempts: number
  readonly reason: string
  readonly at: number
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface GroupInfo {
  readonly start: string
  readonly leaseMs: number
  readonly maxAttempts: number
}

/** Which group: a topic's number and the group's name. */
export interface GroupKey {
  readonly topic: number
  readonly group: string
}

/**
 * What the engine does. Each is a whole transaction or a part of one: it happens entirely or, where it throws, not at
 * all. Errors are GatewayErrors.
 */
export interface Operations {
  topics(input: null): TopicInfo[]
  plan(input: { name: string; spec: TopicSpec }): Change[]
  ensure(input: { name: string; spec: TopicSpec }): { topic: TopicInfo; changes: Change[] }
  /**
   * `records` are `count` encoded events. Answers the sequence number of the first that was stored, the others follow
   * it (0 where they are delayed), and in `duplicates` pairs of an index and the original's sequence number (0 where that is not due yet).
   */
  publish(input: { topic: number; records: Uint8Array; count: number; delayMs: number }): {
    first: number
    duplicates: number[] | null
  }
  groupCreate(input: GroupKey & GroupInfo & { place: Place }): boolean
  groupDescribe(input: GroupKey): GroupInfo & { events: number; oldestMs: number; inFlight: number; first: number }
  groupList(input: { topic: number }): string[]
  hasDelayed(input: { topic: number }): boolean
  groupDelete(input: GroupKey): null
  groupSeek(input: GroupKey & { place: Place }): null
  /**
   * `nextAt` is when something becomes due that nobody announces, null where there is nothing of the kind. `more` says
   * that pulling again at once may bring more. Without `holdKeys` no event waits for an earlier one of its key; what was
   * leased before and is not settled comes first where `takeOver` says that nobody holds it any more.
   */
  pull(
    input: GroupKey & { max: number; holdKeys: boolean; takeOver: boolean },
  ): Handed & { nextAt: number | null; more: boolean }
  /**
   * For each item the new lease where it was extended, true where it was settled otherwise, false where it was stale.
   * `due` is how many events can be pulled again at once because of it, `nextAt` when the first of the others can.
   */
  settle(input: GroupKey & { items: SettleItem[] }): {
    results: (boolean | { nonce: number; expiresAt: number })[]
    due: number
    nextAt: number | null
  }
  deadList(input: GroupKey & { after: number; limit: number }): DeadItem[]
  /** These, or a part of all those in (after, upTo]: then `last` says how far it came, null where it is done. */
  deadRedrive(input: GroupKey & { which: number[] | { after: number; upTo: number | null } }): {
    count: number
    last: number | null
    upTo: number
  }
  deadDelete(input: GroupKey & { id: number }): boolean
  /** Resolves where publishing would work. */
  ping(input: null): null
}

/** What only reads, and in a file is done by another thread than what writes. */
export interface Reads {
  /** The sequence numbers that a read begins and ends with. */
  locate(input: { topic: number; place: Place }): { from: number; next: number }
  range(input: RangeRequest): Range
  /** The chunk's part that is one record, or null where there is no such event (any more). */
  record(input: { topic: number; seq: number }): Uint8Array<ArrayBuffer> | null
}

export type Op = keyof Operations
export type Input<K extends Op> = Parameters<Operations[K]>[0]
export type Output<K extends Op> = ReturnType<Operations[K]>
export type ReadOp = keyof Reads
export type ReadInput<K extends ReadOp> = Parameters<Reads[K]>[0]
export type ReadOutput<K extends ReadOp> = ReturnType<Reads[K]>
