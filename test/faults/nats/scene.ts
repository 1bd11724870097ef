import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { nats } from '../../../adapters/nats/index.ts'
import type { Broker, TopicSpec } from '../../../src/core/broker.ts'
import type { Event } from '../../../src/core/event.ts'
import { configOf } from '../../brokers/nats-target.ts'
import type { NatsDescription } from '../../brokers/services/nats.ts'
import { until } from '../../conformance/waiting.ts'
import { Load } from '../kafka/load.ts'
import { Ledger, type Report } from '../ledger.ts'
import { Worker } from './worker.ts'

export type Ordering = 'none' | 'key'

export const group = 'all'
export const groupOptions = { start: 'earliest', leaseMs: 5000, maxAttempts: 100 } as const
const publishers = 4
const deadlineMs = 5000
/** I6. */
const recoverMs = 30_000
const drainMs = 60_000

/** A broker on a topic of its own with one group, publishers that note what they are told, and a worker. */
export class Scene {
  readonly broker: Broker
  readonly topic: string
  readonly ledger = new Ledger()
  readonly load: Load
  readonly worker: Worker
  readonly #ordering: Ordering

  private constructor(broker: Broker, topic: string, seed: number, ordering: Ordering) {
    this.broker = broker
    this.topic = topic
    this.#ordering = ordering
    this.load = new Load(broker, topic, this.ledger, { seed, publishers, deadlineMs, paceMs: 10, batch: 20 })
    this.worker = new Worker(broker, topic, group)
  }

  static async open(cluster: NatsDescription, seed: number, ordering: Ordering, spec: TopicSpec): Promise<Scene> {
    const broker = await nats.open(configOf(cluster, { ordering }))
    const topic = `faults-${randomUUID().slice(0, 8)}`
    await broker.admin!.ensure(topic, spec)
    await broker.groups.create(topic, group, groupOptions)
    return new Scene(broker, topic, seed, ordering)
  }

  /** Publishes in one call, and notes what is told. */
  async publish(events: readonly Event[], timeoutMs = deadlineMs) {
    for (const { attributes } of events) this.ledger.attempt({ token: attributes.id })
    const results = await this.broker.publish(this.topic, events, { signal: AbortSignal.timeout(timeoutMs) })
    for (const { id, status } of results) {
      if (status === 'stored') this.ledger.acknowledge(id, id, undefined)
      if (status === 'failed') this.ledger.fail(id)
    }
    return results
  }

  /** From now until something is acknowledged that was sent from now on, and something delivered and settled. */
  async recovered(): Promise<void> {
    const since = Date.now()
    await until(recoverMs, 'publishing and consuming go on', async () => {
      const isStored = this.load.requests.some(
        ({ began, results }) => began >= since && results.some(({ status }) => status === 'stored'),
      )
      return isStored && this.worker.settledSince(since)
    })
  }

  /** Ends the load, lets the worker empty the group, and compares. */
  async check(): Promise<Report> {
    await this.load.stop()
    this.worker.start()
    await until(drainMs, 'the group is empty', async () => {
      const state = await this.broker.groups.describe(this.topic, group).catch(() => undefined)
      return state?.lag?.events === 0
    })
    await this.worker.stop()
    const report = this.ledger.check(this.worker.read, true)
    // Without an order of keys a group has several events of a key at once, and one that was given back comes later.
    const violations = report.violations.filter(({ kind }) => kind !== 'reordered' || this.#ordering === 'key')
    return { ...report, violations }
  }

  async close(): Promise<void> {
    await this.load.stop()
    await this.worker.stop()
    await this.broker.close()
  }
}

export async function healthy({ broker }: Scene): Promise<void> {
  await until(recoverMs, 'its health is good', () =>
    broker.health().then(
      () => true,
      () => false,
    ),
  )
}

/** Ends a scene by its invariants: nothing acknowledged is lost, nothing settled comes again, keys are in order. */
export async function checked(one: Scene, seed: number): Promise<void> {
  const report = await one.check()
  const line = `${summary(seed, report)}, faults ${[...one.worker.faults]}`
  console.log(line)
  expect(one.load.violations).toEqual([])
  expect(report.violations.slice(0, 10), line).toEqual([])
  expect(one.worker.again, line).toEqual([])
  expect(report.acknowledged).toBeGreaterThan(200)
}

export function summary(seed: number, { violations, ...counts }: Report): string {
  return `seed ${seed}, ${JSON.stringify(counts)}, ${violations.length} violations`
}
