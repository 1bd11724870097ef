import { GatewayError } from '../../../core/errors.ts'
import type { Subscription } from '../../../core/subscription.ts'
import type { Feed } from '../../subscriptions.ts'
import { change, first, type Query } from '../query.ts'
import { definitionOf, feedValues, type SubscriptionRow, subscriptionColumns } from './row.ts'
import { moveVersion } from './version.ts'

export function* create(subscription: Subscription, sealed: Uint8Array, feed: Feed): Query<SubscriptionRow> {
  const { id, name, topic, status, reason, failingSince, declared, createdAt, updatedAt } = subscription
  const row = yield* first<SubscriptionRow>(
    `INSERT INTO subscriptions (id, name, topic, status, reason, failing_since, declared, definition, sealed, revision,
       created_at, updated_at, feed_state, feed_from, feed_to, feed_next)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING ${subscriptionColumns}`,
    id,
    name ?? null,
    topic,
    status,
    reason ?? null,
    failingSince ?? null,
    declared ? 1 : 0,
    definitionOf(subscription),
    sealed,
    createdAt,
    updatedAt,
    ...feedValues(feed),
  )
  if (row === undefined) throw nameTaken(name ?? id)
  yield* change('INSERT INTO pending (subscription, events, bytes) VALUES (?, 0, 0)', id)
  yield* moveVersion(id)
  return row
}

export function nameTaken(name: string): GatewayError {
  return new GatewayError('conflict', `There is a subscription ${name} already.`)
}
