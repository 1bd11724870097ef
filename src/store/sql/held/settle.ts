import type { HeldSettled, HeldSettlement } from '../../held-groups.ts'
import { all, chunks, type Query, repeated } from '../query.ts'
import { type GroupRow, lock } from './group.ts'
import { buried, nowhere, numbers } from './lease.ts'
import { type Changed, conclude, write } from './rows.ts'

interface Row {
  readonly place: number
  readonly key: string | null
  readonly size: number
  readonly state: Changed['state']
  readonly due: number | null
  readonly until: number | null
  readonly token: string | null
  readonly attempts: number
}

export function* settle(
  name: string,
  settlements: readonly HeldSettlement[],
  now: number,
): Query<readonly HeldSettled[] | undefined> {
  const group = yield* lock(name)
  if (group === undefined) return undefined
  const rows = new Map<number, Row>()
  for (const chunk of chunks([...new Set(settlements.map(({ place }) => place))])) {
    const found = yield* all<Row>(
      `SELECT place, key, size, state, due, until, token, attempts FROM held_events
       WHERE name = ? AND place IN (${repeated('?', chunk.length)})`,
      name,
      ...chunk,
    )
    for (const row of found) rows.set(row.place, row)
  }
  const changed = new Map<number, Changed>()
  const answers = settlements.map((settlement): HeldSettled => {
    const row = rows.get(settlement.place)
    if (row === undefined || row.token !== settlement.token) return 'lost'
    const { outcome } = settlement
    if (row.state === 'done') return outcome.kind === 'ack' && row.until! > now ? 'ok' : 'lost'
    if (row.state !== 'leased' || row.due! <= now) return 'lost'
    const next = after(group, row, settlement, now)
    changed.set(row.place, next)
    rows.set(row.place, { ...row, ...next })
    return outcome.kind === 'extend' ? next.due! : 'ok'
  })
  yield* store(name, [...changed.values()], rows)
  return answers
}

/** `dead` is numbered afterwards. */
function after(group: GroupRow, row: Row, { outcome, renewed }: HeldSettlement, now: number): Changed {
  const { place, attempts, due, token } = row
  switch (outcome.kind) {
    case 'ack':
      return { ...nowhere, place, state: 'done', until: due, token, endedAt: now }
    case 'reject':
      return { ...nowhere, place, state: 'dead', reason: outcome.reason, endedAt: now }
    case 'nack':
      if (attempts >= group.max_attempts) return buried(group, place, attempts, 0, now)
      return { ...nowhere, place, state: 'ready', due: Math.round(now + (outcome.delayMs ?? 0)) }
    case 'extend':
      return {
        ...nowhere,
        place,
        state: 'leased',
        token: renewed,
        due: Math.round(now + (outcome.durationMs ?? group.lease_ms)),
      }
  }
}

function* store(name: string, changed: readonly Changed[], rows: ReadonlyMap<number, Row>): Query<void> {
  if (changed.length === 0) return
  const dying = changed.filter(({ state }) => state === 'dead').length
  let dead = dying === 0 ? 0 : yield* numbers(name, dying)
  yield* write(
    name,
    changed.map((one) => (one.state === 'dead' ? { ...one, dead: dead++ } : one)),
  )
  const ended = changed.filter(({ endedAt }) => endedAt !== null)
  yield* conclude(
    name,
    ended.map(({ place }) => rows.get(place)!),
  )
}
