import type { DeliveryStatus } from '../../../core/delivery.ts'
import type { Deliveries } from '../../deliveries.ts'
import { all, changeIn, type Query, type Sql } from '../query.ts'
import { deleteRows, gone } from '../subscriptions/delete.ts'
import { deletePayloads } from './payloads.ts'

/** So many rows in one transaction, and in one call of each status. */
const step = 500

const ended: readonly DeliveryStatus[] = ['succeeded', 'dead', 'discarded', 'expired']

/**
 * Beside the rows it looks, a step further at every call, for payloads whose rows were deleted one by one or with their
 * subscription, and for rows of subscriptions whose deletion broke off.
 */
export function purging(sql: Sql): Deliveries['purge'] {
  let seen = ''
  return async (before) => {
    let purged = 0
    for (const status of ended) {
      purged += await sql.write(() => purgeRows(status, status === 'succeeded' ? before.succeeded : before.other))
    }
    const subscription = await sql.read(gone)
    if (subscription !== undefined) purged += await sql.write(() => deleteRows(subscription))
    const oldest = Math.min(before.succeeded, before.other)
    await sql.write(() => purgeOperations(before.other))
    const refs = await sql.read(() =>
      all<{ ref: string }>('SELECT ref FROM payloads WHERE ref > ? ORDER BY ref LIMIT ?', seen, step),
    )
    if (refs.length > 0) {
      await sql.write(() =>
        deletePayloads(
          refs.map(({ ref }) => ref),
          oldest,
        ),
      )
    }
    seen = refs.length < step ? '' : refs.at(-1)!.ref
    return purged
  }
}

function* purgeRows(status: DeliveryStatus, before: number): Query<number> {
  const rows = yield* all<{ seq: number; ref: string }>(
    `SELECT seq, ref FROM deliveries WHERE status = ? AND at IS NULL AND updated_at < ? ORDER BY updated_at LIMIT ?
     FOR UPDATE SKIP LOCKED`,
    status,
    before,
    step,
  )
  const seqs = rows.map(({ seq }) => seq)
  yield* changeIn('DELETE FROM attempts WHERE delivery', seqs)
  yield* changeIn('DELETE FROM deliveries WHERE seq', seqs)
  yield* deletePayloads(
    rows.map(({ ref }) => ref),
    before,
  )
  return rows.length
}

function* purgeOperations(before: number): Query<void> {
  const rows = yield* all<{ id: string }>('SELECT id FROM operations WHERE finished_at < ? LIMIT ?', before, step)
  yield* changeIn(
    'DELETE FROM operations WHERE id',
    rows.map(({ id }) => id),
  )
}
