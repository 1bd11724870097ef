import type { ItemError } from './errors.ts'
import type { Event } from './event.ts'

/**
 * THE port. An adapter implements `Broker` for one opened connection; the core validates, sizes, gates and batches
 * above it, so a driver stays dumb. Every method rejects with a `GatewayError`; what a broker cannot do is left out
 * (`log`, `admin`, `deadLetters`) or declared in `capabilities`, and then refused by the core by that name.
 */
export interface Broker {
  readonly capabilities: Readonly<Capabilities>
  /**
   * Stores `events` and answers one result per event, in order, once the broker itself acknowledged. Events of one key
   * that are stored are stored in this order; where an earlier one of a key was not stored, later ones are not either.
   * Settles soon after `signal` aborts: what was already sent is then `unknown`. A retry with the same ids is safe only
   * inside `dedupWindowMs`.
   */
  publish(topic: string, events: readonly Event[], options: PublishOptions): Promise<readonly PublishResult[]>
  /** Opens a consumer of an existing group. Several may be open at once; they share the group's events. */
  open(topic: string, group: string, options: OpenOptions): Promise<Consumer>
  readonly groups: Groups
  readonly log?: Log
  readonly admin?: Admin
  readonly deadLetters?: DeadLetters
  /** Resolves where publishing would work now, rejects with the reason where not. Answers within seconds. */
  health(): Promise<void>
  /**
   * Settles every pending call, then releases everything. Calling it again is harmless. Leases whose receipts are
   * portable stay until they end: whoever pulled them may settle on another connection.
   */
  close(): Promise<void>
}

export interface PublishOptions {
  /** Not to be seen by any reader before now + delayMs. Only where `publishDelayMs` > 0. */
  readonly delayMs?: number
  /** All or none. Only up to `atomicPublishMax` events. */
  readonly atomic?: boolean
  readonly signal: AbortSignal
}

export type PublishResult =
  | { readonly id: string; readonly status: 'stored'; readonly duplicate?: true; readonly position?: string }
  | {
      readonly id: string
      readonly status: 'failed' | 'unknown'
      readonly error: ItemError
      /** Which one is missing; only with `unsupported`. */
      readonly capability?: string
    }

/** Where a group or a read begins. A cursor is exclusive, a time inclusive (of when the broker stored the event). */
export type Start = 'earliest' | 'latest' | Date | { readonly cursor: string }

export interface OpenOptions {
  /** How many unsettled deliveries this consumer may hold at once. */
  readonly prefetch: number
  /**
   * Whether an event is held back while an earlier one of its key is unsettled, where the broker does that (`exclusiveKeys`);
   * true where absent. Who says false keeps the order of a key by itself, and is the group's only consumer: events come in
   * that order, and what one before it held and did not settle comes first, at once.
   */
  readonly holdKeys?: boolean
}

export interface Consumer {
  /** Waits up to `waitMs` for the first event; an empty batch means that there was none. */
  pull(options: PullOptions): Promise<Batch>
  /** One result per settlement, in order. A stale receipt fails with `lease_lost` and settles nothing. */
  settle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]>
  /** Returns what is unsettled to the group at once. Calling it again is harmless. */
  close(): Promise<void>
}

export interface PullOptions {
  readonly max: number
  readonly waitMs: number
  readonly signal: AbortSignal
}

export interface Batch {
  readonly deliveries: readonly Delivery[]
  readonly partition?: string
  /** Grows with every new assignment of what these deliveries came from. */
  readonly epoch: number
  /** Aborts when the assignment is lost: what is then unsettled belongs to somebody else. */
  readonly revoked: AbortSignal
}

export interface Delivery {
  readonly event: Event
  readonly receipt: string
  /** 1 for the first; counts redeliveries where `attempts` is true. */
  readonly attempt: number
  /** When the lease ends, in milliseconds since the epoch. */
  readonly expiresAt: number
  readonly position?: string
}

