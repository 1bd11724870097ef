import type { Fill, NewHeldEvent } from '../../held-groups.ts'
import { all, change, chunks, type Query, repeated } from '../query.ts'
import { lock } from './group.ts'
import { pendingKeys } from './rows.ts'

/** What has ended is remembered a while longer than needed: a replica that was stopped in between may still add it. */
const marginMs = 120_000
/** A fill that the broker was never told of, and that did not come again for so long, will not. */
const openMs = 86_400_000
const purgeStep = 1000

export function* fill(name: string, { term, id, events, settled, now }: Fill): Query<boolean> {
  const group = yield* lock(name)
  if (group === undefined || group.term !== term || group.closed_until > now) return false
  yield* forget(name, settled, now)
  if (events.length === 0) return true
  yield* change('INSERT INTO held_fills (name, fill, at) VALUES (?, ?, ?)', name, id, now)
  const fresh = yield* unknown(name, id, events)
  yield* insert(name, group.next, id, fresh, now)
  const bytes = fresh.reduce((sum, event) => sum + event.bytes.length, 0)
  yield* change(
    'UPDATE held_groups SET next = next + ?, events = events + ?, bytes = bytes + ? WHERE name = ?',
    fresh.length,
    fresh.length,
    bytes,
    name,
  )
  return true
}

/** Those that are not there. What is, belongs to this fill from now on: the broker gave it once more. */
function* unknown(name: string, id: string, events: readonly NewHeldEvent[]): Query<readonly NewHeldEvent[]> {
  const fresh = new Map(events.map((event) => [event.id, event]))
  for (const chunk of chunks([...fresh.keys()])) {
    const rows = yield* all<{ id: string }>(
      `UPDATE held_events SET fill = ? WHERE name = ? AND id IN (${repeated('?', chunk.length)}) RETURNING id`,
      id,
      name,
      ...chunk,
    )
    for (const row of rows) fresh.delete(row.id)
  }
  return [...fresh.values()]
}

function* insert(
  name: string,
  next: number,
  fillId: string,
  events: readonly NewHeldEvent[],
  now: number,
): Query<void> {
  const taken = yield* pendingKeys(name, [...new Set(events.flatMap(({ key }) => key ?? []))])
  let place = next
  for (const chunk of chunks(events)) {
    yield* change(
      `INSERT INTO held_events (name, place, id, key, position, size, bytes, fill, state, due, attempts, created_at)
       VALUES ${repeated("(?, ?, ?, ?, ?, ?, ?, ?, 'ready', ?, 0, ?)", chunk.length)}`,
      ...chunk.flatMap(({ id, key, position, bytes }) => {
        const waits = key !== undefined && taken.has(key)
        if (key !== undefined) taken.add(key)
        const due = waits ? null : now
        return [name, place++, id, key ?? null, position ?? null, bytes.length, bytes, fillId, due, now]
      }),
    )
  }
}

function* forget(name: string, settled: readonly string[], now: number): Query<void> {
  for (const chunk of chunks(settled)) {
    yield* change(`DELETE FROM held_fills WHERE name = ? AND fill IN (${repeated('?', chunk.length)})`, name, ...chunk)
  }
  yield* change('DELETE FROM held_fills WHERE name = ? AND at < ?', name, now - openMs)
  yield* change(
    `DELETE FROM held_events WHERE name = ? AND place IN (
       SELECT place FROM held_events WHERE name = ? AND state = 'done' AND until < ?
         AND fill NOT IN (SELECT fill FROM held_fills WHERE name = ?) LIMIT ${purgeStep})`,
    name,
    name,
    now - marginMs,
    name,
  )
}
