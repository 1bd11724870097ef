import type { Broker } from '../core/broker.ts'
import type { Clock } from '../core/clock.ts'
import type { AttemptResult } from '../core/delivery.ts'
import type { Hook } from '../core/hook.ts'
import type { Limits } from '../core/limits.ts'
import type { Logger } from '../core/logger.ts'
import type { Subscription } from '../core/subscription.ts'
import type { OpenTopic } from '../core/topic.ts'
import type { PublishTracer } from '../core/trace-context.ts'
import type { Store } from '../store/store.ts'
import type { Feed, StoredSubscription } from '../store/subscriptions.ts'
import type { Metrics } from './metrics.ts'

/** Everything that the HTTP app needs of the platform and of the opened configuration. */
export interface Gateway {
  readonly clock: Clock
  readonly limits: Limits
  readonly topics: TopicRegistry
  readonly brokers: ReadonlyMap<string, OpenedBroker>
  readonly store: Store
  readonly webhooks: Webhooks
  /** Where webhooks of others come in, by the last part of their path. */
  readonly hooks: ReadonlyMap<string, Hook>
  /** Undefined where no key was configured at boot: then only loopback is served, and every caller may do everything. */
  readonly keys: KeyRing | undefined
  /** Hexadecimal; synchronous, because it runs once a request. */
  readonly sha256: (data: string | Uint8Array) => string
  /** Whether the platform refused too many or too large headers already. */
  readonly headersAreBounded: boolean
  /** Origins that browsers may call from; `*` is all. */
  readonly cors: readonly string[]
  readonly metrics: Metrics
  /** Undefined where nothing is traced. */
  readonly tracer?: PublishTracer
  readonly log: Logger
  /** A file of the API page, by name; undefined where there is none. */
  readonly asset: (name: string) => Promise<Asset | undefined>
  /** Aborts when shutdown begins: readiness says 503 then, and waits end. */
  readonly stopping: AbortSignal
}

/** What the delivery of subscriptions does for the API. */
export interface Webhooks {
  /**
   * Rejects with `invalid_argument` at `pointer` where the gateway would never call this address. The same for the token
   * URL of OAuth2.
   */
  check(url: string, pointer: string): Promise<void>
  /**
   * From when this resolves, events that are acknowledged on the topic wait for its subscriptions. Answers what feeds one
   * that begins at `start`: `latest`, `earliest`, a time or a cursor of the broker. To be called right before a subscription
   * is stored. Harmless to repeat.
   */
  prepare(topic: OpenTopic, start: string): Promise<Feed>
  /** Something changed in the store that this replica should look at soon: a subscription, an operation, a due delivery. */
  changed(): void
  /** Sends a test event at once, past every queue and breaker; the same signature and guard as the real thing. */
  ping(subscription: Subscription): Promise<AttemptResult>
  /**
   * How far a detached subscription is behind in its log, at most, as it was last looked up: how many events, and when the
   * first of them happened. Undefined where there is nothing to tell.
   */
  behind(subscription: StoredSubscription): { readonly events: number; readonly oldestAt?: number } | undefined
  /** Looks that up now. Never rejects. */
  look(subscription: StoredSubscription): Promise<void>
  /** How this replica sees the endpoint now. */
  state(subscription: string): { readonly breaker: 'closed' | 'open' | 'half-open'; readonly inFlight: number }
}

export interface Asset {
  readonly contentType: string
  readonly body: Uint8Array<ArrayBuffer>
}

export interface OpenedBroker {
  readonly name: string
  readonly type: string
  /** Undefined where it could not be opened; `error` says why. */
  readonly broker: Broker | undefined
  readonly error?: string
}

export interface TopicRegistry {
  /** Whether topics come into being on first use (`dev`). */
  readonly creates: boolean
  /** The opened topic. Synchronous where it is known, because every publish asks. */
  resolve(topic: string): OpenTopic | undefined
  /** Makes a topic where `creates` is true; concurrent calls make it once. */
  create(topic: string): Promise<OpenTopic>
  /** Sorted by name. */
  list(): readonly OpenTopic[]
}

export interface Key {
  readonly id: string
  readonly name: string
  readonly scopes: readonly string[]
  readonly ratePerSecond?: number
  /** Aborts when the key is removed or changed: what it opened ends then. */
  readonly revoked: AbortSignal
}

export interface KeyRing {
  /** By the hash of the whole key text, in hexadecimal. Compares in constant time. */
  find(sha256: string): Key | undefined
  get(id: string): Key | undefined
}

/** What a platform hands over beside the request. */
export interface PlatformEnv {
  /**
   * Reads the whole body faster than the request's own stream does. Rejects with `too_large` as soon as more than
   * `limit` bytes are certain, and with `invalid_argument` where the body stalls. `hold` is told how many bytes there are
   * so far before they are kept; where it throws, that is what the promise rejects with.
   */
  readonly readBody?: (limit: number, hold: (bytes: number) => void) => Promise<Uint8Array<ArrayBuffer>>
}
