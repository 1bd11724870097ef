import type { Log, LogBatch, LogRecord, ReadOptions, Start } from '../core/broker.ts'
import type { ByteWriter } from '../core/bytes.ts'
import { GatewayError } from '../core/errors.ts'
import { writeStructured } from '../core/structured.ts'
import type { OpenTopic } from '../core/topic.ts'
import { outward } from './cursors.ts'
import { type Call, ending } from './route.ts'

/** A read of a log, as a request asks for it. */
export interface Reading {
  readonly topic: OpenTopic
  readonly log: Log
  readonly from: Start
  readonly to: Date | 'latest' | undefined
  readonly limit: number | undefined
  /** How long to wait for the first event that matches. */
  readonly waitMs: number
  readonly key: string | undefined
  readonly type: string | undefined
}

/** How many bytes a page may have, and it is one event at least: whoever wants more in one answer asks for lines. */
export const pageBytes = 2 << 20

/** How many events a page looks at before it answers with what it found. */
const pageScan = 20_000

/** `{"position","event"}`, on one line. */
export function writeEntry(out: ByteWriter, record: LogRecord): void {
  out.ascii('{"position":')
  out.text(JSON.stringify(record.position))
  out.ascii(',"event":')
  writeStructured(out, record.event)
  out.byte(0x7d)
}

/** The batches of a read, from `from` on. */
export function batches(
  reading: Reading,
  from: Start,
  options: { readonly follow?: boolean; readonly signal: AbortSignal },
): AsyncIterable<LogBatch> {
  const wanted: ReadOptions = {
    signal: options.signal,
    ...(options.follow === true && { follow: true }),
    ...(reading.to !== undefined && { to: reading.to }),
    ...(reading.key !== undefined && { key: reading.key }),
    // With a filter of ours, how many the broker must look at is not known.
    ...(reading.limit !== undefined && reading.type === undefined && { limit: reading.limit }),
  }
  return reading.log.read(reading.topic.brokerTopic, from, wanted)
}

/** Whether an event passes the filter that the broker does not know. */
export function wants(reading: Reading, record: LogRecord): boolean {
  return reading.type === undefined || record.event.attributes.type === reading.type
}

/**
 * Hands events to `take` until there are `limit` of them, or more than `bytes` as `take` counts, or the range ends; where
 * it found none, waits for the first. Answers the cursor to go on from.
 */
export async function collect(
  call: Call,
  reading: Reading,
  limit: number,
  bytes: number,
  take: (record: LogRecord) => number,
): Promise<string> {
  const signal = ending(call)
  const state = { taken: 0, looked: 0, next: '', full: false }
  for await (const batch of batches(reading, reading.from, { signal })) {
    consume(reading, batch, state, limit, bytes, take)
    if (state.full || state.looked >= pageScan) break
  }
  if (state.taken === 0 && reading.waitMs > 0 && state.looked < pageScan && reading.to === undefined) {
    const deadline = AbortSignal.timeout(reading.waitMs)
    const follow = batches(
      reading,
      { cursor: state.next },
      { follow: true, signal: AbortSignal.any([signal, deadline]) },
    )
    for await (const batch of follow) {
      consume(reading, batch, state, limit, bytes, take)
      if (state.taken > 0) break
    }
  }
  if (state.next === '' || call.access.key?.revoked.aborted === true) throw stopped()
  return outward(reading.topic, state.next)
}

/** A read that was ended before it began has no place to go on from. */
export function stopped(): GatewayError {
  return new GatewayError(
    'unavailable',
    'The read was broken off: the gateway is shutting down, or the key was revoked.',
  )
}

interface Collected {
  taken: number
  looked: number
  next: string
  full: boolean
}

function consume(
  reading: Reading,
  batch: LogBatch,
  state: Collected,
  limit: number,
  bytes: number,
  take: (record: LogRecord) => number,
): void {
  for (const record of batch.records) {
    state.looked++
    state.next = record.cursor
    if (!wants(reading, record)) continue
    const size = take(record)
    state.taken++
    state.full = state.taken >= limit || size >= bytes
    if (state.full) return
  }
  state.next = batch.cursor
}
