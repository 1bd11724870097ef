import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { GatewayError } from '../../core/errors.ts'
import { storeError } from './errors.ts'
import type { Outcome, Query, Sql, Statement } from './query.ts'
import type { Writer } from './writer.ts'

/** SQLite has one writer at once, so that there is nothing to lock. */
const locking = / FOR UPDATE( SKIP LOCKED)?/g

/** Statements of one connection, each prepared once. */
class Prepared {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, { readonly statement: StatementSync; readonly gives: boolean }>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  run<T>(query: Query<T>): T {
    let step = query.next()
    while (step.done !== true) step = query.next(this.#outcome(step.value))
    return step.value
  }

  #outcome({ sql, values }: Statement): Outcome {
    const { statement, gives } = this.#prepared(sql)
    if (!gives) return { rows: [], changes: Number(statement.run(...values).changes) }
    const rows = statement.all(...values)
    return { rows, changes: rows.length }
  }

  #prepared(sql: string) {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#database.prepare(sql.replace(locking, ''))
    const made = { statement, gives: statement.columns().length > 0 }
    this.#statements.set(sql, made)
    return made
  }
}

/** SQLite runs a query without ever giving way, so that writes are always in the order of the calls. */
export function sqliteSql(database: DatabaseSync, writer: Writer, file: string): Sql {
  const prepared = new Prepared(database)

  async function write<T>(query: () => Query<T>): Promise<T> {
    const outcome = await writer.run(() => {
      try {
        return { value: prepared.run(query()) }
      } catch (error) {
        // It has changed nothing, and others share the transaction.
        if (error instanceof GatewayError) return { refusal: error }
        throw error
      }
    })
    if ('refusal' in outcome) throw outcome.refusal
    return outcome.value
  }

  return {
    async read(query) {
      try {
        return prepared.run(query())
      } catch (error) {
        throw storeError(error, file)
      }
    },
    write,
    writeInOrder: write,
  }
}
