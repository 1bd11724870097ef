import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { until } from '../http/events.ts'
import { type Delivery, Group } from '../http/groups.ts'
import type { Serving } from '../swap/process.ts'
import { publish, Replicas } from './held.ts'

const events = 2000
const keys = 40
const kills = 3
const pullersEach = 3
/** Against waiting for what was lost. */
const patienceMs = 120_000

interface Running {
  client: Client
  serving: Serving
}

let replicas: Replicas
beforeAll(async () => {
  replicas = await Replicas.create('postgres', 1)
}, 180_000)
afterAll(() => replicas?.remove())

/** What the pullers of all gateways saw, judged as it comes. */
class Ledger {
  readonly acknowledged = new Set<string>()
  readonly violations: string[] = []
  readonly #attempts = new Map<string, number>()
  /** Acks that were sent and have no answer, or not yet: they may have counted. */
  readonly #unknown = new Set<string>()

  get done(): number {
    return new Set([...this.acknowledged, ...this.#unknown]).size
  }

  delivered({ event: { id }, attempt }: Delivery): void {
    if (this.acknowledged.has(id)) this.violations.push(`${id} came again after its ack`)
    const before = this.#attempts.get(id) ?? 0
    if (attempt <= before) this.violations.push(`${id} came as attempt ${attempt} after attempt ${before}`)
    this.#attempts.set(id, attempt)
    this.#unknown.delete(id)
    const [key, number] = id.split(':')
    const earlier = `${key}:${Number(number) - 1}`
    if (number !== '0' && !this.acknowledged.has(earlier) && !this.#unknown.has(earlier)) {
      this.violations.push(`${id} came before ${earlier} was acknowledged`)
    }
  }

  settling(id: string): void {
    this.#unknown.add(id)
  }

  settled(id: string, status: string | undefined): void {
    if (status !== undefined) this.#unknown.delete(id)
    if (status === 'ok') this.acknowledged.add(id)
  }
}

test('gateways are killed while pullers hold leases: nothing is lost, no ack is forgotten, keys stay in order', async () => {
  const topic = replicas.topic()
  const first: Running = await replicas.start()
  const gateways: Running[] = [first, await replicas.start()]
  await new Group(first.client, topic).create({ lease: '3s', maxAttempts: 1000 })
  const ids = Array.from({ length: events }, (_, i) => `k${i % keys}:${Math.floor(i / keys)}`)
  for (let at = 0; at < events; at += 500) await publish(first.client, topic, ids.slice(at, at + 500))

  const ledger = new Ledger()
  const end = Date.now() + patienceMs
  const isOver = () => ledger.done >= events || ledger.violations.length > 0 || Date.now() > end
  async function pull(at: number): Promise<void> {
    while (!isOver()) {
      const group = new Group(gateways[at]!.client, topic)
      const deliveries = await group.pull(10, '1s').catch(() => undefined)
      if (deliveries === undefined) await new Promise((resolve) => setTimeout(resolve, 50))
      if (deliveries === undefined || deliveries.length === 0) continue
      for (const delivery of deliveries) ledger.delivered(delivery)
      // At another gateway than the one that gave the lease.
      const other = new Group(gateways[1 - at]!.client, topic)
      const settlements = deliveries.map(({ lease }) => ({ lease, outcome: 'ack' }))
      for (const { event } of deliveries) ledger.settling(event.id)
      const results = await other.settle(...settlements).catch(() => undefined)
      for (const [i, { event }] of deliveries.entries()) {
        ledger.settled(event.id, results?.[i]?.status)
      }
    }
  }
  const pulling = Promise.all(Array.from({ length: 2 * pullersEach }, (_, i) => pull(i % 2)))

  for (let kill = 1; kill <= kills && !isOver(); kill++) {
    await until(() => ledger.done >= (events * kill) / (kills + 2) || isOver())
    const at = kill % 2
    await gateways[at]!.serving.stop('SIGKILL')
    gateways[at] = await replicas.start()
  }
  await pulling

  expect(ledger.violations).toEqual([])
  expect(ledger.done).toBe(events)
  const group = new Group(gateways[0]!.client, topic)
  // What had no answer was done, or comes again.
  await until(async () => {
    for (const delivery of await group.pull(100, '1s')) {
      ledger.delivered(delivery)
      ledger.settled(delivery.event.id, await group.say(delivery.lease, 'ack'))
    }
    return (await group.lag()) === 0
  })
  expect(ledger.violations).toEqual([])
  expect(ledger.done).toBe(events)
  expect(await group.dead()).toEqual([])
}, 180_000)
