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
  await publisher.groups.create(topic, group, { start: 'earliest', leaseMs: 3000, maxAttempts: 20 })
  consumer = await behind.open(topic, group, { prefetch: 100 })
})
afterEach(async () => {
  await behind.close()
  await publisher.close()
  await operator.close()
  await passage.close()
})

async function publish(stem: string, key: string): Promise<void> {
  const signal = AbortSignal.timeout(5000)
  const results = await publisher.publish(topic, events(3, stem, { partitionkey: key }), { signal })
  expect(results.map(({ status }) => status)).toEqual(['stored', 'stored', 'stored'])
}

/** Notes what comes. */
async function pull(waitMs = 1000): Promise<readonly Delivery[]> {
  const { deliveries } = await consumer.pull({ max: 50, waitMs, signal: AbortSignal.timeout(10_000) })
  for (const { event } of deliveries) came.add(idOf(event))
  return deliveries
}

function ack(deliveries: readonly Delivery[]) {
  return consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } })))
}

/** Pulls and acknowledges until `count` events have come. */
async function drained(count: number): Promise<void> {
  await until(20_000, `${count} events have come`, async () => {
    await ack(await pull().catch(() => []))
    return came.size >= count
  })
}

/** Waits until the server has given out `count` events that it does not know to be settled. */
function unsettled(count: number): Promise<unknown> {
  return until(10_000, `${count} are unsettled`, async () => {
    const answer = await operator.request(`$JS.API.CONSUMER.INFO.${topic}.${group}`)
    return answer.json<ConsumerInfo>().num_ack_pending === count
  })
}

test('events that were lost on their way come before newer ones of their key', async () => {
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
  await drained(9)
  expect([...came].slice(3)).toEqual(['first-0', 'first-1', 'first-2', 'then-0', 'then-1', 'then-2'])
})

test('an acknowledgement whose answer was lost does not stand for an event that was lost', async () => {
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
