import type { Operation, OperationState, Redrive, Replay } from '../../operations.ts'

export interface OperationRow {
  readonly id: string
  readonly subscription: string
  readonly topic: string
  readonly what: string
  readonly next: string
  readonly state: OperationState
  readonly matched: number | null
  readonly done: number
  readonly failed: number
  readonly error: string | null
  readonly started_at: number
  readonly finished_at: number | null
}

export const operationColumns =
  'id, subscription, topic, what, next, state, matched, done, failed, error, started_at, finished_at'

/** `next` has a column of its own, for it moves; of a redrive it is the `seq` of the last row that was taken. */
export function whatOf({ what }: Operation): { readonly what: string; readonly next: string } {
  if (what.kind === 'redrive') return { what: JSON.stringify(what), next: '0' }
  const { next, ...rest } = what
  return { what: JSON.stringify(rest), next }
}

export function toOperation(row: OperationRow): Operation {
  const what = JSON.parse(row.what) as Redrive | Omit<Replay, 'next'>
  return {
    id: row.id,
    subscription: row.subscription,
    topic: row.topic,
    what: what.kind === 'redrive' ? what : { ...what, next: row.next },
    state: row.state,
    ...(row.matched !== null && { matched: row.matched }),
    done: row.done,
    failed: row.failed,
    ...(row.error !== null && { error: row.error }),
    startedAt: row.started_at,
    ...(row.finished_at !== null && { finishedAt: row.finished_at }),
  }
}
