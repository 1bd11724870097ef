import type { LeasedEvent, WantedLeases } from '../../held-groups.ts'
import { all, chunks, first, type Query, repeated } from '../query.ts'
import { type GroupRow, lock } from './group.ts'
import { type Changed, conclude, write } from './rows.ts'

interface Row {
  readonly place: number
  readonly key: string | null
  readonly size: number
  readonly attempts: number
}

interface Content {
  readonly place: number
  readonly position: string | null
  readonly bytes: Uint8Array
}

export function* lease(name: string, wanted: WantedLeases): Query<readonly LeasedEvent[] | undefined> {
  const group = yield* lock(name)
  if (group === undefined) return undefined
  const { max, maxBytes, token, now } = wanted
  let rows = yield* due(name, now, max)
  // Once those are dead, the next of their keys may be due.
  while (yield* buryExhausted(name, group, rows, now)) rows = yield* due(name, now, max)
  const taken = within(rows, maxBytes)
  const expiresAt = now + group.lease_ms
  const contents = new Map<number, Content>()
  for (const chunk of chunks(taken)) {
    const places = chunk.map(({ place }) => place)
    const found = yield* all<Content>(
      `UPDATE held_events SET state = 'leased', token = ?, due = ?, attempts = attempts + 1
       WHERE name = ? AND place IN (${repeated('?', chunk.length)}) RETURNING place, position, bytes`,
      token,
      expiresAt,
      name,
      ...places,
    )
    for (const content of found) contents.set(content.place, content)
  }
  return taken.map(({ place, attempts }) => {
    const { position, bytes } = contents.get(place)!
    return { place, token, attempt: attempts + 1, expiresAt, ...(position !== null && { position }), bytes }
  })
}

/** Whether there is something to lease: whoever waits asks often, and a look changes nothing. */
export function* isDue(name: string, now: number): Query<boolean | undefined> {
  const row = yield* first<{ due: number | null }>(
    `SELECT (SELECT min(due) FROM held_events e WHERE e.name = g.name AND due IS NOT NULL) AS due FROM held_groups g WHERE g.name = ?`,
    name,
  )
  return row === undefined ? undefined : row.due !== null && row.due <= now
}

export function* nextDue(name: string): Query<number | undefined> {
  const row = yield* first<{ due: number | null }>(
    'SELECT min(due) AS due FROM held_events WHERE name = ? AND due IS NOT NULL',
    name,
  )
  return row?.due ?? undefined
}

/** What was leased too often for the last time and not settled is a dead letter. Answers whether there was any. */
export function* buryOverdue(name: string, group: GroupRow, now: number): Query<boolean> {
  const rows = yield* all<Row>(
    `SELECT place, key, size, attempts FROM held_events
     WHERE name = ? AND state = 'leased' AND due <= ? AND attempts >= ? ORDER BY due, place LIMIT 500`,
    name,
    now,
    group.max_attempts,
  )
  return yield* buryExhausted(name, group, rows, now)
}

/** How an event that died comes to be written down: `dead` numbers it among the dead letters. */
export function buried(group: GroupRow, place: number, attempts: number, dead: number, now: number): Changed {
  const reason = `attempts exhausted: ${attempts} of ${group.max_attempts}`
  return { ...nowhere, place, state: 'dead', reason, dead, endedAt: now }
}

export const nowhere = { due: null, until: null, token: null, reason: null, dead: null, endedAt: null } as const

/** Numbers from the group's counter. */
export function* numbers(name: string, count: number): Query<number> {
  const row = yield* first<{ next: number }>(
    'UPDATE held_groups SET next = next + ? WHERE name = ? RETURNING next',
    count,
    name,
  )
  return row!.next - count
}

function due(name: string, now: number, max: number): Query<readonly Row[]> {
  return all<Row>(
    'SELECT place, key, size, attempts FROM held_events WHERE name = ? AND due <= ? ORDER BY due, place LIMIT ?',
    name,
    now,
    max,
  )
}

function* buryExhausted(name: string, group: GroupRow, rows: readonly Row[], now: number): Query<boolean> {
  const exhausted = rows.filter(({ attempts }) => attempts >= group.max_attempts)
  if (exhausted.length === 0) return false
  const from = yield* numbers(name, exhausted.length)
  yield* write(
    name,
    exhausted.map(({ place, attempts }, index) => buried(group, place, attempts, from + index, now)),
  )
  yield* conclude(name, exhausted)
  return true
}

/** As many as fit, and one at least. */
function within(rows: readonly Row[], maxBytes: number): readonly Row[] {
  let left = maxBytes
  const over = rows.findIndex(({ size }) => {
    left -= size
    return left < 0
  })
  return over === -1 ? rows : rows.slice(0, Math.max(1, over))
}
