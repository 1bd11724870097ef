import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nats } from '../../adapters/nats/index.ts'
import type { Broker } from '../../src/core/broker.ts'
import { event } from '../conformance/events.ts'
import { configOf } from './nats-target.ts'
import { type NatsCluster, startNats } from './services/nats.ts'

let cluster: NatsCluster
let broker: Broker
beforeAll(async () => {
  cluster = await startNats()
  broker = await nats.open(configOf(cluster))
}, 300_000)
afterAll(async () => {
  await broker?.close()
  await cluster?.stop()
})

const signal = () => AbortSignal.timeout(10_000)
const group = { start: 'earliest', leaseMs: 5000, maxAttempts: 3 } as const

test('events that were published together can be dead letters, and be redriven', async () => {
  await broker.admin!.ensure('together', {})
  await broker.groups.create('together', 'g', group)
  const events = Array.from({ length: 6 }, (_, i) => event(`e${i}`, { partitionkey: 'k' }))
  const results = await broker.publish('together', events, { signal: signal() })
  expect(results.map(({ status }) => status)).toEqual(events.map(() => 'stored'))
  const consumer = await broker.open('together', 'g', { prefetch: 100 })
  const { deliveries } = await consumer.pull({ max: 100, waitMs: 3000, signal: signal() })
  expect(deliveries).toHaveLength(6)
  const settled = await consumer.settle(
    deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'reject', reason: 'no' } })),
  )
  expect(settled).toEqual(deliveries.map(() => ({ status: 'ok' })))
  const dead = await broker.deadLetters!.list('together', 'g', { limit: 10 })
  // Rejected at once: which of them is stored first, nobody says.
  expect(dead.map((one) => one.event.attributes.id).toSorted()).toEqual(events.map(({ attributes }) => attributes.id))
  expect(await broker.deadLetters!.redrive('together', 'g', 'all')).toBe(6)
  const again = await consumer.pull({ max: 100, waitMs: 3000, signal: signal() })
  expect(again.deliveries.map((one) => one.event.attributes.id).toSorted()).toEqual(
    events.map(({ attributes }) => attributes.id),
  )
  await consumer.close()
})

test('what others told the server with their message keeps it from no dead letter', async () => {
  const client = await connect({ servers: [...cluster.servers], user: cluster.user, pass: cluster.password })
  await broker.admin!.ensure('told', {})
  await broker.groups.create('told', 'g', group)
  const told = headers()
  told.set('Nats-Rollup', 'sub')
  told.set('Nats-TTL', '1h')
  const manager = await jetstreamManager(client)
  await manager.streams.update('told', { allow_rollup_hdrs: true, allow_msg_ttl: true })
  await jetstream(client).publish('told', 'x', { headers: told })
  const consumer = await broker.open('told', 'g', { prefetch: 100 })
  const { deliveries } = await consumer.pull({ max: 1, waitMs: 3000, signal: signal() })
  const outcome = { kind: 'reject', reason: 'no' } as const
  expect(await consumer.settle([{ receipt: deliveries[0]!.receipt, outcome }])).toEqual([{ status: 'ok' }])
  expect(await broker.deadLetters!.list('told', 'g', { limit: 10 })).toHaveLength(1)
  await consumer.close()
  await client.close()
})
