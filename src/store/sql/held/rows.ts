import { all, change, chunks, type Query, repeated, type Value } from '../query.ts'

/** What ceased to be pending. */
export interface Ended {
  readonly key: string | null
  readonly size: number
}

/** What becomes of an event; what it does not name stays. */
export interface Changed {
  readonly place: number
  readonly state: 'ready' | 'leased' | 'dead' | 'done'
  readonly due: number | null
  /** Until when an acknowledgement may be repeated. */
  readonly until: number | null
  readonly token: string | null
  readonly reason: string | null
  readonly dead: number | null
  readonly endedAt: number | null
}

/** What is done needs no bytes any more. */
export function* write(name: string, rows: readonly Changed[]): Query<void> {
  for (const chunk of chunks(rows)) {
    yield* change(
      `WITH v (place, state, due, until, token, reason, dead, ended_at) AS (VALUES ${repeated(values, chunk.length)})
       UPDATE held_events SET state = v.state, due = v.due, until = v.until, token = v.token, reason = v.reason,
         dead = v.dead, ended_at = v.ended_at, bytes = CASE WHEN v.state = 'done' THEN NULL ELSE held_events.bytes END
       FROM v WHERE held_events.name = ? AND held_events.place = v.place`,
      ...chunk.flatMap(valuesOf),
      name,
    )
  }
}

const values = `(CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT),
  CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT))`

function valuesOf({ place, state, due, until, token, reason, dead, endedAt }: Changed): readonly Value[] {
  return [place, state, due, until, token, reason, dead, endedAt]
}

/** After events ceased to be pending: they count no more, and the next one of each key is due. */
export function* conclude(name: string, ended: readonly Ended[]): Query<void> {
  if (ended.length === 0) return
  const bytes = ended.reduce((sum, { size }) => sum + size, 0)
  yield* change(
    'UPDATE held_groups SET events = events - ?, bytes = bytes - ? WHERE name = ?',
    ended.length,
    bytes,
    name,
  )
  const keys = [...new Set(ended.flatMap(({ key }) => (key === null ? [] : [key])))]
  for (const chunk of chunks(keys)) {
    yield* change(
      `WITH v (key) AS (VALUES ${repeated('(CAST(? AS TEXT))', chunk.length)}),
         heads (place) AS (SELECT (SELECT e.place FROM held_events e WHERE e.name = ? AND e.key = v.key
           AND e.ended_at IS NULL ORDER BY e.place LIMIT 1) FROM v)
       UPDATE held_events SET due = created_at
       WHERE name = ? AND due IS NULL AND place IN (SELECT place FROM heads WHERE place IS NOT NULL)`,
      ...chunk,
      name,
      name,
    )
  }
}

/** Which of these keys have something pending. */
export function* pendingKeys(name: string, keys: readonly string[]): Query<Set<string>> {
  const found = new Set<string>()
  for (const chunk of chunks(keys)) {
    const rows = yield* all<{ key: string }>(
      `SELECT DISTINCT key FROM held_events
       WHERE name = ? AND ended_at IS NULL AND key IN (${repeated('?', chunk.length)})`,
      name,
      ...chunk,
    )
    for (const { key } of rows) found.add(key)
  }
  return found
}
