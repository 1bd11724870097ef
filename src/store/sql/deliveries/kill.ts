import { all, change, chunks, type Query, repeated, type Sql } from '../query.ts'
import { countEnded, countPending, Deltas, lockSubscriptions } from './counters.ts'

/** So many rows in one transaction. */
const step = 500

/** Oldest first, a few at a time, up to the newest that was there when it began. */
export async function kill(sql: Sql, subscription: string, reason: string, now: number): Promise<number> {
  const [newest] = await sql.read(() => all<{ seq: number }>(`${pending} ORDER BY seq DESC LIMIT 1`, subscription))
  let killed = 0
  for (let more = newest !== undefined; more; ) {
    const some = await sql.write(() => killSome(subscription, newest!.seq, reason, now))
    killed += some
    more = some > 0
  }
  return killed
}

/** The heads of keys need no settling: those that come after a dead one die as well. */
function* killSome(subscription: string, newest: number, reason: string, now: number): Query<number> {
  yield* lockSubscriptions([subscription])
  const rows = yield* all<{ seq: number; size: number; operation: string | null; counted: number }>(
    `SELECT seq, size, operation, counted FROM deliveries
     WHERE subscription = ? AND at IS NOT NULL AND seq <= ? ORDER BY seq LIMIT ? FOR UPDATE`,
    subscription,
    newest,
    step,
  )
  for (const chunk of chunks(rows)) {
    yield* change(
      `UPDATE deliveries SET status = 'dead', at = NULL, due = NULL, token = NULL, reason = ?, updated_at = ?,
         counted = CASE WHEN operation IS NOT NULL THEN 1 ELSE counted END
       WHERE seq IN (${repeated('?', chunk.length)})`,
      reason,
      now,
      ...chunk.map(({ seq }) => seq),
    )
  }
  const owed = new Deltas()
  const ended = new Deltas()
  for (const { size, operation, counted } of rows) {
    owed.add(subscription, -1, -size)
    if (operation !== null && counted === 0) ended.add(operation, 0, 1)
  }
  yield* countPending(owed)
  yield* countEnded(ended)
  return rows.length
}

const pending = 'SELECT seq FROM deliveries WHERE subscription = ? AND at IS NOT NULL'
