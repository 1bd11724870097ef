import type { NewDelivery, Progress } from '../../deliveries.ts'
import { all, chunks, type Query, repeated, type Value } from '../query.ts'
import { type NotedAttempt, noteAttempts } from './attempts.ts'
import { countEnded, countPending, Deltas, lockSubscriptions } from './counters.ts'
import { KeyPairs, settleHeads } from './heads.ts'
import { storePayloads } from './payloads.ts'
import { move } from './progress.ts'

/** Rows of a subscription that is gone are left out, as if they were there. */
export function* insert(rows: readonly NewDelivery[], progress?: Progress): Query<readonly boolean[]> {
  const there = yield* lockSubscriptions(rows.map(({ subscription }) => subscription))
  if (progress !== undefined) yield* move(progress)
  const wanted = new Map<string, NewDelivery>()
  for (const row of rows) if (there.has(row.subscription) && !wanted.has(row.id)) wanted.set(row.id, row)
  const seqs = yield* insertRows([...wanted.values()])
  const fresh = [...seqs.keys()].map((id) => wanted.get(id)!)
  yield* storePayloads(fresh)
  yield* noteAttempts(fresh.flatMap((row) => attemptsOf(row, seqs.get(row.id)!)))
  yield* count(fresh)
  const given = new Set<string>()
  return rows.map(({ id }) => {
    const first = !given.has(id)
    given.add(id)
    return first && seqs.has(id)
  })
}

/** Which were not there, and the `seq` of each. */
function* insertRows(rows: readonly NewDelivery[]): Query<ReadonlyMap<string, number>> {
  const seqs = new Map<string, number>()
  for (const chunk of chunks(rows)) {
    const inserted = yield* all<{ id: string; seq: number }>(
      `INSERT INTO deliveries (id, subscription, topic, ref, size, key, status, at, due, token, tried, tried_ever, reason,
         operation, counted, created_at, updated_at)
       VALUES ${repeated(`(${repeated('?', 17)})`, chunk.length)} ON CONFLICT DO NOTHING RETURNING id, seq`,
      ...chunk.flatMap(valuesOf),
    )
    for (const { id, seq } of inserted) seqs.set(id, seq)
  }
  return seqs
}

function valuesOf(row: NewDelivery): readonly Value[] {
  const at = row.at === undefined ? null : Math.round(row.at)
  const tried = row.attempts.length
  return [
    row.id,
    row.subscription,
    row.topic,
    row.event.ref,
    row.event.bytes.length,
    row.key ?? null,
    row.status,
    at,
    // Of a key only the head can be claimed: which that is, is settled after.
    row.key === undefined ? at : null,
    row.token ?? null,
    tried,
    tried,
    row.reason ?? null,
    row.operation ?? null,
    row.operation !== undefined && at === null ? 1 : 0,
    row.now,
    row.now,
  ]
}

function attemptsOf({ attempts }: NewDelivery, delivery: number): readonly NotedAttempt[] {
  return attempts.map((attempt, index) => ({ delivery, number: index + 1, attempt }))
}

function* count(fresh: readonly NewDelivery[]): Query<void> {
  const pending = new Deltas()
  const ended = new Deltas()
  const pairs = new KeyPairs()
  for (const { at, subscription, key, event, operation, status } of fresh) {
    if (at !== undefined) {
      pending.add(subscription, 1, event.bytes.length)
      if (key !== undefined) pairs.add(subscription, key)
    } else if (operation !== undefined) {
      ended.add(operation, status === 'succeeded' ? 1 : 0, status === 'succeeded' ? 0 : 1)
    }
  }
  yield* settleHeads(pairs)
  yield* countPending(pending)
  yield* countEnded(ended)
}
