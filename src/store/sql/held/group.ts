import type { HeldAmount, HeldChange, HeldDefinition, HeldGroup } from '../../held-groups.ts'
import { change, first, type Query } from '../query.ts'

export interface GroupRow {
  readonly start: string
  readonly lease_ms: number
  readonly max_attempts: number
  readonly term: number
  readonly closed_until: number
  /** The next place. */
  readonly next: number
  readonly events: number
  readonly bytes: number
}

const select = `SELECT start, lease_ms, max_attempts, term, closed_until, next, events, bytes FROM held_groups
  WHERE name = ?`

/** Whatever changes a group or its events holds it first. */
export function lock(name: string): Query<GroupRow | undefined> {
  return first<GroupRow>(`${select} FOR UPDATE`, name)
}

export function* get(name: string): Query<HeldGroup | undefined> {
  const row = yield* first<GroupRow>(select, name)
  if (row === undefined) return undefined
  const { start, lease_ms: leaseMs, max_attempts: maxAttempts, term, closed_until: closedUntil } = row
  return { start, leaseMs, maxAttempts, term, closedUntil }
}

export function* amount(name: string, now: number, limit: number): Query<HeldAmount | undefined> {
  const row = yield* first<GroupRow>(select, name)
  if (row === undefined) return undefined
  const ahead = yield* first<{ count: number }>(
    `SELECT count(*) AS count FROM
       (SELECT 1 AS one FROM held_events WHERE name = ? AND due <= ? ORDER BY due LIMIT ?) AS ahead`,
    name,
    now,
    limit,
  )
  const leased = yield* first<{ count: number }>(
    `SELECT count(*) AS count FROM held_events WHERE name = ? AND state = 'leased' AND due > ?`,
    name,
    now,
  )
  const oldest = yield* first<{ created_at: number }>(
    'SELECT created_at FROM held_events WHERE name = ? AND ended_at IS NULL ORDER BY place LIMIT 1',
    name,
  )
  return {
    term: row.term,
    closedUntil: row.closed_until,
    events: row.events,
    bytes: row.bytes,
    ahead: ahead!.count,
    inFlight: leased!.count,
    ...(oldest !== undefined && { oldestAt: oldest.created_at }),
  }
}

export function* close(
  name: string,
  definition: HeldDefinition | undefined,
  now: number,
  until: number,
): Query<{ term: number; isNew: boolean } | 'held' | undefined> {
  const row = yield* lock(name)
  if (row === undefined) {
    if (definition === undefined) return undefined
    const { start, leaseMs, maxAttempts } = definition
    const made = yield* change(
      `INSERT INTO held_groups (name, start, lease_ms, max_attempts, term, closed_until, next, events, bytes)
       VALUES (?, ?, ?, ?, 1, ?, 1, 0, 0) ON CONFLICT DO NOTHING`,
      name,
      start,
      leaseMs,
      maxAttempts,
      until,
    )
    return made === 0 ? 'held' : { term: 1, isNew: true }
  }
  if (row.closed_until > now) return 'held'
  const term = row.term + 1
  yield* change('UPDATE held_groups SET term = ?, closed_until = ? WHERE name = ?', term, until, name)
  return { term, isNew: false }
}

export function* open(name: string, term: number, { definition, empty }: HeldChange): Query<boolean> {
  const row = yield* lock(name)
  if (row?.term !== term) return false
  if (empty !== undefined) yield* clear(name, empty)
  if (definition !== undefined) {
    const { start, leaseMs, maxAttempts } = definition
    yield* change(
      'UPDATE held_groups SET start = ?, lease_ms = ?, max_attempts = ? WHERE name = ?',
      start,
      leaseMs,
      maxAttempts,
      name,
    )
  }
  yield* change('UPDATE held_groups SET closed_until = 0 WHERE name = ?', name)
  return true
}

export function* drop(name: string, term: number): Query<boolean> {
  const row = yield* lock(name)
  if (row?.term !== term) return false
  yield* clear(name, 'all')
  yield* change('DELETE FROM held_groups WHERE name = ?', name)
  return true
}

function* clear(name: string, what: 'pending' | 'all'): Query<void> {
  yield* change(`DELETE FROM held_events WHERE name = ?${what === 'pending' ? ' AND dead IS NULL' : ''}`, name)
  // The same event may come again, and is another one then.
  yield* change(`UPDATE held_events SET id = id || ' ' || place WHERE name = ?`, name)
  yield* change('DELETE FROM held_fills WHERE name = ?', name)
  yield* change('UPDATE held_groups SET events = 0, bytes = 0 WHERE name = ?', name)
}
