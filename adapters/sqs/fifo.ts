import { createHash } from 'node:crypto'
import { type Event, keyOf } from '../../src/core/index.ts'

/** Visible ASCII, as a group of messages may be called, and none of ours. */
const plainKey = /^[!-}][!-~]{0,127}$/

/** What AWS keeps in order: the key, or where it has none the event alone. */
export function messageGroupOf(event: Event): string {
  const key = keyOf(event)
  if (key === undefined) return `~e${dedupIdOf(event)}`
  return plainKey.test(key) ? key : `~k${digest(key)}`
}

/** What AWS takes for the same within its five minutes: the same id of the same source. */
export function dedupIdOf({ attributes }: Event): string {
  return digest(attributes.source, attributes.id)
}

/** Parts that hold anything, as a name of 43 letters. */
export function digest(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}
