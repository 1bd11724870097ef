import { type DeliveryStatus, pendingStatuses } from '../../../core/delivery.ts'
import { invalid } from '../../../core/errors.ts'
import type { DeliveryDetail, DeliveryFilter, DeliveryPage, DeliverySummary } from '../../deliveries.ts'
import { all, first, type Query, repeated, type Value } from '../query.ts'
import { attemptsOf } from './attempts.ts'

interface Row {
  readonly seq: number
  readonly id: string
  readonly subscription: string
  readonly topic: string
  readonly event: string
  readonly source: string
  readonly type: string
  readonly position: string | null
  readonly status: DeliveryStatus
  readonly reason: string | null
  readonly tried_ever: number
  readonly at: number | null
  readonly operation: string | null
  readonly created_at: number
  readonly updated_at: number
}

const columns = `d.seq, d.id, d.subscription, d.topic, p.event, p.source, p.type, p.position, d.status, d.reason,
  d.tried_ever, d.at, d.operation, d.created_at, d.updated_at`
const tables = 'deliveries d JOIN payloads p ON p.ref = d.ref'

/** `after` is the `seq` of the last row of the page before. Throws `invalid_argument` for what is none. */
export function* list(
  filter: DeliveryFilter,
  { limit, after }: { limit: number; after?: string },
): Query<DeliveryPage> {
  const conditions: string[] = []
  const values: Value[] = []
  const where = (condition: string, ...given: readonly Value[]): void => {
    conditions.push(condition)
    values.push(...given)
  }
  where('d.seq > ?', placeOf(after))
  if (filter.subscription !== undefined) where('d.subscription = ?', filter.subscription)
  if (filter.topic !== undefined) where('d.topic = ?', filter.topic)
  if (filter.event !== undefined) where('p.event = ?', filter.event)
  if (filter.since !== undefined) where('d.created_at >= ?', filter.since)
  if (filter.status !== undefined) {
    // The indices are of pending rows or of the others.
    where(`d.status = ? AND d.at IS ${pendingStatuses.includes(filter.status) ? 'NOT NULL' : 'NULL'}`, filter.status)
  }
  if (filter.topics !== undefined) {
    if (filter.topics.length === 0) return { items: [] }
    where(`d.topic IN (${repeated('?', filter.topics.length)})`, ...filter.topics)
  }
  const rows = yield* all<Row>(
    `SELECT ${columns} FROM ${tables} WHERE ${conditions.join(' AND ')} ORDER BY d.seq LIMIT ?`,
    ...values,
    limit + 1,
  )
  const items = rows.slice(0, limit).map(toSummary)
  return rows.length > limit ? { items, next: String(rows[limit - 1]!.seq) } : { items }
}

function placeOf(cursor = '0'): number {
  if (!/^\d{1,15}$/.test(cursor)) throw invalid('/cursor', 'is no cursor that this list gave')
  return Number(cursor)
}

export function* get(id: string): Query<DeliveryDetail | undefined> {
  const row = yield* first<Row & { readonly bytes: Uint8Array }>(
    `SELECT ${columns}, p.bytes FROM ${tables} WHERE d.id = ?`,
    id,
  )
  if (row === undefined) return undefined
  return { ...toSummary(row), history: yield* attemptsOf(row.seq), bytes: row.bytes }
}

function toSummary(row: Row): DeliverySummary {
  const { event: id, source, type, position, reason, operation } = row
  return {
    id: row.id,
    subscription: row.subscription,
    topic: row.topic,
    event: { id, source, type, ...(position !== null && { position }) },
    status: row.status,
    ...(reason !== null && { reason }),
    attempts: row.tried_ever,
    ...(row.status === 'parked' && row.at !== null && { dueAt: row.at }),
    ...(operation !== null && { operation }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
