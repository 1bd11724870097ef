/** What both databases take and give. Whole numbers only where a column is one. */
export type Value = string | number | null | Uint8Array

/** `?` stands for a value. `FOR UPDATE` and `SKIP LOCKED` are left out where only one may write at once. */
export interface Statement {
  readonly sql: string
  readonly values: readonly Value[]
}

export interface Outcome {
  readonly rows: readonly unknown[]
  /** How many rows it changed; how many it gave, where it gives any. */
  readonly changes: number
}

/**
 * An operation, written once for every database: it yields statements and is given what came of each. It may be run again
 * from its beginning, and throws a GatewayError only before its first change, so that what runs beside it in one
 * transaction is not undone.
 */
export type Query<T> = Generator<Statement, T, Outcome>

/** A database of SQL. */
export interface Sql {
  /** Runs what changes nothing. */
  read<T>(query: () => Query<T>): Promise<T>
  /** Runs it in one transaction, and resolves once that is durable. */
  write<T>(query: () => Query<T>): Promise<T>
  /** The same, one after another in the order of the calls. */
  writeInOrder<T>(query: () => Query<T>): Promise<T>
}

export function* all<R>(sql: string, ...values: readonly Value[]): Query<readonly R[]> {
  return (yield { sql, values }).rows as readonly R[]
}

export function* first<R>(sql: string, ...values: readonly Value[]): Query<R | undefined> {
  return (yield { sql, values }).rows[0] as R | undefined
}

/** Answers how many rows it changed. */
export function* change(sql: string, ...values: readonly Value[]): Query<number> {
  return (yield { sql, values }).changes
}

/** So few sizes keep the number of prepared statements small, and the largest is far below what a statement may bind. */
const chunkSizes = [256, 64, 16, 4, 1]

export function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  let done = 0
  for (const size of chunkSizes) {
    for (; items.length - done >= size; done += size) yield items.slice(done, done + size)
  }
}

/** `template`, so often, as a list. */
export function repeated(template: string, times: number): string {
  return Array.from({ length: times }, () => template).join(', ')
}

/** Rows whose `column` is one of `values`; `sql` ends before the list. */
export function* allIn<R>(sql: string, values: readonly Value[], after = ''): Query<R[]> {
  const found: R[] = []
  for (const chunk of chunks(values)) {
    found.push(...(yield* all<R>(`${sql} IN (${repeated('?', chunk.length)})${after}`, ...chunk)))
  }
  return found
}

export function* changeIn(sql: string, values: readonly Value[]): Query<number> {
  let changes = 0
  for (const chunk of chunks(values)) {
    changes += yield* change(`${sql} IN (${repeated('?', chunk.length)})`, ...chunk)
  }
  return changes
}
