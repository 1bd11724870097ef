import { GatewayError } from '../../../core/errors.ts'
import type { Operation, Operations } from '../../operations.ts'
import { pendingOf } from '../deliveries/owed.ts'
import { all, change, first, type Query, type Sql } from '../query.ts'
import { redrive } from './redrive.ts'
import { type OperationRow, operationColumns, toOperation, whatOf } from './row.ts'
import { transition } from './transition.ts'

export function sqlOperations(sql: Sql): Operations {
  return {
    create: (operation) => sql.write(() => create(operation)),
    async get(id) {
      const row = await sql.read(() =>
        first<OperationRow>(`SELECT ${operationColumns} FROM operations WHERE id = ?`, id),
      )
      return row === undefined ? undefined : toOperation(row)
    },
    async unfinished() {
      const rows = await sql.read(() =>
        all<OperationRow>(
          `SELECT ${operationColumns} FROM operations WHERE finished_at IS NULL ORDER BY started_at, id`,
        ),
      )
      return rows.map(toOperation)
    },
    transition: (id, from, to, now, error) => sql.write(() => transition(id, from, to, now, error)),
    lease: (id, owner, until, now) => sql.write(() => lease(id, owner, until, now)),
    redrive: (id, max, now) => sql.write(() => redrive(id, max, now)),
    pending: (id) => sql.read(() => pendingOf(id)),
  }
}

function* create(operation: Operation): Query<void> {
  const { id, subscription, topic, state, matched, done, failed, error, startedAt, finishedAt } = operation
  const { what, next } = whatOf(operation)
  const created = yield* change(
    `INSERT INTO operations (id, subscription, topic, what, next, state, matched, done, failed, error, started_at,
       finished_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    id,
    subscription,
    topic,
    what,
    next,
    state,
    matched ?? null,
    done,
    failed,
    error ?? null,
    startedAt,
    finishedAt ?? null,
  )
  if (created === 0) throw new GatewayError('conflict', `There is an operation ${id} already.`)
}

function* lease(id: string, owner: string, until: number, now: number): Query<boolean> {
  const changed = yield* change(
    'UPDATE operations SET owner = ?, lease_until = ? WHERE id = ? AND (owner IS NULL OR owner = ? OR lease_until <= ?)',
    owner,
    until,
    id,
    owner,
    now,
  )
  return changed > 0
}
