import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../../core/clock.ts'
import type { Writer } from '../writer.ts'

const everyMs = 30_000
const busyMs = 100
/** So many at once: a transaction of a few milliseconds. */
const step = 500

/**
 * Deletes what has expired, a few at a time and more often while there is more. Returns what stops it. Whatever goes
 * wrong is tried again: an entry that stays too long does no harm, since `begin` ignores it.
 */
export function sweepExpired(database: DatabaseSync, writer: Writer, clock: Clock): () => void {
  const remove = database.prepare(
    `DELETE FROM idempotency WHERE rowid IN
       (SELECT rowid FROM idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
  )
  const due = database.prepare('SELECT 1 FROM idempotency WHERE expires_at <= ? LIMIT 1')
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function sweep(): Promise<void> {
    let removed = 0
    try {
      const now = clock.now()
      // Looking takes no lock and writes nothing, and mostly there is nothing.
      if (due.get(now) !== undefined) removed = await writer.run(() => Number(remove.run(now, step).changes))
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
