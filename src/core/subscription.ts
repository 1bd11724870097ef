import type { Filter } from './filter.ts'

/** A topic, a filter, an endpoint and a policy (api.md, "Subscriptions"). */
export interface Subscription {
  readonly id: string
  /** The identity of a declared one; unique where it is given. */
  readonly name?: string
  readonly topic: string
  readonly url: string
  readonly filters: readonly Filter[]
  readonly mode: DeliveryMode
  readonly headers: Readonly<Record<string, string>>
  readonly auth?: EndpointAuth
  readonly ordering: 'none' | 'key'
  /** As it was asked for: `latest`, `earliest`, a time or a cursor of the broker. */
  readonly start: string
  readonly policy: Policy
  readonly labels: Readonly<Record<string, string>>
  /** The newest first; each signs until it ends. */
  readonly secrets: readonly SigningSecret[]
  readonly status: SubscriptionStatus
  /** Why it is not active, for people. */
  readonly reason?: string
  /** Since when no attempt succeeded, in milliseconds since the epoch. */
  readonly failingSince?: number
  /** Whether the configuration declares it. */
  readonly declared: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

/**
 * `paused` by a user and `disabled` by the gateway keep what is owed; `ended` is for good: the endpoint said 410, what
 * was owed is dead, and nothing more is accepted.
 */
export type SubscriptionStatus = 'active' | 'paused' | 'disabled' | 'ended'

/**
 * How an event goes into a request: the JSON format, attributes in headers and data in the body, or data with the
 * gateway's own headers only.
 */
export type DeliveryMode = 'structured' | 'binary' | 'data'

export type EndpointAuth =
  | { readonly bearer: string }
  | { readonly basic: { readonly user: string; readonly password: string } }
  | {
      readonly oauth2: {
        readonly tokenUrl: string
        readonly clientId: string
        readonly clientSecret: string
        readonly scope?: string
      }
    }
  /** PEM. */
  | { readonly mtls: { readonly cert: string; readonly key: string } }

export interface SigningSecret {
  /** `whsec_` and base64, as Standard Webhooks writes it. */
  readonly secret: string
  /** It signs until then, in milliseconds since the epoch; for ever where absent. */
  readonly until?: number
}

/** Times in milliseconds. */
export interface Policy {
  readonly timeoutMs: number
  /** The wait before each retry; after the last one fails, the delivery is exhausted. */
  readonly retryMs: readonly number[]
  readonly concurrency: number
  readonly ratePerSecond: number | null
  readonly breaker: {
    readonly failureRatio: number
    /** Below so many attempts in the window it stays closed. */
    readonly minimum: number
    readonly windowMs: number
    readonly cooldownMs: number
  }
  /** What may wait for this subscription in the store. */
  readonly quota: { readonly events: number; readonly bytes: number }
  readonly onFull: 'block' | 'discard'
  readonly onExhausted: 'dead-letter' | 'discard'
  /** Statuses after which no retry is made. */
  readonly noRetry: readonly number[]
  /** It is disabled after so long without any success. */
  readonly disableAfterMs: number
  readonly record: 'problems' | 'all'
}

export const defaultPolicy: Policy = {
  timeoutMs: 15_000,
  retryMs: [5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000],
  concurrency: 16,
  ratePerSecond: null,
  breaker: { failureRatio: 0.5, minimum: 20, windowMs: 60_000, cooldownMs: 30_000 },
  quota: { events: 100_000, bytes: 256 << 20 },
  onFull: 'block',
  onExhausted: 'dead-letter',
  noRetry: [],
  disableAfterMs: 5 * 86_400_000,
  record: 'problems',
}
