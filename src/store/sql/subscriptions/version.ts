import { change, first, type Query } from '../query.ts'

export const subscriptionVersion = `SELECT value FROM counters WHERE name = 'subscriptions'`

export function* version(): Query<number> {
  return (yield* first<{ value: number }>(subscriptionVersion))!.value
}

/** In the transaction of the change, so that whoever sees the counter sees the change. */
export function* moveVersion(): Query<void> {
  yield* change(`UPDATE counters SET value = value + 1 WHERE name = 'subscriptions'`)
}
