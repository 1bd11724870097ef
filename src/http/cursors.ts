import type { Start } from '../core/broker.ts'
import { GatewayError, invalid } from '../core/errors.ts'
import { isTime } from '../core/event.ts'
import type { OpenTopic } from '../core/topic.ts'

/** A cursor for clients: the broker's own, under the epoch of the binding that it belongs to. */
export function outward(topic: OpenTopic, cursor: string): string {
  return `c${topic.epoch}.${cursor}`
}

/** `earliest`, `latest`, a time or a cursor. Throws `stale_cursor` where the topic was bound to another broker since. */
export function startOf(topic: OpenTopic, text: string, pointer: string): Start {
  if (text === 'earliest' || text === 'latest') return text
  if (isTime(text)) return new Date(text)
  const match = /^c(\d{1,15})\.([\x21-\x7e]{1,4096})$/.exec(text)
  if (match === null) throw invalid(pointer, 'must be earliest, latest, a cursor, or a time like 2026-01-31T12:00:00Z')
  if (Number(match[1]) !== topic.epoch) {
    throw new GatewayError('stale_cursor', 'The topic was bound to another broker since this cursor was given.')
  }
  return { cursor: match[2]! }
}
