import type { SubscriptionPage } from '../../subscriptions.ts'
import { all, first, type Query, type Value } from '../query.ts'
import { type SubscriptionRow, subscriptionColumns } from './row.ts'
import { subscriptionVersion } from './version.ts'

interface Snapshot {
  readonly version: number
  readonly rows: readonly SubscriptionRow[]
}

/** One statement, so that counter and subscriptions are of the same moment. */
export function* load(): Query<Snapshot> {
  const rows = yield* all<SubscriptionRow & { readonly value: number; readonly id: string | null }>(
    `SELECT counted.value, ${subscriptionColumns} FROM (${subscriptionVersion}) AS counted
     LEFT JOIN subscriptions ON 1 = 1 ORDER BY id`,
  )
  return { version: rows[0]!.value, rows: rows.filter(({ id }) => id !== null) }
}

export function* list({ topic, limit, after }: SubscriptionPage): Query<readonly SubscriptionRow[]> {
  const conditions = ['1 = 1']
  const values: Value[] = []
  if (topic !== undefined) {
    conditions.push('topic = ?')
    values.push(topic)
  }
  if (after !== undefined) {
    conditions.push('id > ?')
    values.push(after)
  }
  const where = conditions.join(' AND ')
  return yield* all<SubscriptionRow>(
    `SELECT ${subscriptionColumns} FROM subscriptions WHERE ${where} ORDER BY id LIMIT ?`,
    ...values,
    limit,
  )
}

export function* get(id: string): Query<SubscriptionRow | undefined> {
  return yield* first<SubscriptionRow>(`SELECT ${subscriptionColumns} FROM subscriptions WHERE id = ?`, id)
}
