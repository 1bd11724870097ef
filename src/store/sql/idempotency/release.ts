import type { Idempotency } from '../../store.ts'
import { change, type Sql } from '../query.ts'

/** The entry stays with its ids, for the retry that will take it. */
export function sqlRelease(sql: Sql): Idempotency['release'] {
  return async (scope, token) => {
    await sql.write(() => change('UPDATE idempotency SET token = NULL WHERE scope = ? AND token = ?', scope, token))
  }
}
