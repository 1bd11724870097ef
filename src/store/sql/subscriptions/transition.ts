import type { SubscriptionStatus } from '../../../core/subscription.ts'
import { change, type Query, repeated } from '../query.ts'
import { moveVersion } from './version.ts'

export function* transition(
  id: string,
  from: readonly SubscriptionStatus[],
  to: SubscriptionStatus,
  reason: string | undefined,
  now: number,
): Query<boolean> {
  if (from.length === 0) return false
  const changed = yield* change(
    `UPDATE subscriptions SET status = ?, reason = ?, updated_at = ?, revision = revision + 1
     WHERE id = ? AND status IN (${repeated('?', from.length)})`,
    to,
    reason ?? null,
    now,
    id,
    ...from,
  )
  if (changed > 0) yield* moveVersion(id)
  return changed > 0
}
