import { randomUUID } from 'node:crypto'
import type { ConsumerInfo } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { nats } from '../../adapters/nats/index.ts'
import type { Broker, Consumer, Delivery } from '../../src/core/broker.ts'
import { configOf } from '../brokers/nats-target.ts'
import { type Passage, passageTo } from '../brokers/services/passage.ts'
import { sharedNats } from '../brokers/services/shared.ts'
import { events, idOf } from '../conformance/events.ts'
import { until } from '../conformance/waiting.ts'

// What is lost between the server and the gateway comes again later than what is fresh: the order of a key holds all the
// same. The consumer's connection is a passage that can be stopped; the publisher has one of its own.

const group = 'all'
let topic: string
let passage: Passage
let behind: Broker
let publisher: Broker
let consumer: Consumer
/** The ids of what was given out, in the order in which they first came. */
let came: Set<string>
/** A client that is not the gateway's. */
let operator: NatsConnection

beforeEach(async () => {
  const server = await sharedNats()
  came = new Set()
  passage = await passageTo(new URL(server.servers[0]!).host)
  operator = await connect({ servers: [...server.servers], user: server.user, pass: server.password })
  publisher = await nats.open(configOf(server, { ordering: 'key' }))
  behind = await nats.open(configOf({ ...server, servers: [`nats://${passage.address}`] }, { ordering: 'key' }))
  topic = `lost-${randomUUID().slice(0, 8)}`
  await publisher.admin!.ensure(topic, {})
})
afterEach(async () => {
  await behind.close()
  await publisher.close()
  await operator.close()
  await passage.close()
})

async function open(leaseMs: number, holdKeys = true): Promise<void> {
  await publisher.groups.create(topic, group, { start: 'earliest', leaseMs, maxAttempts: 20 })
  consumer = await behind.open(topic, group, { prefetch: 100, holdKeys })
}

async function publish(stem: string, key: string): Promise<void> {
  const signal = AbortSignal.timeout(5000)
  const results = await publisher.publish(topic, events(3, stem, { partitionkey: key }), { signal })
  expect(results.map(({ status }) => status)).toEqual(['stored', 'stored', 'stored'])
}

/** Notes what comes. */
async function pull(waitMs = 1000, max = 50): Promise<readonly Delivery[]> {
  const { deliveries } = await consumer.pull({ max, waitMs, signal: AbortSignal.timeout(10_000) })
  for (const { event } of deliveries) came.add(idOf(event))
  return deliveries
}

function ack(deliveries: readonly Delivery[]) {
  return consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } })))
}

/** Pulls and acknowledges until `count` events have come. */
async function drained(count: number, max?: number): Promise<void> {
  await until(20_000, `${count} events have come`, async () => {
    await ack(await pull(1000, max).catch(() => []))
    return came.size >= count
  })
}

/** Waits until the server has given out `count` events that it does not know to be settled. */
function unsettled(count: number): Promise<unknown> {
  return until(10_000, `${count} are unsettled`, async () => (await info()).num_ack_pending === count)
}

async function info(): Promise<ConsumerInfo> {
  return (await operator.request(`$JS.API.CONSUMER.INFO.${topic}.${group}`)).json<ConsumerInfo>()
}

test.each([
  ['a caller that leaves the order to the broker', true],
  ['one that keeps it by itself, and takes them one by one', false],
])('events that were lost on their way come before newer ones of their key: to %s', async (_, holdKeys) => {
  await open(3000, holdKeys)
  // The server remembers for a while to whom the group's events go: so the connection that comes after is given them at once.
  await publish('before', 'k')
  await drained(3)
  const goOn = passage.hold('server')
  await publish('first', 'k')
  const lost = pull(500).catch(() => [])
  await unsettled(3)
  await publish('then', 'k')
  passage.cut()()
  goOn()
  await ack(await lost)
  await drained(9, 1)
  expect([...came].slice(3)).toEqual(['first-0', 'first-1', 'first-2', 'then-0', 'then-1', 'then-2'])
})

test('an acknowledgement whose answer was lost does not stand for an event that was lost', async () => {
  await open(3000)
  await publish('done', 'other')
  const [done] = await pull()
  expect(done?.event.attributes.id).toBe('done-0')
  await unsettled(3)
  const goOn = passage.hold('server')
  const answered = ack([done!])
  await unsettled(2)
  await publish('first', 'k')
  const lost = pull(500).catch(() => [])
  await unsettled(5)
  await publish('then', 'k')
  passage.cut()()
  goOn()
  const [result] = await answered
  expect(result?.status).toBe('failed')
  await ack(await lost)
  await drained(9)
  const ids = [...came]
  expect(ids.filter((id) => id.startsWith('done-'))).toEqual(['done-0', 'done-1', 'done-2'])
  const later = ['first-0', 'first-1', 'first-2', 'then-0', 'then-1', 'then-2']
  expect(ids.filter((id) => !id.startsWith('done-'))).toEqual(later)
})

test('what was given back without an answer comes again before its lease ends', async () => {
  await open(60_000)
  await publish('first', 'k')
  const [first] = await pull()
  const goOn = passage.hold('client')
  const answered = consumer.settle([{ receipt: first!.receipt, outcome: { kind: 'nack' } }])
  passage.cut()()
  goOn()
  expect((await answered).map(({ status }) => status)).toEqual(['failed'])
  const again = await until(20_000, 'it comes again', async () => {
    const deliveries = await pull().catch(() => [])
    return deliveries.length > 0 && deliveries
  })
  expect(idOf(again[0]!.event)).toBe('first-0')
})

test('a process that stood still for longer than a lease gives out nothing that it had', async () => {
  await open(1000)
  await publish('first', 'k')
  await ack(await pull())
  const [second] = await pull()
  expect(idOf(second!.event)).toBe('first-1')
  // The third has come with it, and waits for it here.
  await ack([second!])
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000)
  const { deliveries } = await consumer.pull({ max: 50, waitMs: 0, signal: AbortSignal.timeout(10_000) })
  for (const { expiresAt } of deliveries) expect(expiresAt).toBeGreaterThan(Date.now())
})

test('a lease lasts as long as was asked for, however long its event was waited for', async () => {
  await open(1000)
  const pulled = pull(3000)
  await until(5000, 'it is asked', async () => (await info()).num_waiting === 1)
  const goOn = passage.hold('server')
  await publish('late', 'k')
  const since = Date.now()
  await until(5000, 'it was long on its way', async () => Date.now() > since + 700)
  goOn()
  const [late] = await pulled
  expect(late!.expiresAt).toBeGreaterThan(Date.now() + 500)
})

test('an event that was given back, and that retention took then, does not hold back the later ones of its key', async () => {
  await open(1000)
  await publish('first', 'k')
  const [first] = await pull()
  await operator.request(`$JS.API.STREAM.MSG.DELETE.${topic}`, JSON.stringify({ seq: Number(first!.position) }))
  const [result] = await consumer.settle([{ receipt: first!.receipt, outcome: { kind: 'nack' } }])
  expect(result?.status).toBe('ok')
  const [next] = await until(10_000, 'the next one comes', async () => {
    const deliveries = await pull().catch(() => [])
    return deliveries.length > 0 && deliveries
  })
  expect(idOf(next!.event)).toBe('first-1')
})
