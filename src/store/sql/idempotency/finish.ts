import type { Clock } from '../../../core/clock.ts'
import type { Idempotency } from '../../store.ts'
import { change, type Sql } from '../query.ts'
import { retentionMs } from './retention.ts'

/** Whoever lost the claim meanwhile changes nothing. */
export function sqlFinish(sql: Sql, clock: Clock): Idempotency['finish'] {
  return async (scope, token, { status, headers, body }) => {
    const json = JSON.stringify(headers)
    await sql.write(() =>
      change(
        `UPDATE idempotency SET status = ?, headers = ?, body = ?, expires_at = ?, token = NULL
         WHERE scope = ? AND token = ?`,
        status,
        json,
        body,
        clock.now() + retentionMs,
        scope,
        token,
      ),
    )
  }
}
