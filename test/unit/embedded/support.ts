import { randomFillSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Config, embedded } from '../../../adapters/embedded/index.ts'
import {
  type Broker,
  type Clock,
  type Consumer,
  type Delivery,
  type Event,
  type LogRecord,
  type PublishResult,
  type ReadOptions,
  type Start,
  systemClock,
  type TopicSpec,
} from '../../../src/core/index.ts'

export const topic = 'orders'
export const group = 'workers'
export const never = new AbortController().signal

/** Stands still until it is moved. */
export class TestClock implements Clock {
  #now = Date.UTC(2026, 0, 31)

  now(): number {
    return this.#now
  }

  random(bytes: Uint8Array<ArrayBuffer>): void {
    randomFillSync(bytes)
  }

  advance(ms: number): void {
    this.#now += ms
  }
}

/** A folder that is removed after the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-embedded-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export async function open(config: Partial<Config> = { memory: true }, clock: Clock = systemClock): Promise<Broker> {
  const broker = await embedded.open(embedded.config.parse({ type: 'embedded', ...config }), { clock })
  onTestFinished(() => broker.close())
  return broker
}

export async function openWithTopic(spec: TopicSpec = {}, clock: Clock = systemClock): Promise<Broker> {
  const broker = await open({ memory: true }, clock)
  await broker.admin!.ensure(topic, spec)
  return broker
}

export function event(id: string, extra: Record<string, string> = {}, size = 8): Event {
  return { attributes: { specversion: '1.0', id, source: '/test', type: 'test', ...extra }, data: new Uint8Array(size) }
}

export function publish(broker: Broker, ...events: Event[]): Promise<readonly PublishResult[]> {
  return broker.publish(topic, events, { signal: never })
}

export async function createGroup(
  broker: Broker,
  options: { leaseMs?: number; maxAttempts?: number } = {},
): Promise<void> {
  await broker.groups.create(topic, group, { start: 'earliest', leaseMs: 30_000, maxAttempts: 16, ...options })
}

/** A consumer of a new group that has everything before it. */
export async function consume(
  broker: Broker,
  options: { leaseMs?: number; maxAttempts?: number } = {},
): Promise<Consumer> {
  await createGroup(broker, options)
  return broker.open(topic, group, { prefetch: 5000 })
}

export async function pull(consumer: Consumer, max = 100, waitMs = 0): Promise<readonly Delivery[]> {
  return (await consumer.pull({ max, waitMs, signal: never })).deliveries
}

export async function settle(
  consumer: Consumer,
  deliveries: readonly Delivery[],
  outcome: Parameters<Consumer['settle']>[0][number]['outcome'] = { kind: 'ack' },
) {
  return consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome })))
}

export async function read(
  broker: Broker,
  from: Start = 'earliest',
  options: Partial<ReadOptions> = {},
): Promise<{ records: LogRecord[]; cursor: string; batches: number }> {
  const records: LogRecord[] = []
  let cursor = ''
  let batches = 0
  for await (const batch of broker.log!.read(topic, from, { signal: never, ...options })) {
    records.push(...batch.records)
    cursor = batch.cursor
    batches++
  }
  return { records, cursor, batches }
}

export function idsOf(items: readonly { readonly event: Event }[]): string[] {
  return items.map(({ event }) => event.attributes.id)
}
