import type { SubscriptionPage } from '../../subscriptions.ts'
import { all, first, type Query, type Value } from '../query.ts'
import { type SubscriptionRow, subscriptionColumns } from './row.ts'
import { subscriptionVersion } from './version.ts'

interface Snapshot {
  readonly version: number
  readonly total: number
  readonly rows: readonly SubscriptionRow[]
}

/** One statement, so that counter and subscriptions are of the same moment. */
export function* load(since: number): Query<Snapshot> {
  const rows = yield* all<
    SubscriptionRow & { readonly value: number; readonly total: number; readonly id: string | null }
  >(
    `SELECT counted.value, (SELECT count(*) FROM subscriptions) AS total, ${subscriptionColumns}
     FROM (${subscriptionVersion}) AS counted LEFT JOIN subscriptions ON changed > ? ORDER BY id`,
    since,
  )
  return { version: rows[0]!.value, total: Number(rows[0]!.total), rows: rows.filter(({ id }) => id !== null) }
}

export function* ids(): Query<readonly string[]> {
  return (yield* all<{ id: string }>('SELECT id FROM subscriptions')).map(({ id }) => id)
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
