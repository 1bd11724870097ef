import type { Redrive } from '../../operations.ts'
import { countPending, Deltas, lockSubscriptions } from '../deliveries/counters.ts'
import { KeyPairs, settleHeads } from '../deliveries/heads.ts'
import { all, allIn, change, chunks, first, type Query, repeated } from '../query.ts'
import { type OperationRow, operationColumns } from './row.ts'

interface Row {
  readonly seq: number
  readonly key: string | null
  readonly size: number
}

/**
 * What can be taken was dead when the operation began and is since, so that it only becomes less, and one walk along the
 * rows takes each of them once.
 */
export function* redrive(id: string, max: number, now: number): Query<number> {
  const seen = yield* first<OperationRow>(select, id)
  if (seen === undefined) return 0
  const { subscription } = seen
  if (!(yield* lockSubscriptions([subscription])).has(subscription)) return 0
  const operation = (yield* first<OperationRow>(`${select} FOR UPDATE`, id))!
  const what = JSON.parse(operation.what) as Redrive
  if (operation.state !== 'running' || what.kind !== 'redrive') return 0
  const rows = yield* deadRows(operation, what, max)
  for (const chunk of chunks(rows.map(({ seq }) => seq))) {
    yield* change(
      `UPDATE deliveries SET status = 'parked', at = ?, due = CASE WHEN key IS NULL THEN CAST(? AS BIGINT) END, tried = 0,
         reason = NULL, operation = ?, counted = 0, updated_at = ?
       WHERE seq IN (${repeated('?', chunk.length)})`,
      now,
      now,
      id,
      now,
      ...chunk,
    )
  }
  const pending = new Deltas()
  const pairs = new KeyPairs()
  for (const { key, size } of rows) {
    pending.add(subscription, 1, size)
    if (key !== null) pairs.add(subscription, key)
  }
  yield* settleHeads(pairs)
  yield* countPending(pending)
  const last = rows.at(-1)
  if (last !== undefined) {
    yield* change(
      'UPDATE operations SET next = ?, matched = COALESCE(matched, 0) + ? WHERE id = ?',
      String(last.seq),
      rows.length,
      id,
    )
  }
  return rows.length
}

function* deadRows(operation: OperationRow, what: Redrive, max: number): Query<readonly Row[]> {
  const { id, subscription, next } = operation
  const dead = `SELECT seq, key, size FROM deliveries
    WHERE subscription = ? AND status = 'dead' AND at IS NULL AND seq > ? AND created_at >= ? AND updated_at <= ?
      AND operation IS DISTINCT FROM ?`
  const values = [subscription, Number(next), what.since ?? 0, what.before, id]
  if (what.ids === undefined) return yield* all<Row>(`${dead} ORDER BY seq LIMIT ? FOR UPDATE`, ...values, max)
  const named = yield* allIn<{ seq: number }>('SELECT seq FROM deliveries WHERE id', what.ids)
  const rows: Row[] = []
  const ahead = named.map(({ seq }) => seq).filter((seq) => seq > Number(next))
  for (const chunk of chunks(ahead.sort((one, other) => one - other))) {
    if (rows.length >= max) break
    const list = repeated('?', chunk.length)
    rows.push(...(yield* all<Row>(`${dead} AND seq IN (${list}) ORDER BY seq FOR UPDATE`, ...values, ...chunk)))
  }
  return rows.slice(0, max)
}

const select = `SELECT ${operationColumns} FROM operations WHERE id = ?`
