import { GatewayError } from '../../../core/errors.ts'
import type { Subscription } from '../../../core/subscription.ts'
import { first, type Query } from '../query.ts'
import { nameTaken } from './create.ts'
import { definitionOf, type SubscriptionRow, subscriptionColumns } from './row.ts'
import { moveVersion } from './version.ts'

export function* update(subscription: Subscription, sealed: Uint8Array, revision: number): Query<SubscriptionRow> {
  const { id, name, status, reason, failingSince, declared, updatedAt } = subscription
  const known = yield* first<{ revision: number }>('SELECT revision FROM subscriptions WHERE id = ? FOR UPDATE', id)
  if (known === undefined) throw new GatewayError('not_found', `There is no subscription ${id}.`)
  if (known.revision !== revision) {
    throw new GatewayError('conflict', `Subscription ${id} was changed meanwhile: read it again.`)
  }
  if (name !== undefined) {
    const other = yield* first('SELECT id FROM subscriptions WHERE name = ? AND id <> ?', name, id)
    if (other !== undefined) throw nameTaken(name)
  }
  const row = yield* first<SubscriptionRow>(
    `UPDATE subscriptions SET name = ?, status = ?, reason = ?, failing_since = ?, declared = ?, definition = ?,
       sealed = ?, updated_at = ?, revision = revision + 1
     WHERE id = ? RETURNING ${subscriptionColumns}`,
    name ?? null,
    status,
    reason ?? null,
    failingSince ?? null,
    declared ? 1 : 0,
    definitionOf(subscription),
    sealed,
    updatedAt,
    id,
  )
  yield* moveVersion(id)
  return row!
}