export type Outcome =
  | { readonly kind: 'ack' }
  | { readonly kind: 'nack'; readonly delayMs?: number }
  | { readonly kind: 'reject'; readonly reason: string }
  | { readonly kind: 'extend'; readonly durationMs?: number }

export interface Settlement {
  readonly receipt: string
  readonly outcome: Outcome
}

export type SettleResult =
  | { readonly status: 'ok'; readonly renewed?: string; readonly expiresAt?: number }
  | { readonly status: 'failed'; readonly error: ItemError }

export interface Groups {
  /** Fixes the group's position before it resolves. An existing group is left as it is: false. */
  create(topic: string, group: string, options: GroupOptions): Promise<boolean>
  describe(topic: string, group: string): Promise<GroupState>
  list(topic: string): Promise<readonly string[]>
  /** Resolves also where there is no such group. */
  delete(topic: string, group: string): Promise<void>
  /** Whether everything before a cursor of the log is settled. Only where the broker replays. */
  passed?(topic: string, group: string, cursor: string): Promise<boolean>
  /** Whether events that were published with a delay and are not due are still to come to the group. Only where `publishDelayMs` > 0. */
  hasDelayed?(topic: string, group: string): Promise<boolean>
  /** Moves the group; what is leased loses its lease. */
  seek?(topic: string, group: string, to: Start): Promise<void>
}

export interface GroupOptions {
  readonly start: Start
  readonly leaseMs: number
  /** An event is delivered so often at the most; then it becomes a dead letter. */
  readonly maxAttempts: number
}

export interface GroupState {
  /** As it was asked for at creation: `earliest`, `latest`, a time or a cursor. */
  readonly start: string
  readonly leaseMs: number
  readonly maxAttempts: number
  /** Published and not settled; `oldestMs` is the age of the oldest of them. Absent where `lag` is `none`. */
  readonly lag?: { readonly events: number; readonly oldestMs: number }
  readonly inFlight: number
}

export interface Log {
  /**
   * Yields batches until the end of the range. The first comes at once, also where it is empty: it carries the cursor to
   * go on from. Each batch is bounded; the next is read only when asked for. With `follow` it goes on for ever, waiting
   * for new events. When `signal` aborts it ends, without an error. A cursor of another log, or one beyond retention, rejects with `stale_cursor`.
   */
  read(topic: string, from: Start, options: ReadOptions): AsyncIterable<LogBatch>
  /** Rejects with `not_found` where there is no such position (any more). */
  get(topic: string, position: string): Promise<LogRecord>
  /** Whether the event at `position` lies before the place of `cursor`, both of one topic. Answers without asking the broker. */
  covers(cursor: string, position: string): boolean
  /** How many places lie behind one cursor and before another of the same topic; 0 where there are none. Asks nobody. */
  between(from: string, to: string): number
}

export interface ReadOptions {
  /** Inclusive. `latest`, the default, is the end of the log when the read began. Ignored with `follow`. */
  readonly to?: Date | 'latest'
  /** Only events with this `partitionkey`. */
  readonly key?: string
  /** Stop after so many events that match. */
  readonly limit?: number
  readonly follow?: boolean
  readonly signal: AbortSignal
}

export interface LogBatch {
  readonly records: readonly LogRecord[]
  /** The place after everything that this batch covers, matching or not. */
  readonly cursor: string
}

export interface LogRecord {
  readonly position: string
  /** The place after this event. */
  readonly cursor: string
  readonly event: Event
}

export interface Admin {
  /** Creates the topic or brings it to `spec`; never shrinks or deletes. Answers what changed, empty where nothing. */
  ensure(topic: string, spec: TopicSpec): Promise<readonly Change[]>
  /** What `ensure` would change; changes nothing. */
  diff(topic: string, spec: TopicSpec): Promise<readonly Change[]>
  /** Rejects with `not_found` where the broker has no such topic. */
  describe(topic: string): Promise<TopicState>
  /** The names of the topics that the broker has, as the gateway calls them, sorted. */
  list(): Promise<readonly string[]>
}

