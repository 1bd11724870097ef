import type { Clock } from '../core/clock.ts'
import type { AttemptResult } from '../core/delivery.ts'
import type { Event } from '../core/event.ts'
import type { Logger } from '../core/logger.ts'
import type { Sender } from '../core/sender.ts'
import type { Subscription } from '../core/subscription.ts'
import type { OpenTopic } from '../core/topic.ts'
import type { TraceContext } from '../core/trace-context.ts'
import type { Store } from '../store/store.ts'
import type { Decision } from './decide.ts'

/** What delivery needs of the gateway around it. */
export interface DeliveryContext {
  readonly clock: Clock
  readonly store: Pick<Store, 'bindings' | 'subscriptions' | 'deliveries' | 'operations' | 'rates'>
  readonly sender: Sender
  readonly topics: Topics
  /** SHA-256 of a text, in base64url. Synchronous, because it runs for every delivery. */
  readonly digest: (text: string) => string
  /** How many attempts may run at once, of all subscriptions together. */
  readonly maxAttempts: number
  /** Whether this process has no time to spare, so that what it measures of endpoints is its own slowness. Cheap. */
  readonly isBusy?: () => boolean
  readonly observer: Observer
  readonly log: Logger
  /** Tells the world what happened to a subscription. Never rejects, never waits. */
  readonly announce: (announcement: Announcement) => void
  /** Called at the places where a crash must not matter; tests end the process there. */
  readonly failpoint?: (point: Failpoint) => void
}

export interface Topics {
  resolve(topic: string): OpenTopic | undefined
  list(): readonly OpenTopic[]
  /** Nothing of what the topic was bound to before is to be consumed any more. */
  drained(topic: string): void
  /** Another replica has bound the topic to `broker`. */
  supersede(topic: string, broker: string): void
}

export type Failpoint =
  | 'before-match'
  | 'after-match'
  | 'before-attempt'
  | 'after-attempt'
  | 'before-row'
  | 'after-row'
  | 'before-settle'
  | 'after-settle'
  | 'before-redrive'
  | 'after-redrive'

export interface Announcement {
  readonly type: 'sluice.subscription.disabled' | 'sluice.subscription.ended' | 'sluice.subscription.expired'
  readonly subscription: Subscription
  readonly reason: string
  readonly data?: Readonly<Record<string, unknown>>
}

/** Who is told of attempts. Implementations are cheap: these run once an attempt. */
export interface Observer {
  /** An attempt begins. The context that it answers goes out with it; `end` of it is called after `ended`. */
  begin?(attempt: ObservedAttempt, event: Event): Span
  /** `next` is when it is tried again, where it is. */
  ended(attempt: ObservedAttempt, result: AttemptResult, outcome: Decision['kind'] | 'aborted', next?: number): void
}

export interface Span {
  readonly context: TraceContext
  end(result: AttemptResult): void
}

export interface ObservedAttempt {
  readonly subscription: Subscription
  /** The delivery. */
  readonly id: string
  readonly eventId: string
  readonly number: number
  /** Since when the gateway owes it, in milliseconds since the epoch. */
  readonly since: number
  readonly replay: string | undefined
}
