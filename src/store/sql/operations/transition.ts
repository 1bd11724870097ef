import type { OperationState } from '../../operations.ts'
import { change, type Query, repeated } from '../query.ts'

export function* transition(
  id: string,
  from: readonly OperationState[],
  to: OperationState,
  now: number,
  error?: string,
): Query<boolean> {
  if (from.length === 0) return false
  const changed = yield* change(
    `UPDATE operations SET state = ?, error = ?, finished_at = ?
     WHERE id = ? AND state IN (${repeated('?', from.length)})`,
    to,
    error ?? null,
    to === 'running' || to === 'paused' ? null : now,
    id,
    ...from,
  )
  return changed > 0
}