/** What the configuration asks of a topic. A field that a broker cannot honour is refused with `unsupported`. */
export interface TopicSpec {
  readonly partitions?: number
  readonly replicas?: number
  /** How many replicas must have an event before it is acknowledged. */
  readonly minInsyncReplicas?: number
  /** Of each key the newest event is kept, however old. */
  readonly compaction?: boolean
  readonly retention?: { readonly ms?: number; readonly bytes?: number }
  readonly dedupWindowMs?: number
}

export interface Change {
  readonly field: string
  readonly from?: string
  readonly to: string
}

export interface TopicState {
  readonly partitions: number
  readonly replicas: number
  readonly retention: { readonly ms?: number; readonly bytes?: number }
  readonly dedupWindowMs: number
  readonly minInsyncReplicas?: number
  readonly compaction?: boolean
  /** What an acknowledgement of this topic survives, where it may be less than the broker's capability says. */
  readonly durability?: Capabilities['durability']
  /** Who leads each partition, and which nodes have it, where the broker is a cluster. */
  readonly placement?: readonly PartitionPlacement[]
}

export interface PartitionPlacement {
  readonly partition: number
  /** The leading node; absent where the partition has none. */
  readonly leader?: number
  readonly replicas: readonly number[]
  /** Those that are up to date. */
  readonly inSync: readonly number[]
}

export interface DeadLetters {
  /** Oldest first; `after` is the `id` of the last one seen. */
  list(topic: string, group: string, page: { limit: number; after?: string }): Promise<readonly DeadLetter[]>
  /** Gives them to the group again with attempts counted from 1; answers how many. Each goes once. */
  redrive(topic: string, group: string, which: readonly string[] | 'all'): Promise<number>
  /** Rejects with `not_found` where there is none. */
  delete(topic: string, group: string, id: string): Promise<void>
}

export interface DeadLetter {
  readonly id: string
  readonly event: Event
  readonly reason: string
  readonly attempts: number
  readonly deadAt: number
  readonly position?: string
}

/** What an opened broker can do: of this mode, not of the brand. */
export interface Capabilities {
  /** One by one, or only everything up to a position. */
  readonly settlement: 'individual' | 'cumulative'
  /** Whether a receipt can be settled on another connection than it was pulled on. */
  readonly receipt: 'portable' | 'session'
  /** What refuses a stale receipt: the broker, the receipt's own deadline, or nothing. */
  readonly fencing: 'broker' | 'deadline' | 'none'
  /** The longest delay of a nack; 0 where there is none. */
  readonly nackDelayMs: number
  readonly reject: boolean
  readonly extend: boolean
  /** Whether deliveries are counted. */
  readonly attempts: boolean
  readonly ordering: 'none' | 'key' | 'topic'
  /** Whether an event of a key is held back while an earlier one of it is unsettled in the group. */
  readonly exclusiveKeys: boolean
  /** The longest deduplication window that a topic may ask for; 0 where there is none. */
  readonly dedupWindowMs: number
  /** The longest delay of a publish; 0 where there is none. */
  readonly publishDelayMs: number
  /** How many events one atomic publish may have; 0 where there is none. */
  readonly atomicPublishMax: number
  readonly groups: 'many' | 'one'
  readonly seek: boolean
  readonly replay: boolean
  readonly lag: 'exact' | 'approximate' | 'none'
  /** What survives what: nothing, a crash of the process, of the machine, the loss of a node. */
  readonly durability: 'memory' | 'process' | 'machine' | 'replicated'
  /** How the core batches: one request at the most, and so many requests at once per topic. */
  readonly publish: { readonly maxEvents: number; readonly maxBytes: number; readonly concurrency: number }
  /** The largest event, data and attributes together. */
  readonly maxEventBytes: number
}

export type CapabilityName = keyof Capabilities
