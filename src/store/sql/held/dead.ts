import type { HeldDeadLetter } from '../../held-groups.ts'
import { all, change, chunks, first, type Query, repeated } from '../query.ts'
import { lock } from './group.ts'
import { buryOverdue, nowhere, numbers } from './lease.ts'
import { pendingKeys, write } from './rows.ts'

interface Row {
  readonly dead: number
  readonly reason: string
  readonly attempts: number
  readonly ended_at: number
  readonly position: string | null
  readonly bytes: Uint8Array
}

interface Dead {
  readonly place: number
  readonly key: string | null
  readonly size: number
}

/** With those whose last lease ended unsettled. */
export function* listDead(
  name: string,
  { limit, after }: { limit: number; after: number },
  now: number,
): Query<readonly HeldDeadLetter[] | undefined> {
  const group = yield* lock(name)
  if (group === undefined) return undefined
  yield* buryOverdue(name, group, now)
  const rows = yield* all<Row>(
    `SELECT dead, reason, attempts, ended_at, position, bytes FROM held_events
     WHERE name = ? AND dead > ? ORDER BY dead LIMIT ?`,
    name,
    after,
    limit,
  )
  return rows.map(({ dead, reason, attempts, ended_at, position, bytes }) => ({
    id: dead,
    reason,
    attempts,
    deadAt: ended_at,
    ...(position !== null && { position }),
    bytes,
  }))
}

/** Each goes once, to the end: what waits of its key is not overtaken. */
export function* redrive(name: string, which: readonly number[] | 'all', now: number): Query<number | undefined> {
  const group = yield* lock(name)
  if (group === undefined) return undefined
  yield* buryOverdue(name, group, now)
  const rows = yield* letters(name, which)
  if (rows.length === 0) return 0
  const taken = yield* pendingKeys(name, [...new Set(rows.flatMap(({ key }) => key ?? []))])
  let place = yield* numbers(name, rows.length)
  for (const row of rows) {
    const waits = row.key !== null && taken.has(row.key)
    if (row.key !== null) taken.add(row.key)
    yield* change(
      `UPDATE held_events SET place = ?, state = 'ready', due = ?, attempts = 0, reason = NULL, dead = NULL,
         ended_at = NULL, created_at = ? WHERE name = ? AND place = ?`,
      place++,
      waits ? null : now,
      now,
      name,
      row.place,
    )
  }
  yield* change(
    'UPDATE held_groups SET events = events + ?, bytes = bytes + ? WHERE name = ?',
    rows.length,
    rows.reduce((sum, { size }) => sum + size, 0),
    name,
  )
  return rows.length
}

/** What is left of it is remembered as if it had been acknowledged: the broker may not know that it was taken. */
export function* deleteDead(name: string, id: number, now: number): Query<boolean> {
  if ((yield* lock(name)) === undefined) return false
  const row = yield* first<{ place: number }>('SELECT place FROM held_events WHERE name = ? AND dead = ?', name, id)
  if (row === undefined) return false
  yield* write(name, [{ ...nowhere, place: row.place, state: 'done', until: now, endedAt: now }])
  return true
}

function* letters(name: string, which: readonly number[] | 'all'): Query<readonly Dead[]> {
  const select = 'SELECT place, key, size, dead FROM held_events WHERE name = ?'
  if (which === 'all') return yield* all<Dead>(`${select} AND dead IS NOT NULL ORDER BY dead`, name)
  const found: (Dead & { readonly dead: number })[] = []
  for (const chunk of chunks([...new Set(which)])) {
    found.push(
      ...(yield* all<Dead & { dead: number }>(
        `${select} AND dead IN (${repeated('?', chunk.length)})`,
        name,
        ...chunk,
      )),
    )
  }
  return found.sort((one, other) => one.dead - other.dead)
}
