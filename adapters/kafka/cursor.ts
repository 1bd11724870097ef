import { GatewayError } from '../../src/core/index.ts'

const pattern = /^([0-9a-f]{12})-([0-9a-z]+(?:\.[0-9a-z]+)*)$/

/** What tells a topic from one of the same name that was deleted before it: its id, as the cluster gave it. */
export function incarnationOf(topicId: string): string {
  return topicId.replaceAll('-', '').toLowerCase().slice(0, 12).padStart(12, '0')
}

/** A place in every partition: the next offset of each, in order. */
export function writeCursor(incarnation: string, offsets: readonly number[]): string {
  return `${incarnation}-${offsets.map((offset) => offset.toString(36)).join('.')}`
}

/**
 * The next offset of each partition that was there when the cursor was written. Throws `stale_cursor` for one of another
 * topic, `invalid_argument` for none.
 */
export function readCursor(cursor: string, incarnation: string): number[] {
  const { topic, offsets } = partsOf(cursor)
  if (topic !== incarnation) throw new GatewayError('stale_cursor', 'The cursor belongs to another topic.')
  return offsets
}

/** Whether a cursor stands behind a record, whatever topic of this name it is of. */
export function covers(cursor: string, partition: number, offset: number): boolean {
  return offset < (partsOf(cursor).offsets[partition] ?? 0)
}

/** The next offset of each partition, whatever topic of this name the cursor is of. */
export function offsetsOf(cursor: string): readonly number[] {
  return partsOf(cursor).offsets
}

function partsOf(cursor: string): { topic: string | undefined; offsets: number[] } {
  const [, topic, places = ''] = pattern.exec(cursor) ?? []
  const offsets = places.split('.').map((text) => Number.parseInt(text, 36))
  if (!offsets.every(Number.isSafeInteger)) {
    throw new GatewayError('invalid_argument', 'This is no cursor of a topic of Kafka.')
  }
  return { topic, offsets }
}
