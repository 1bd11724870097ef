import type { Feed } from '../../subscriptions.ts'
import { change, type Query } from '../query.ts'
import { feedValues } from './row.ts'
import { moveVersion } from './version.ts'

export function* changeFeed(id: string, from: Feed, to: Feed): Query<boolean> {
  const changed = yield* change(
    `UPDATE subscriptions SET feed_state = ?, feed_from = ?, feed_to = ?, feed_next = ?
     WHERE id = ? AND feed_state = ? AND feed_from IS NOT DISTINCT FROM ? AND feed_to IS NOT DISTINCT FROM ?
       AND feed_next IS NOT DISTINCT FROM ?`,
    ...feedValues(to),
    id,
    ...feedValues(from),
  )
  if (changed > 0) yield* moveVersion(id)
  return changed > 0
}

export function* leaseFeed(id: string, owner: string, until: number, now: number): Query<boolean> {
  const changed = yield* change(
    `UPDATE subscriptions SET feed_owner = ?, feed_until = ?
     WHERE id = ? AND (feed_owner IS NULL OR feed_owner = ? OR feed_until <= ?)`,
    owner,
    until,
    id,
    owner,
    now,
  )
  return changed > 0
}
