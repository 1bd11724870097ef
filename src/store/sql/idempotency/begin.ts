import type { IdempotencyBegin, IdempotencyEntry } from '../../store.ts'
import { change, first, type Query, type Sql } from '../query.ts'
import { retentionMs } from './retention.ts'

interface Row {
  readonly fingerprint: string
  readonly ids: string
  readonly expires_at: number
  readonly token: string | null
  readonly lease_until: number
  readonly status: number | null
  readonly headers: string | null
  readonly body: Uint8Array | null
}

const select = `SELECT fingerprint, ids, expires_at, token, lease_until, status, headers, body
  FROM idempotency WHERE scope = ?`

/** A claim whose lease has ended is taken over, with the ids that it made durable. */
export function sqlBegin(sql: Sql): (entry: IdempotencyEntry) => Promise<IdempotencyBegin> {
  return async (entry) => {
    // A repeated request is answered without a write.
    const row = await sql.read(() => first<Row>(select, entry.scope))
    return answerOf(row, entry) ?? sql.write(() => claimOrTell(entry))
  }
}

function* claimOrTell(entry: IdempotencyEntry): Query<IdempotencyBegin> {
  const { scope, fingerprint, now, leaseMs } = entry
  const token = crypto.randomUUID()
  const inserted = yield* change(
    `INSERT INTO idempotency (scope, fingerprint, ids, expires_at, token, lease_until) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING`,
    scope,
    fingerprint,
    JSON.stringify(entry.ids),
    now + retentionMs,
    token,
    now + leaseMs,
  )
  if (inserted > 0) return { kind: 'started', token, ids: entry.ids }
  const row = (yield* first<Row>(`${select} FOR UPDATE`, scope))!
  const answer = answerOf(row, entry)
  if (answer !== undefined) return answer
  const ids = row.expires_at > now ? row.ids : JSON.stringify(entry.ids)
  yield* change(
    `UPDATE idempotency SET fingerprint = ?, ids = ?, expires_at = ?, token = ?, lease_until = ?,
       status = NULL, headers = NULL, body = NULL
     WHERE scope = ?`,
    fingerprint,
    ids,
    now + retentionMs,
    token,
    now + leaseMs,
    scope,
  )
  return { kind: 'started', token, ids: JSON.parse(ids) as string[] }
}

/** What an entry answers to a request, or undefined where the request may claim it. */
function answerOf(row: Row | undefined, { fingerprint, now }: IdempotencyEntry): IdempotencyBegin | undefined {
  if (row === undefined || row.expires_at <= now) return undefined
  if (row.fingerprint !== fingerprint) return { kind: 'mismatch' }
  if (row.status !== null) {
    const headers = JSON.parse(row.headers ?? '{}') as Record<string, string>
    return { kind: 'done', answer: { status: row.status, headers, body: row.body ?? new Uint8Array() } }
  }
  return row.token !== null && row.lease_until > now ? { kind: 'running' } : undefined
}
