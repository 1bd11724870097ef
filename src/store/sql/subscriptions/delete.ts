import { all, change, changeIn, first, type Query, type Sql } from '../query.ts'
import { moveVersion } from './version.ts'

/** So many rows in one transaction. */
const step = 500

/** The subscription goes at once; its rows after it, a few at a time. Those of a run that broke off are purged later. */
export async function deleteSubscription(sql: Sql, id: string, now: number): Promise<boolean> {
  if (!(await sql.write(() => deleteDefinition(id, now)))) return false
  while ((await sql.write(() => deleteRows(id))) > 0);
  return true
}

function* deleteDefinition(id: string, now: number): Query<boolean> {
  // Before everything else: it is what inserting waits for.
  yield* change('DELETE FROM pending WHERE subscription = ?', id)
  if ((yield* change('DELETE FROM subscriptions WHERE id = ?', id)) === 0) return false
  yield* change('INSERT INTO gone (subscription) VALUES (?) ON CONFLICT DO NOTHING', id)
  yield* change(
    `UPDATE operations SET state = 'cancelled', error = 'The subscription was deleted.', finished_at = ?
     WHERE subscription = ? AND finished_at IS NULL`,
    now,
    id,
  )
  yield* moveVersion()
  return true
}

/** Deletes some rows of a subscription that is gone; 0 when there are no more. */
export function* deleteRows(subscription: string): Query<number> {
  const rows = yield* all<{ seq: number }>(
    `SELECT seq FROM (SELECT seq FROM deliveries WHERE subscription = ? AND at IS NOT NULL ORDER BY seq LIMIT ?) AS owed
     UNION ALL
     SELECT seq FROM
       (SELECT seq FROM deliveries WHERE subscription = ? AND at IS NULL ORDER BY status, seq LIMIT ?) AS ended`,
    subscription,
    step,
    subscription,
    step,
  )
  const seqs = rows.map(({ seq }) => seq)
  yield* changeIn('DELETE FROM attempts WHERE delivery', seqs)
  yield* changeIn('DELETE FROM deliveries WHERE seq', seqs)
  if (seqs.length === 0) yield* change('DELETE FROM gone WHERE subscription = ?', subscription)
  return seqs.length
}

/** A subscription that is gone and whose rows may not be. */
export function* gone(): Query<string | undefined> {
  return (yield* first<{ subscription: string }>('SELECT subscription FROM gone LIMIT 1'))?.subscription
}
