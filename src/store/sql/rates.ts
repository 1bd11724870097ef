import type { Rates } from '../rates.ts'
import { change, first, type Query, type Sql } from './query.ts'

export function sqlRates(sql: Sql): Rates {
  return { take: (name, wanted, perSecond, now) => sql.write(() => take(name, wanted, perSecond, now)) }
}

/** It holds a second's worth, and one token at least: else a rate below one would never grant any. */
function* take(name: string, wanted: number, perSecond: number, now: number): ReturnType<typeof taken> {
  const most = Math.max(1, perSecond)
  yield* change('INSERT INTO rates (name, tokens, filled_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING', name, most, now)
  const bucket = (yield* first<{ tokens: number; filled_at: number }>(
    'SELECT tokens, filled_at FROM rates WHERE name = ? FOR UPDATE',
    name,
  ))!
  // The clocks of replicas differ: none takes back what another one's has filled.
  const passed = Math.max(0, now - bucket.filled_at)
  const tokens = Math.min(most, bucket.tokens + (passed / 1000) * perSecond)
  return yield* taken(name, wanted, perSecond, tokens, Math.max(now, bucket.filled_at))
}

function* taken(
  name: string,
  wanted: number,
  perSecond: number,
  tokens: number,
  filledAt: number,
): Query<{ granted: number; retryAfterMs: number }> {
  const granted = Math.min(wanted, Math.floor(tokens))
  const left = tokens - granted
  yield* change('UPDATE rates SET tokens = ?, filled_at = ? WHERE name = ?', left, filledAt, name)
  return { granted, retryAfterMs: granted > 0 ? 0 : Math.ceil(((1 - left) / perSecond) * 1000) }
}
