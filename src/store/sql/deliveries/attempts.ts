import type { Attempt } from '../../../core/delivery.ts'
import { all, change, chunks, type Query, repeated } from '../query.ts'

export interface NotedAttempt {
  /** The row's `seq`. */
  readonly delivery: number
  /** Its place among all of the row, from 1 on. */
  readonly number: number
  readonly attempt: Attempt
}

/** As JSON, which holds whatever an endpoint answered: Postgres takes no zero byte as text. */
export function* noteAttempts(attempts: readonly NotedAttempt[]): Query<void> {
  for (const chunk of chunks(attempts)) {
    yield* change(
      `INSERT INTO attempts (delivery, number, attempt) VALUES ${repeated('(?, ?, ?)', chunk.length)}`,
      ...chunk.flatMap(({ delivery, number, attempt }) => [delivery, number, JSON.stringify(attempt)]),
    )
  }
}

export function* attemptsOf(delivery: number): Query<readonly Attempt[]> {
  const rows = yield* all<{ attempt: string }>(
    'SELECT attempt FROM attempts WHERE delivery = ? ORDER BY number',
    delivery,
  )
  return rows.map(({ attempt }) => JSON.parse(attempt) as Attempt)
}
