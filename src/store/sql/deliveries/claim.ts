import type { Claim, ClaimedDelivery, HeldDelivery, Wanted } from '../../deliveries.ts'
import { all, allIn, change, chunks, type Query, repeated } from '../query.ts'

interface Row {
  readonly seq: number
  readonly id: string
  readonly subscription: string
  readonly topic: string
  readonly ref: string
  readonly key: string | null
  readonly tried: number
  readonly tried_ever: number
  readonly operation: string | null
  readonly created_at: number
}

interface Payload {
  readonly ref: string
  readonly event: string
  readonly position: string | null
  readonly bytes: Uint8Array
}

/** Rows whose claim has ended are due like others: what a replica held when it crashed comes back so. */
export function* claim(wanted: readonly Wanted[], { token, now, until }: Claim): Query<readonly ClaimedDelivery[]> {
  const rows: Row[] = []
  for (const chunk of chunks(wanted.filter(({ max }) => max > 0))) {
    const arms = Array.from({ length: chunk.length }, (_, index) => `SELECT * FROM (${due}) AS due${index}`)
    rows.push(
      ...(yield* all<Row>(
        arms.join(' UNION ALL '),
        ...chunk.flatMap(({ subscription, max }) => [subscription, now, max]),
      )),
    )
  }
  const seqs = rows.map(({ seq }) => seq).sort((one, other) => one - other)
  for (const chunk of chunks(seqs)) {
    yield* change(
      `UPDATE deliveries SET status = 'in_flight', token = ?, at = ?, due = ?, updated_at = ?
       WHERE seq IN (${repeated('?', chunk.length)})`,
      token,
      Math.round(until),
      Math.round(until),
      now,
      ...chunk,
    )
  }
  const payloads = yield* allIn<Payload>('SELECT ref, event, position, bytes FROM payloads WHERE ref', [
    ...new Set(rows.map(({ ref }) => ref)),
  ])
  const byRef = new Map(payloads.map((payload) => [payload.ref, payload]))
  return rows.map((row) => toClaimed(row, byRef.get(row.ref)!))
}

const due = `SELECT seq, id, subscription, topic, ref, key, tried, tried_ever, operation, created_at FROM deliveries
  WHERE subscription = ? AND due <= ? ORDER BY due, seq LIMIT ? FOR UPDATE SKIP LOCKED`

function toClaimed(row: Row, { event, position, bytes }: Payload): ClaimedDelivery {
  return {
    id: row.id,
    subscription: row.subscription,
    topic: row.topic,
    eventId: event,
    ...(position !== null && { position }),
    ...(row.key !== null && { key: row.key }),
    bytes,
    tried: row.tried,
    triedEver: row.tried_ever,
    ...(row.operation !== null && { operation: row.operation }),
    createdAt: row.created_at,
  }
}

export function* release(held: readonly HeldDelivery[], dueAt: number): Query<void> {
  const sorted = [...held].sort((one, other) => (one.id < other.id ? -1 : 1))
  for (const chunk of chunks(sorted)) {
    yield* change(
      `WITH v (id, token) AS (VALUES ${repeated('(CAST(? AS TEXT), CAST(? AS TEXT))', chunk.length)})
       UPDATE deliveries SET status = 'parked', token = NULL, at = ?, due = CASE WHEN due IS NULL THEN NULL ELSE CAST(? AS BIGINT) END
       FROM v WHERE deliveries.id = v.id AND deliveries.token = v.token`,
      ...chunk.flatMap(({ id, token }) => [id, token]),
      Math.round(dueAt),
      Math.round(dueAt),
    )
  }
}
