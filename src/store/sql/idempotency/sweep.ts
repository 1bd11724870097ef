import type { Clock } from '../../../core/clock.ts'
import { change, first, type Sql } from '../query.ts'

const everyMs = 30_000
const busyMs = 100
/** So many at once: a transaction of a few milliseconds. */
const step = 500

/**
 * Deletes what has expired, a few at a time and more often while there is more. Returns what stops it. Whatever goes
 * wrong is tried again: an entry that stays too long does no harm, since `begin` ignores it.
 */
export function sweepExpired(sql: Sql, clock: Clock): () => void {
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function sweep(): Promise<void> {
    let removed = 0
    try {
      const now = clock.now()
      // Looking takes no lock and writes nothing, and mostly there is nothing.
      const due = await sql.read(() => first('SELECT 1 AS due FROM idempotency WHERE expires_at <= ? LIMIT 1', now))
      if (due !== undefined) removed = await sql.write(() => change(remove, now, step))
    } catch {}
    if (!stopped) plan(removed < step ? everyMs : busyMs)
  }

  function plan(delayMs: number): void {
    timer = setTimeout(() => void sweep(), delayMs).unref()
  }

  plan(everyMs)
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}

const remove = `DELETE FROM idempotency WHERE scope IN
  (SELECT scope FROM idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED)`
