import { allIn, change, chunks, type Query, repeated } from '../query.ts'

/** What a transaction adds to counters, by the name of each. */
export class Deltas {
  readonly #deltas = new Map<string, [number, number]>()

  add(name: string, one: number, other: number): void {
    const delta = this.#deltas.get(name) ?? [0, 0]
    this.#deltas.set(name, [delta[0] + one, delta[1] + other])
  }

  /** Sorted, so that two transactions take their locks in the same order. */
  entries(): readonly (readonly [string, number, number])[] {
    return [...this.#deltas].map(([name, [one, other]]) => [name, one, other] as const).sort(byName)
  }
}

function byName([one]: readonly [string, ...unknown[]], [other]: readonly [string, ...unknown[]]): number {
  return one < other ? -1 : 1
}

/**
 * Whatever makes rows pending, or ends them, holds these first: so the counters and the heads of keys are worked out by
 * one at a time for each subscription. Answers which of them are there.
 */
export function* lockSubscriptions(ids: Iterable<string>): Query<ReadonlySet<string>> {
  const sorted = [...new Set(ids)].sort()
  const rows = yield* allIn<{ subscription: string }>(
    'SELECT subscription FROM pending WHERE subscription',
    sorted,
    ' ORDER BY subscription FOR UPDATE',
  )
  return new Set(rows.map(({ subscription }) => subscription))
}

/** Adds events and bytes to what is pending of subscriptions. */
export function* countPending(deltas: Deltas): Query<void> {
  yield* add(
    deltas,
    (values) =>
      `WITH v (name, one, other) AS (VALUES ${values})
     UPDATE pending SET events = pending.events + v.one, bytes = pending.bytes + v.other
     FROM v WHERE pending.subscription = v.name`,
  )
}

/** Adds to `done` and `failed` of operations. */
export function* countEnded(deltas: Deltas): Query<void> {
  yield* add(
    deltas,
    (values) =>
      `WITH v (name, one, other) AS (VALUES ${values})
     UPDATE operations SET done = operations.done + v.one, failed = operations.failed + v.other
     FROM v WHERE operations.id = v.name`,
  )
}

const triple = '(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT))'

function* add(deltas: Deltas, sql: (values: string) => string): Query<void> {
  for (const chunk of chunks(deltas.entries())) {
    yield* change(sql(repeated(triple, chunk.length)), ...chunk.flat())
  }
}
