import type { Bindings } from '../core/binding.ts'
import type { Deliveries } from './deliveries.ts'
import type { HeldGroups } from './held-groups.ts'
import type { Operations } from './operations.ts'
import type { Rates } from './rates.ts'
import type { Subscriptions } from './subscriptions.ts'

/**
 * The gateway's own state. Every replica may open the same store; every method rejects with a `GatewayError`:
 * `unavailable` where it is locked, full or out of reach, and then nothing was changed.
 */
export interface Store {
  readonly bindings: Bindings
  readonly idempotency: Idempotency
  readonly keys: Keys
  readonly subscriptions: Subscriptions
  readonly deliveries: Deliveries
  readonly operations: Operations
  readonly rates: Rates
  readonly heldGroups: HeldGroups
  /** Random bytes that all replicas share, made by whoever asks first: they sign tickets. */
  secret(name: string): Promise<Uint8Array>
  /** Resolves where a write would work now. Answers within seconds. */
  health(): Promise<void>
  /** Settles what is pending, then releases everything. Calling it again is harmless. */
  close(): Promise<void>
}

export interface StoredKey {
  readonly id: string
  readonly name: string
  /** `sha256:<hex>` of the key's whole text. */
  readonly hash: string
  readonly scopes: readonly string[]
  readonly ratePerSecond?: number
  readonly createdAt: number
}

export interface Keys {
  list(): Promise<readonly StoredKey[]>
  put(key: StoredKey): Promise<void>
  /** False where there was none. */
  delete(id: string): Promise<boolean>
}

export interface StoredAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export interface IdempotencyEntry {
  /** Names the key, the route and the caller's Idempotency-Key. */
  readonly scope: string
  /** Of the payload: an entry with another one is another request. */
  readonly fingerprint: string
  readonly ids: readonly string[]
  /** Until when nobody else may take the claim over. */
  readonly leaseMs: number
  readonly now: number
}

export type IdempotencyBegin =
  /** `ids` are those of an earlier attempt whose outcome is unknown, else the given ones; they are durable now. */
  | { readonly kind: 'started'; readonly token: string; readonly ids: readonly string[] }
  | { readonly kind: 'running' }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'done'; readonly answer: StoredAnswer }

export interface Idempotency {
  /** Claims the entry, or says what is there. The claim is atomic over all replicas. */
  begin(entry: IdempotencyEntry): Promise<IdempotencyBegin>
  /** Remembers the answer for 24 h, where the token still holds the claim; otherwise does nothing. */
  finish(scope: string, token: string, answer: StoredAnswer): Promise<void>
  /** The outcome is unknown or worth a retry: gives the claim up, and keeps ids and fingerprint. */
  release(scope: string, token: string): Promise<void>
}
