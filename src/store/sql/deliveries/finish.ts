import type { FinishedDelivery } from '../../deliveries.ts'
import { all, allIn, chunks, type Query, repeated, type Value } from '../query.ts'
import { noteAttempts } from './attempts.ts'
import { countEnded, countPending, Deltas, lockSubscriptions } from './counters.ts'
import { KeyPairs, settleHeads } from './heads.ts'

interface Row {
  readonly id: string
  readonly seq: number
  readonly token: string | null
  readonly subscription: string
  readonly key: string | null
  readonly size: number
  readonly operation: string | null
  readonly counted: number
  readonly tried_ever: number
}

/** What a claim holds does not change as long as it is held, so that it is read before anything is locked. */
export function* finish(results: readonly FinishedDelivery[]): Query<readonly boolean[]> {
  const rows = yield* allIn<Row>(
    'SELECT id, seq, token, subscription, key, size, operation, counted, tried_ever FROM deliveries WHERE id',
    results.map(({ id }) => id),
  )
  const known = new Map(rows.map((row) => [row.id, row]))
  const wanted = new Map<string, FinishedDelivery>()
  for (const result of results) {
    if (known.get(result.id)?.token === result.token && !wanted.has(result.id)) wanted.set(result.id, result)
  }
  const terminal = [...wanted.values()].filter(({ status }) => status !== 'parked')
  if (terminal.length > 0) yield* lockSubscriptions(terminal.map(({ id }) => known.get(id)!.subscription))
  const held = yield* update([...wanted.values()])
  const done = [...wanted.values()].filter(({ id }) => held.has(id))
  yield* noteAttempts(
    done.flatMap(({ id, attempt }) => {
      const { seq, tried_ever } = known.get(id)!
      return attempt === undefined ? [] : [{ delivery: seq, number: tried_ever + 1, attempt }]
    }),
  )
  yield* count(done, known)
  return results.map((result) => held.has(result.id) && wanted.get(result.id) === result)
}

/** Which claims were still held. A row that waits for its key's head goes on waiting. */
function* update(results: readonly FinishedDelivery[]): Query<ReadonlySet<string>> {
  const held = new Set<string>()
  const sorted = [...results].sort((one, other) => (one.id < other.id ? -1 : 1))
  for (const chunk of chunks(sorted)) {
    const rows = yield* all<{ id: string }>(
      `WITH v (id, token, status, at, tries, reason, now) AS (VALUES ${repeated(values, chunk.length)})
       UPDATE deliveries SET status = v.status, at = v.at, token = NULL, reason = v.reason, updated_at = v.now,
         due = CASE WHEN deliveries.due IS NULL THEN NULL ELSE v.at END,
         tried = deliveries.tried + v.tries, tried_ever = deliveries.tried_ever + v.tries,
         counted = CASE WHEN v.at IS NULL AND deliveries.operation IS NOT NULL THEN 1 ELSE deliveries.counted END
       FROM v WHERE deliveries.id = v.id AND deliveries.token = v.token RETURNING deliveries.id AS id`,
      ...chunk.flatMap(valuesOf),
    )
    for (const { id } of rows) held.add(id)
  }
  return held
}

const values = `(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT),
  CAST(? AS TEXT), CAST(? AS BIGINT))`

function valuesOf({ id, token, status, at, attempt, reason, now }: FinishedDelivery): readonly Value[] {
  const due = status === 'parked' ? Math.round(at ?? now) : null
  return [id, token, status, due, attempt === undefined ? 0 : 1, reason ?? null, now]
}

function* count(done: readonly FinishedDelivery[], known: ReadonlyMap<string, Row>): Query<void> {
  const pending = new Deltas()
  const ended = new Deltas()
  const pairs = new KeyPairs()
  for (const { id, status } of done) {
    if (status === 'parked') continue
    const { subscription, size, key, operation, counted } = known.get(id)!
    pending.add(subscription, -1, -size)
    if (key !== null) pairs.add(subscription, key)
    if (operation !== null && counted === 0) {
      ended.add(operation, status === 'succeeded' ? 1 : 0, status === 'succeeded' ? 0 : 1)
    }
  }
  yield* settleHeads(pairs)
  yield* countPending(pending)
  yield* countEnded(ended)
}
