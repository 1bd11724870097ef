import { GatewayError, type Start } from '../../src/core/index.ts'
import type { KafkaClient } from './client.ts'
import { incarnationOf, readCursor } from './cursor.ts'
import { endOffsets, firstOffsets, offsetsAt } from './read/offsets.ts'

export interface Range {
  /** The topic's own: another one of its name has another. */
  readonly id: string
  /** The first offset that each partition still has. */
  readonly first: readonly number[]
  /** The end of what is committed in each. */
  readonly end: readonly number[]
}

export async function rangeOf(client: KafkaClient, topic: string): Promise<Range> {
  const { id } = await client.fresh(topic)
  const [first, end] = await Promise.all([firstOffsets(client, topic), endOffsets(client, topic)])
  return { id, first, end }
}

/**
 * The next offset of each partition from where a start stands. Throws `stale_cursor` for a cursor of another topic, and
 * where what comes after it is gone from one of the partitions `of` which it is asked.
 */
export async function offsetsFrom(
  client: KafkaClient,
  topic: string,
  start: Start,
  { id, first, end }: Range,
  of?: number,
): Promise<number[]> {
  if (start === 'earliest') return [...first]
  if (start === 'latest') return [...end]
  if (start instanceof Date) {
    const found = await offsetsAt(client, topic, start.getTime())
    return end.map((last, i) => (found[i] === undefined || found[i] < 0 ? last : Math.min(found[i], last)))
  }
  const asked = readCursor(start.cursor, incarnationOf(id))
  if (asked.length > first.length) throw stale(`It names ${asked.length} partitions; the topic has ${first.length}.`)
  // A partition that was added later is read from its beginning.
  const offsets = first.map((begin, i) => asked[i] ?? begin)
  for (const [i, offset] of offsets.entries()) {
    if (of !== undefined && i !== of) continue
    if (offset < first[i]!) throw stale('What came after it is beyond retention.')
    if (offset > end[i]!) throw stale('It is beyond the end of the topic.')
  }
  return offsets
}

function stale(why: string): GatewayError {
  return new GatewayError('stale_cursor', `The cursor cannot be gone on from. ${why}`)
}

/** A start as it is shown. */
export function showStart(start: Start): string {
  if (start === 'earliest' || start === 'latest') return start
  return start instanceof Date ? start.toISOString() : start.cursor
}
