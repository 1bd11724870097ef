import type { NewDelivery, StoredEvent } from '../../deliveries.ts'
import { allIn, change, changeIn, chunks, type Query, repeated } from '../query.ts'

/** Shorter than what anybody keeps rows for. */
const marginMs = 60_000

/** Also of events that are there already it notes that they were needed now: see `deletePayloads`. */
export function* storePayloads(rows: readonly NewDelivery[]): Query<void> {
  const events = new Map<string, { readonly event: StoredEvent; readonly now: number }>()
  for (const { event, now } of rows) events.set(event.ref, { event, now })
  const sorted = [...events.values()].sort((one, other) => (one.event.ref < other.event.ref ? -1 : 1))
  for (const chunk of chunks(sorted)) {
    yield* change(
      `INSERT INTO payloads (ref, event, source, type, position, bytes, used_at)
       VALUES ${repeated('(?, ?, ?, ?, ?, ?, ?)', chunk.length)}
       ON CONFLICT (ref) DO UPDATE SET used_at = excluded.used_at
       WHERE payloads.used_at < excluded.used_at - ${marginMs}`,
      ...chunk.flatMap(({ event: { ref, id, source, type, position, bytes }, now }) => [
        ref,
        id,
        source,
        type,
        position ?? null,
        bytes,
        now,
      ]),
    )
  }
}

/**
 * Deletes those that no row needs. One that was needed since `before` stays: another transaction may be inserting a row of
 * it that this one cannot see.
 */
export function* deletePayloads(refs: readonly string[], before: number): Query<void> {
  const used = new Set(
    (yield* allIn<{ ref: string }>('SELECT ref FROM deliveries WHERE ref', refs)).map(({ ref }) => ref),
  )
  const free = [...new Set(refs)].filter((ref) => !used.has(ref)).sort()
  yield* changeIn(`DELETE FROM payloads WHERE used_at < ${Math.floor(before - marginMs)} AND ref`, free)
}
