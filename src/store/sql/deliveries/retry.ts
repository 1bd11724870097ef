import type { DeliveryStatus } from '../../../core/delivery.ts'
import { GatewayError } from '../../../core/errors.ts'
import type { Deliveries } from '../../deliveries.ts'
import { change, first, type Query } from '../query.ts'
import { countPending, Deltas, lockSubscriptions } from './counters.ts'
import { KeyPairs, settleHeads } from './heads.ts'

interface Row {
  readonly seq: number
  readonly subscription: string
  readonly key: string | null
  readonly size: number
  readonly status: DeliveryStatus
}

type Answer = Awaited<ReturnType<Deliveries['retry']>>

/** It is not counted again by an operation that has counted it. */
export function* retry(id: string, now: number): Query<Answer> {
  const seen = yield* first<Row>(select, id)
  if (seen === undefined) return 'missing'
  if (!(yield* lockSubscriptions([seen.subscription])).has(seen.subscription)) return 'missing'
  const row = yield* first<Row>(`${select} FOR UPDATE`, id)
  if (row === undefined) return 'missing'
  const { seq, subscription, key, size, status } = row
  if (status === 'in_flight' || status === 'succeeded') return status
  // What was discarded for want of room, and what a log has lost, has no payload.
  if (size === 0) throw new GatewayError('conflict', `The event of delivery ${id} was not kept.`)
  if (status === 'parked') {
    yield* change(
      `UPDATE deliveries SET at = ?, due = CASE WHEN due IS NULL THEN NULL ELSE CAST(? AS BIGINT) END, updated_at = ?
       WHERE seq = ?`,
      now,
      now,
      now,
      seq,
    )
    return 'due'
  }
  yield* change(
    `UPDATE deliveries SET status = 'parked', at = ?, due = ?, tried = 0, reason = NULL, updated_at = ? WHERE seq = ?`,
    now,
    key === null ? now : null,
    now,
    seq,
  )
  const pairs = new KeyPairs()
  if (key !== null) pairs.add(subscription, key)
  yield* settleHeads(pairs)
  const pending = new Deltas()
  pending.add(subscription, 1, size)
  yield* countPending(pending)
  return 'due'
}

const select = 'SELECT seq, subscription, key, size, status FROM deliveries WHERE id = ?'
