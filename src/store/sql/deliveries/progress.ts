import { GatewayError } from '../../../core/errors.ts'
import type { Progress } from '../../deliveries.ts'
import { change, type Query } from '../query.ts'

/** Throws `conflict` where the feed or the operation is not where it was. */
export function* move(progress: Progress): Query<void> {
  if ('feed' in progress) {
    const { feed, from, to } = progress
    const moved = yield* change(`UPDATE subscriptions SET feed_next = ? WHERE id = ? AND feed_next = ?`, to, feed, from)
    if (moved === 0) throw new GatewayError('conflict', `The feed of subscription ${feed} was moved meanwhile.`)
  } else {
    const { operation, from, to, matched } = progress
    const moved = yield* change(
      `UPDATE operations SET next = ?, matched = COALESCE(matched, 0) + ? WHERE id = ? AND next = ?`,
      to,
      matched,
      operation,
      from,
    )
    if (moved === 0) throw new GatewayError('conflict', `Operation ${operation} was moved meanwhile.`)
  }
}
