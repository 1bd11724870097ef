import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

/** A prepared statement whose rows are the tuples `Row`: arrays are much cheaper to make than objects. */
export interface Query<Row extends readonly unknown[]> {
  get(...parameters: SQLInputValue[]): Row | undefined
  all(...parameters: SQLInputValue[]): Row[]
  iterate(...parameters: SQLInputValue[]): IterableIterator<Row>
}

export function query<Row extends readonly unknown[]>(db: DatabaseSync, sql: string): Query<Row> {
  const statement: StatementSync = db.prepare(sql)
  statement.setReturnArrays(true)
  return statement as unknown as Query<Row>
}
