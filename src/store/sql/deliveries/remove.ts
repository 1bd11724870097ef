import { GatewayError } from '../../../core/errors.ts'
import { change, first, type Query } from '../query.ts'
import { countPending, Deltas, lockSubscriptions } from './counters.ts'
import { KeyPairs, settleHeads } from './heads.ts'

interface Row {
  readonly seq: number
  readonly subscription: string
  readonly key: string | null
  readonly size: number
  readonly status: string
  readonly at: number | null
}

/** Its payload goes when it is purged. */
export function* remove(id: string): Query<boolean> {
  const seen = yield* first<Row>(select, id)
  if (seen === undefined) return false
  yield* lockSubscriptions([seen.subscription])
  const row = yield* first<Row>(`${select} FOR UPDATE`, id)
  if (row === undefined) return false
  if (row.status === 'in_flight') throw new GatewayError('conflict', `Delivery ${id} is being tried at this moment.`)
  yield* change('DELETE FROM attempts WHERE delivery = ?', row.seq)
  yield* change('DELETE FROM deliveries WHERE seq = ?', row.seq)
  if (row.at === null) return true
  const pairs = new KeyPairs()
  if (row.key !== null) pairs.add(row.subscription, row.key)
  yield* settleHeads(pairs)
  const pending = new Deltas()
  pending.add(row.subscription, -1, -row.size)
  yield* countPending(pending)
  return true
}

const select = 'SELECT seq, subscription, key, size, status, at FROM deliveries WHERE id = ?'
