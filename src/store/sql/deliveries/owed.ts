import type { DeliveryStatus } from '../../../core/delivery.ts'
import type { Pending } from '../../deliveries.ts'
import { all, allIn, chunks, first, type Query, repeated } from '../query.ts'

interface PendingRow {
  readonly subscription: string
  readonly events: number
  readonly bytes: number
  readonly oldest: number | null
}

export function* pending(subscription?: string): Query<readonly Pending[]> {
  const counted = `SELECT subscription, events, bytes,
      (SELECT created_at FROM deliveries d WHERE d.subscription = pending.subscription AND d.at IS NOT NULL
       ORDER BY d.seq LIMIT 1) AS oldest
    FROM pending WHERE events > 0`
  const rows = yield* subscription === undefined
    ? all<PendingRow>(`${counted} ORDER BY subscription`)
    : all<PendingRow>(`${counted} AND subscription = ?`, subscription)
  return rows.map(({ oldest, ...row }) => ({ ...row, oldestAt: oldest ?? 0 }))
}

/** One look into the index of each subscription that owes something: how much that is does not matter. */
export function* schedule(): Query<readonly { readonly subscription: string; readonly at: number }[]> {
  const rows = yield* all<{ subscription: string; at: number | null }>(
    `SELECT subscription,
       (SELECT due FROM deliveries d WHERE d.subscription = pending.subscription AND d.due IS NOT NULL
        ORDER BY d.due LIMIT 1) AS at
     FROM pending WHERE events > 0 ORDER BY subscription`,
  )
  return rows.flatMap(({ subscription, at }) => (at === null ? [] : [{ subscription, at }]))
}

export function* known(ids: readonly string[]): Query<ReadonlySet<string>> {
  const rows = yield* allIn<{ id: string }>('SELECT id FROM deliveries WHERE id', ids)
  return new Set(rows.map(({ id }) => id))
}

export function* blocked(
  pairs: readonly { readonly subscription: string; readonly key: string }[],
): Query<ReadonlySet<string>> {
  const found = new Set<string>()
  for (const chunk of chunks(pairs)) {
    const rows = yield* all<{ subscription: string; key: string }>(
      `WITH v (subscription, key) AS (VALUES ${repeated('(CAST(? AS TEXT), CAST(? AS TEXT))', chunk.length)})
       SELECT subscription, key FROM v WHERE EXISTS (SELECT 1 FROM deliveries d
         WHERE d.subscription = v.subscription AND d.key = v.key AND d.at IS NOT NULL)`,
      ...chunk.flatMap(({ subscription, key }) => [subscription, key]),
    )
    for (const { subscription, key } of rows) found.add(`${subscription} ${key}`)
  }
  return found
}

/** What is parked is not counted but known: everything pending that is not in flight. */
export function* counts(subscription: string): Query<Readonly<Record<DeliveryStatus, number>>> {
  const rows = yield* all<{ status: DeliveryStatus; count: number }>(
    `SELECT status, count(*) AS count FROM deliveries WHERE subscription = ? AND at IS NULL GROUP BY status
     UNION ALL
     SELECT 'in_flight' AS status, count(*) AS count FROM deliveries WHERE subscription = ? AND status = 'in_flight'
     UNION ALL
     SELECT 'parked' AS status, events AS count FROM pending WHERE subscription = ?`,
    subscription,
    subscription,
    subscription,
  )
  const found = new Map(rows.map(({ status, count }) => [status, count]))
  const of = (status: DeliveryStatus): number => found.get(status) ?? 0
  return {
    in_flight: of('in_flight'),
    parked: Math.max(0, of('parked') - of('in_flight')),
    dead: of('dead'),
    succeeded: of('succeeded'),
    discarded: of('discarded'),
    expired: of('expired'),
  }
}

/** How many rows of an operation are pending. */
export function* pendingOf(operation: string): Query<number> {
  const row = yield* first<{ count: number }>(
    'SELECT count(*) AS count FROM deliveries WHERE operation = ? AND at IS NOT NULL AND counted = 0',
    operation,
  )
  return row!.count
}
