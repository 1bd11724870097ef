import type { Subscription, SubscriptionStatus } from '../../../core/subscription.ts'
import type { Feed, StoredSubscription } from '../../subscriptions.ts'
import type { Value } from '../query.ts'
import type { Seal } from '../seal.ts'

export interface SubscriptionRow {
  readonly id: string
  readonly name: string | null
  readonly topic: string
  readonly status: SubscriptionStatus
  readonly reason: string | null
  readonly failing_since: number | null
  readonly declared: number
  readonly definition: string
  readonly sealed: Uint8Array
  readonly revision: number
  readonly created_at: number
  readonly updated_at: number
  readonly feed_state: Feed['state']
  readonly feed_from: string | null
  readonly feed_to: string | null
  readonly feed_next: string | null
}

export const subscriptionColumns = `id, name, topic, status, reason, failing_since, declared, definition, sealed, revision,
  created_at, updated_at, feed_state, feed_from, feed_to, feed_next`

type Definition = Pick<Subscription, 'url' | 'filters' | 'mode' | 'ordering' | 'start' | 'policy' | 'labels'>
type Secret = Pick<Subscription, 'secrets' | 'auth' | 'headers'>

/** What may lie in the clear. */
export function definitionOf(subscription: Subscription): string {
  const { url, filters, mode, ordering, start, policy, labels } = subscription
  return JSON.stringify({ url, filters, mode, ordering, start, policy, labels } satisfies Definition)
}

export function sealedOf({ id, secrets, auth, headers }: Subscription, seal: Seal): Uint8Array {
  const secret: Secret = { secrets, headers, ...(auth !== undefined && { auth }) }
  return seal.close(JSON.stringify(secret), id)
}

/** `feed_state`, `feed_from`, `feed_to`, `feed_next`. */
export function feedValues(feed: Feed): readonly [string, ...Value[]] {
  if (feed.state === 'attached') return [feed.state, feed.gap?.from ?? null, feed.gap?.to ?? null, null]
  return [feed.state, feed.from, null, feed.next]
}

/** Undefined where the secrets do not open. */
export function toSubscription(row: SubscriptionRow, seal: Seal): StoredSubscription | undefined {
  const opened = seal.open(row.sealed, row.id)
  if (opened === undefined) return undefined
  return {
    id: row.id,
    ...(row.name !== null && { name: row.name }),
    topic: row.topic,
    ...(JSON.parse(row.definition) as Definition),
    ...(JSON.parse(opened) as Secret),
    status: row.status,
    ...(row.reason !== null && { reason: row.reason }),
    ...(row.failing_since !== null && { failingSince: row.failing_since }),
    declared: row.declared === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    revision: row.revision,
    feed: toFeed(row),
  }
}

function toFeed({ feed_state: state, feed_from: from, feed_to: to, feed_next: next }: SubscriptionRow): Feed {
  if (state !== 'attached') return { state, from: from!, next: next! }
  return from === null || to === null ? { state } : { state, gap: { from, to } }
}
