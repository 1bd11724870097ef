import type { DatabaseSync } from 'node:sqlite'
import type { IdempotencyBegin, IdempotencyEntry } from '../../store.ts'
import type { Writer } from '../writer.ts'
import { retentionMs } from './retention.ts'

interface Row {
  readonly fingerprint: string
  readonly ids: string
  readonly token: string | null
  readonly leaseUntil: number
  readonly status: number | null
  readonly headers: string | null
  readonly body: Uint8Array | null
}

/** A claim whose lease has ended is taken over, with the ids that it made durable. */
export function sqlBegin(
  database: DatabaseSync,
  writer: Writer,
  read: <T>(query: () => T) => Promise<T>,
): (entry: IdempotencyEntry) => Promise<IdempotencyBegin> {
  const select = database.prepare(
    `SELECT fingerprint, ids, token, lease_until AS leaseUntil, status, headers, body
     FROM idempotency WHERE scope = ? AND expires_at > ?`,
  )
  const claim = database.prepare(
    `INSERT OR REPLACE INTO idempotency (scope, fingerprint, ids, expires_at, token, lease_until)
     VALUES (?, ?, ?, ?, ?, ?)`,
  )

  function find(entry: IdempotencyEntry): Row | undefined {
    return select.get(entry.scope, entry.now) as unknown as Row | undefined
  }

  function claimOrTell(entry: IdempotencyEntry): IdempotencyBegin {
    const { scope, fingerprint, now, leaseMs } = entry
    const row = find(entry)
    const answer = row === undefined ? undefined : answerOf(row, entry)
    if (answer !== undefined) return answer
    const token = crypto.randomUUID()
    const ids = row?.ids ?? JSON.stringify(entry.ids)
    claim.run(scope, fingerprint, ids, now + retentionMs, token, now + leaseMs)
    return { kind: 'started', token, ids: JSON.parse(ids) as string[] }
  }

  return async (entry) => {
    // A repeated request is answered without a write.
    const row = await read(() => find(entry))
    const answer = row === undefined ? undefined : answerOf(row, entry)
    return answer ?? writer.run(() => claimOrTell(entry))
  }
}

/** What an entry answers to a request, or undefined where the request may claim it. */
function answerOf(row: Row, { fingerprint, now }: IdempotencyEntry): IdempotencyBegin | undefined {
  if (row.fingerprint !== fingerprint) return { kind: 'mismatch' }
  if (row.status !== null) {
    const headers = JSON.parse(row.headers ?? '{}') as Record<string, string>
    return { kind: 'done', answer: { status: row.status, headers, body: row.body ?? new Uint8Array() } }
  }
  return row.token !== null && row.leaseUntil > now ? { kind: 'running' } : undefined
}
