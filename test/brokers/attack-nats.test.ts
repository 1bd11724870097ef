import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, errors, headers } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { NatsClient } from '../../adapters/nats/client.ts'
import { DeadLetterBox } from '../../adapters/nats/dead-letter-box.ts'
import { nats } from '../../adapters/nats/index.ts'
import type { Broker } from '../../src/core/broker.ts'
import { event } from '../conformance/events.ts'
import { until } from '../conformance/waiting.ts'
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

test.each([
  ['heard', true, ['second']],
  ['not heard', false, ['first', 'second']],
])(
  'in the order of keys, after a settlement that was %s, and not answered, what is unsettled comes in order',
  async (how, isHeard, ids) => {
    const topic = `unanswered-${isHeard}`
    const keyed = await nats.open(configOf(cluster, { ordering: 'key' }))
    await keyed.admin!.ensure(topic, {})
    await keyed.groups.create(topic, 'g', { ...group, leaseMs: 60_000 })
    const events = ['first', 'second'].map((id) => event(id, { partitionkey: 'k' }))
    await keyed.publish(topic, events, { signal: signal() })
    const consumer = await keyed.open(topic, 'g', { prefetch: 100 })
    const next = async () => (await consumer.pull({ max: 2, waitMs: 5000, signal: signal() })).deliveries
    const settle = (receipt: string) => consumer.settle([{ receipt, outcome: { kind: 'ack' } }])
    const [first] = await next()
    const request = NatsClient.prototype.request
    const spy = vi.spyOn(NatsClient.prototype, 'request').mockImplementation(async function (
      this: NatsClient,
      ...args
    ) {
      if (args[1] !== '+ACK') return request.apply(this, args)
      if (isHeard) await request.apply(this, args)
      throw new errors.TimeoutError()
    })
    expect(await settle(first!.receipt), how).toMatchObject([{ status: 'failed', error: { code: 'unavailable' } }])
    spy.mockRestore()
    for (const id of ids) {
      const deliveries = await next()
      expect(deliveries.map((one) => one.event.attributes.id)).toEqual([id])
      expect(await settle(deliveries[0]!.receipt)).toEqual([{ status: 'ok' }])
    }
    expect(await keyed.groups.describe(topic, 'g')).toMatchObject({ lag: { events: 0 }, inFlight: 0 })
    await keyed.close()
  },
)

test('a group is consumed in the order of keys, without it, and in it again', async () => {
  const keyed = await nats.open(configOf(cluster, { ordering: 'key' }))
  await broker.admin!.ensure('reordered', {})
  await broker.groups.create('reordered', 'g', group)
  for (const [i, opened] of [keyed, broker, keyed].entries()) {
    await broker.publish('reordered', [event(`e${i}`)], { signal: signal() })
    const consumer = await opened.open('reordered', 'g', { prefetch: 100 })
    const { deliveries } = await consumer.pull({ max: 1, waitMs: 5000, signal: signal() })
    expect(deliveries.map((one) => one.event.attributes.id)).toEqual([`e${i}`])
    expect(await consumer.settle([{ receipt: deliveries[0]!.receipt, outcome: { kind: 'ack' } }])).toEqual([
      { status: 'ok' },
    ])
    await consumer.close()
  }
  await keyed.close()
})

test('a rejection that takes longer than the lease settles nothing: somebody else has the event by then', async () => {
  await broker.admin!.ensure('slowly-buried', {})
  await broker.groups.create('slowly-buried', 'g', { ...group, leaseMs: 1000 })
  await broker.publish('slowly-buried', [event('e0')], { signal: signal() })
  const consumer = await broker.open('slowly-buried', 'g', { prefetch: 100 })
  const pulled = async () => (await consumer.pull({ max: 1, waitMs: 8000, signal: signal() })).deliveries[0]!
  const { receipt, expiresAt } = await pulled()
  const bury = DeadLetterBox.prototype.bury
  const spy = vi.spyOn(DeadLetterBox.prototype, 'bury').mockImplementation(async function (
    this: DeadLetterBox,
    ...args
  ) {
    await until(5000, 'the lease is over', async () => Date.now() > expiresAt)
    await bury.apply(this, args)
  })
  const [result] = await consumer.settle([{ receipt, outcome: { kind: 'reject', reason: 'no' } }])
  spy.mockRestore()
  expect(result).toMatchObject({ status: 'failed', error: { code: 'lease_lost' } })
  const again = await pulled()
  expect(again.attempt).toBe(2)
  expect(await consumer.settle([{ receipt: again.receipt, outcome: { kind: 'ack' } }])).toEqual([{ status: 'ok' }])
  await consumer.close()
})

test('events of a key whose batch was stored, and not answered, may be stored: that is what is said', async () => {
  await broker.admin!.ensure('batch-unanswered', {})
  const events = Array.from({ length: 4 }, (_, i) => event(`e${i}`, { partitionkey: 'k' }))
  let commits = 0
  const send = NatsClient.prototype.send
  const spy = vi.spyOn(NatsClient.prototype, 'send').mockImplementation(function (this: NatsClient, ...args) {
    const isCommit = args[2]?.has('Nats-Batch-Commit') === true
    const isHeard = isCommit && commits++ > 0
    return send.call(this, args[0], args[1], args[2], isHeard ? args[3] : () => undefined)
  })
  const results = await broker.publish('batch-unanswered', events, { signal: AbortSignal.timeout(4000) })
  spy.mockRestore()
  expect(commits).toBe(2)
  expect(results).toMatchObject(events.map(() => ({ status: 'unknown', error: { code: 'unknown_outcome' } })))
  const again = await broker.publish('batch-unanswered', events, { signal: signal() })
  expect(again).toMatchObject(events.map(() => ({ status: 'stored', duplicate: true })))
})

test('a publish that nobody takes ends in time, also where nobody tells of the stream either', async () => {
  await broker.admin!.ensure('untold', {})
  await broker.publish('untold', [event('e0')], { signal: signal() })
  vi.spyOn(NatsClient.prototype, 'send').mockImplementation((subject, _payload, _headers, answered) => {
    if (subject === 'untold') queueMicrotask(() => answered(new errors.NoRespondersError(subject)))
    return () => undefined
  })
  const began = performance.now()
  const results = await broker.publish('untold', [event('e1')], { signal: AbortSignal.timeout(500) })
  const tookMs = performance.now() - began
  vi.restoreAllMocks()
  expect(results).toMatchObject([{ status: 'failed', error: { code: 'unavailable' } }])
  expect(tookMs).toBeLessThan(2000)
})
