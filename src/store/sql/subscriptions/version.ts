import { change, first, type Query } from '../query.ts'

export const subscriptionVersion = `SELECT value FROM counters WHERE name = 'subscriptions'`

export function* version(): Query<number> {
  return (yield* first<{ value: number }>(subscriptionVersion))!.value
}

/** In the transaction of the change, so that whoever sees the counter sees the change; of what is left of it, when. */
export function* moveVersion(subscription?: string): Query<void> {
  const counter = yield* first<{ value: number }>(
    `UPDATE counters SET value = value + 1 WHERE name = 'subscriptions' RETURNING value`,
  )
  if (subscription === undefined) return
  yield* change('UPDATE subscriptions SET changed = ? WHERE id = ?', counter!.value, subscription)
}
