import assert from 'node:assert/strict'
import type { Broker } from '../../../src/core/broker.ts'
import type { Event } from '../../../src/core/event.ts'
import { pause, until } from '../../conformance/waiting.ts'
import type { Ledger, ReadEvent, Report } from '../ledger.ts'

/** Against hanging. */
const drainMs = 60_000
/** After a change of leaders the end of the log is known late. */
const settleMs = 30_000

export interface Drained extends Report {
  /** Events that are in the log more than once. */
  readonly duplicates: number
}

/** Compares what publishers know with the log, and what a group of its own delivers with the same log. */
export async function drain(broker: Broker, topic: string, ledger: Ledger, waitMs = settleMs): Promise<Drained> {
  const end = Date.now() + waitMs
  for (;;) {
    const read = await readLog(broker, topic)
    const report = ledger.check(read, false)
    if (report.violations.some(({ kind }) => kind === 'lost') && Date.now() < end) {
      await pause(200)
      continue
    }
    const pulled = await pullAll(broker, topic, read.length)
    assert.deepEqual(byPosition(pulled), byPosition(read), 'a group delivers what is in the log')
    const violations = [...report.violations, ...ledger.check(pulled, false).violations]
    return { ...report, violations, duplicates: read.length - new Set(read.map(({ token }) => token)).size }
  }
}

export async function readLog(broker: Broker, topic: string): Promise<ReadEvent[]> {
  const read: ReadEvent[] = []
  const signal = AbortSignal.timeout(drainMs)
  for await (const { records } of broker.log!.read(topic, 'earliest', { signal })) {
    for (const { event, position } of records) read.push(readEvent(event, position))
  }
  assert(!signal.aborted, 'the log is read in time')
  return read
}

async function pullAll(broker: Broker, topic: string, count: number): Promise<ReadEvent[]> {
  const group = 'drain'
  await broker.groups.create(topic, group, { start: 'earliest', leaseMs: 30_000, maxAttempts: 5 })
  const consumer = await broker.open(topic, group, { prefetch: 1000 })
  const pulled: ReadEvent[] = []
  try {
    const signal = AbortSignal.timeout(drainMs)
    while (pulled.length < count && !signal.aborted) {
      const { deliveries } = await consumer.pull({ max: 500, waitMs: 1000, signal })
      for (const { event, position } of deliveries) pulled.push(readEvent(event, position!))
      const outcome = { kind: 'ack' } as const
      const results = await consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome })))
      assert(
        results.every(({ status }) => status === 'ok'),
        'what one consumer alone settles is settled',
      )
    }
    await until(drainMs, 'the group has no lag', async () => {
      return (await broker.groups.describe(topic, group)).lag?.events === 0
    })
    return pulled
  } finally {
    await consumer.close()
  }
}

function readEvent({ attributes, data }: Event, position: string): ReadEvent {
  const { token } = JSON.parse(new TextDecoder().decode(data)) as { token: string }
  return { token, id: attributes.id, position }
}

function byPosition(events: readonly ReadEvent[]): string[] {
  return events.map(({ position, token }) => `${position} ${token}`).sort()
}
