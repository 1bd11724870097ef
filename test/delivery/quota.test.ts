import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { embedded } from '../../adapters/embedded/index.ts'
import { TopicTable } from '../../src/config/registry.ts'
import type { Broker } from '../../src/core/broker.ts'
import { systemClock } from '../../src/core/clock.ts'
import { defaultLimits } from '../../src/core/limits.ts'
import { defaultPolicy, type Policy } from '../../src/core/subscription.ts'
import type { OpenTopic } from '../../src/core/topic.ts'
import { DeliveryEngine } from '../../src/delivery/engine.ts'
import { openSqliteStore } from '../../src/store/sql/open.ts'
import type { Store } from '../../src/store/store.ts'
import { createSecret } from '../../src/webhook/secret.ts'
import { createSender } from '../../src/webhook/sender.ts'
import { Faults, faulty } from '../fixtures/faulty-broker.ts'
import { answer, Receiver } from './receiver.ts'
import { eventually } from './whole.ts'

// A broker that keeps no history: what its subscriptions cannot take is the quota's to decide.
let folder: string
let broker: Broker
let topic: OpenTopic
let store: Store
let engine: DeliveryEngine
let receiver: Receiver

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-quota-'))
  broker = faulty(await embedded.open({ type: 'embedded', memory: true }, { clock: systemClock }), new Faults(), {
    replay: false,
  })
  await broker.admin!.ensure('orders', {})
  const topics = new TopicTable(defaultLimits, systemClock, {})
  topic = await topics.add({ name: 'orders', brokerName: 'main', brokerTopic: 'orders', broker, epoch: 1 })
  store = await openSqliteStore({ path: join(folder, 'store.db'), clock: systemClock })
  receiver = await Receiver.start()
  engine = new DeliveryEngine({
    clock: systemClock,
    store,
    sender: createSender({
      clock: systemClock,
      allowPrivate: [],
      allowLoopback: true,
      maxConnectionsPerHost: 64,
      userAgent: 'test',
    }),
    topics,
    digest: (text) => createHash('sha256').update(text).digest('base64url'),
    maxAttempts: 100,
    observer: { ended() {} },
    log() {},
    announce() {},
  })
  await engine.start()
})
afterEach(async () => {
  await engine.stop(1000)
  await broker.close()
  await store.close()
  await receiver.close()
  await rm(folder, { recursive: true })
})

async function subscribe(id: string, policy: Partial<Policy>): Promise<void> {
  const now = systemClock.now()
  const subscription = {
    id,
    topic: 'orders',
    url: `${receiver.url}/${id}`,
    filters: [],
    mode: 'structured',
    headers: {},
    ordering: 'none',
    start: 'latest',
    policy: { ...defaultPolicy, ...policy },
    labels: {},
    secrets: [{ secret: createSecret(systemClock) }],
    status: 'active',
    declared: false,
    createdAt: now,
    updatedAt: now,
  } as const
  await store.subscriptions.create(subscription, await engine.prepare(topic, 'latest'))
  engine.changed()
}

async function publish(count: number, from = 0): Promise<void> {
  for (let i = from; i < from + count; i++) {
    const attributes = { specversion: '1.0', id: `e${i}`, source: '/s', type: 't' } as const
    await topic.publisher.publish([{ attributes }])
  }
}

const arrived = (id: string) => receiver.requests.filter(({ path }) => path === `/${id}`).length

test('discards what the quota has no room for, and says so', async () => {
  await subscribe('full', { quota: { events: 5, bytes: 1 << 20 }, onFull: 'discard' })
  await subscribe('other', {})
  await store.subscriptions.transition('full', ['active'], 'paused', undefined, systemClock.now())
  await publish(12)
  await eventually(
    () => arrived('other'),
    (count) => count === 12,
  )
  const counts = await eventually(
    () => store.deliveries.counts('full'),
    ({ parked, discarded }) => parked + discarded === 12,
  )
  expect(counts).toMatchObject({ parked: 5, discarded: 7 })
  const { items } = await store.deliveries.list({ subscription: 'full', status: 'discarded' }, { limit: 1 })
  expect(items[0]!.reason).toMatch(/quota/)
  await store.subscriptions.transition('full', ['paused'], 'active', undefined, systemClock.now())
  engine.changed()
  await eventually(
    () => arrived('full'),
    (count) => count === 5,
  )
})

test('holds the topic where it is asked to lose nothing, and goes on when there is room', async () => {
  receiver.scripts.set('/full', answer({ status: 500 }))
  await subscribe('full', { quota: { events: 5, bytes: 1 << 20 }, onFull: 'block', retryMs: [60_000] })
  await subscribe('other', {})
  await publish(5)
  await eventually(
    () => store.deliveries.pending('full'),
    ([pending]) => pending?.events === 5,
  )
  await publish(7, 5)
  const { lag } = await broker.groups.describe('orders', 'sluice.fanout')
  expect(lag!.events).toBeGreaterThan(0)
  receiver.scripts.set('/full', answer())
  const { items } = await store.deliveries.list({ subscription: 'full', status: 'parked' }, { limit: 10 })
  for (const { id } of items) await store.deliveries.retry(id, systemClock.now())
  engine.changed()
  await eventually(
    () => store.deliveries.counts('full'),
    ({ succeeded, parked, in_flight }) => succeeded >= 5 && parked + in_flight === 0,
  )
  await eventually(
    () => broker.groups.describe('orders', 'sluice.fanout'),
    (state) => state.lag!.events === 0,
  )
  expect(arrived('other')).toBe(12)
  expect(new Set(receiver.requests.map(({ path, body }) => `${path} ${JSON.parse(body.toString()).id}`)).size).toBe(24)
})
