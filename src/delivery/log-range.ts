import type { Log, LogRecord, Start } from '../core/broker.ts'
import { invalid, toGatewayError, UnsupportedError } from '../core/errors.ts'
import { type Event, isTime } from '../core/event.ts'
import type { BoundTopic, OpenTopic } from '../core/topic.ts'

export function logOf({ broker, name }: BoundTopic): Log {
  if (broker.log === undefined) throw new UnsupportedError('replay', `The broker of ${name} keeps no history.`)
  return broker.log
}

/** Whether the broker behind a topic can be read again. */
export function isReplayable({ broker }: BoundTopic): boolean {
  return broker.log !== undefined && broker.capabilities.replay
}

/** A start as the store keeps it: `earliest`, a time, or a cursor of the broker. */
export function startOf(text: string): Start {
  if (text === 'earliest' || text === 'latest') return text
  return isTime(text) ? new Date(text) : { cursor: text }
}

export function isCursor(text: string): boolean {
  return text !== 'earliest' && text !== 'latest' && !isTime(text)
}

/** A place of a feed: `earliest`, a time or a cursor, with the epoch of the binding that it belongs to. */
export function placeOf({ epoch }: BoundTopic, start: string): string {
  return `${epoch}~${start}`
}

/** Before everything, in every binding. */
export const beforeAll = 'earliest'

/** Where all of a topic begins that came to it where it is bound now. */
export function beginningOf(topic: BoundTopic): string {
  return placeOf(topic, topic.start ?? 'earliest')
}

/** The binding that a place belongs to, where it can still be read, and the broker's own form of the place. */
export function located(topic: OpenTopic, place: string): { binding: BoundTopic; start: string } | undefined {
  const { epoch, start } = parsed(place)
  // What was stored before places had an epoch.
  if (epoch === undefined) return { binding: topic.draining ?? topic, start }
  const binding = [topic, topic.draining].find((one) => one?.epoch === epoch)
  return binding && { binding, start }
}

/** Whether an event of a binding lies before a place. All of a binding does before one of a later binding. */
export function isBefore(binding: BoundTopic, position: string | undefined, place: string): boolean {
  const { epoch, start } = parsed(place)
  if (epoch !== undefined && epoch !== binding.epoch) return binding.epoch < epoch
  return isCursor(start) && position !== undefined && logOf(binding).covers(start, position)
}

function parsed(place: string): { readonly epoch?: number; readonly start: string } {
  const match = /^(\d+)~/.exec(place)
  return match === null ? { start: place } : { epoch: Number(match[1]), start: place.slice(match[0].length) }
}

/** The place behind the newest event, or before the oldest. */
export async function edgeOf(topic: BoundTopic, edge: 'latest' | 'earliest', signal: AbortSignal): Promise<string> {
  for await (const { cursor } of logOf(topic).read(topic.brokerTopic, edge, { signal })) return cursor
  throw new Error('The log was not read.')
}

/**
 * Rejects where the start of a subscription is a cursor that leads nowhere in the log: `invalid_argument` for what is
 * none, `stale_cursor` for one of another log. Every event of the topic is compared with the places of its feeds, so that
 * one that cannot be read would hold back all of them.
 */
export async function requirePlace(topic: BoundTopic, start: string, signal: AbortSignal): Promise<void> {
  if (!isCursor(start)) return
  try {
    for await (const _ of logOf(topic).read(topic.brokerTopic, startOf(start), { signal, limit: 1 })) return
  } catch (thrown) {
    const error = toGatewayError(thrown)
    throw error.code === 'invalid_argument' ? invalid('/start', error.message) : error
  }
}

export interface Chunk {
  /** Those that were accepted, at most so many as were asked for. */
  readonly records: readonly LogRecord[]
  /** The place behind everything that this chunk covers. */
  readonly cursor: string
}

/** The accepted events of a range, in chunks of at most `max`, whose number may change from chunk to chunk. */
export async function* chunksOf(
  topic: BoundTopic,
  range: { readonly from: string; readonly to?: Date },
  accepts: (event: Event) => boolean,
  max: () => number,
  signal: AbortSignal,
): AsyncGenerator<Chunk, void, void> {
  const options = { signal, ...(range.to !== undefined && { to: range.to }) }
  for await (const batch of logOf(topic).read(topic.brokerTopic, startOf(range.from), options)) {
    let records: LogRecord[] = []
    for (const record of batch.records) {
      if (!accepts(record.event)) continue
      records.push(record)
      if (records.length < max()) continue
      yield { records, cursor: record.cursor }
      records = []
    }
    yield { records, cursor: batch.cursor }
  }
}
