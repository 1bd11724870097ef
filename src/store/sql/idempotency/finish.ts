import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../../core/clock.ts'
import type { Idempotency } from '../../store.ts'
import type { Writer } from '../writer.ts'
import { retentionMs } from './retention.ts'

/** Whoever lost the claim meanwhile changes nothing. */
export function sqlFinish(database: DatabaseSync, writer: Writer, clock: Clock): Idempotency['finish'] {
  const finish = database.prepare(
    `UPDATE idempotency SET status = ?, headers = ?, body = ?, expires_at = ?, token = NULL
     WHERE scope = ? AND token = ?`,
  )
  return async (scope, token, { status, headers, body }) => {
    const json = JSON.stringify(headers)
    await writer.run(() => finish.run(status, json, body, clock.now() + retentionMs, scope, token))
  }
}
