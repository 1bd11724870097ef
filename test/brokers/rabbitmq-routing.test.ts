import { describe, expect, test } from 'vitest'
import { rabbitmq } from '../../adapters/rabbitmq/index.ts'
import { queueArguments } from '../../adapters/rabbitmq/queues.ts'
import { event, events, idOf } from '../conformance/events.ts'
import { until } from '../conformance/waiting.ts'
import { stage } from './rabbitmq/stage.ts'
import { configOf } from './rabbitmq-target.ts'
import { groupOptions, nameOf, publish, pull, topicOn } from './work.ts'

const at = stage()

const idsOf = (deliveries: readonly { event: Parameters<typeof idOf>[0] }[]) => deliveries.map((one) => idOf(one.event))
const ofType = (id: string, type: string) => event(id, { type })

describe('an exchange', () => {
  test.each(['topic', 'fanout', 'headers'])('of type %s gives each of its groups everything', async (exchange) => {
    const broker = await at.open({ exchange })
    const topic = await topicOn(broker, exchange)
    await broker.groups.create(topic, 'other', groupOptions)
    const results = await publish(broker, topic, [ofType('a', 'x'), ofType('b', 'y.z')])
    expect(results).toEqual([
      { id: 'a', status: 'stored' },
      { id: 'b', status: 'stored' },
    ])
    for (const group of ['g', 'other']) expect(idsOf(await pull(broker, topic, 2, group))).toEqual(['a', 'b'])
    const channel = await at.client.createChannel()
    await channel.assertExchange(topic, exchange)
    await channel.close()
  })

  test('that RabbitMQ made itself is a topic, and none is made under a name that it keeps for itself', async () => {
    const { admin } = await at.open()
    expect(await admin!.ensure('amq.topic', {})).toEqual([])
    const refused = { code: 'invalid_argument', message: expect.stringMatching(/begin with amq\. .*\(name\)/) }
    await expect(admin!.diff('amq.orders', {})).rejects.toMatchObject(refused)
    await expect(admin!.ensure('amq.orders', {})).rejects.toMatchObject(refused)
  })

  test('has a name of which those of its queues can be made', async () => {
    const { admin, groups } = await at.open()
    for (const name of ['orders:g', 'x'.repeat(181)]) {
      const refused = { code: 'invalid_argument', message: expect.stringMatching(/180 bytes, and no colon.*\(name\)/) }
      await expect(admin!.ensure(name, {})).rejects.toMatchObject(refused)
      await expect(admin!.describe(name)).rejects.toMatchObject(refused)
      await expect(groups.create(name, 'g', groupOptions)).rejects.toMatchObject(refused)
    }
  })

  test('of type direct takes the keys that it is bound by, and says so of others', async () => {
    const broker = await at.open({ exchange: 'direct', bindings: ['order.placed', 'order.paid'] })
    const topic = await topicOn(broker, 'direct')
    const batch = ['order.placed', 'order.lost', 'order.paid'].map((type) => ofType(type, type))
    const results = await publish(broker, topic, batch)
    expect(results.map(({ status }) => status)).toEqual(['stored', 'failed', 'stored'])
    expect(results[1]).toMatchObject({ error: { code: 'unprocessable', detail: expect.stringContaining(topic) } })
    expect(idsOf(await pull(broker, topic, 2))).toEqual(['order.placed', 'order.paid'])
  })

  test.each([
    ['type', 'made.thing'],
    ['subject', 'a.subject'],
    ['partitionkey', 'customer.7'],
  ])('routes by %s', async (routingKey, expected) => {
    const broker = await at.open({ routingKey })
    const topic = await topicOn(broker, 'routed')
    const channel = await at.client.createChannel()
    const { queue } = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(queue, topic, expected)
    const one = event('routed', { type: 'made.thing', subject: 'a.subject', partitionkey: 'customer.7' })
    await publish(broker, topic, [one, event('other', { type: 'x' })])
    const message = await channel.get(queue, { noAck: true })
    expect(message === false || message.fields.routingKey).toBe(expected)
    expect(await channel.get(queue)).toBe(false)
    await channel.close()
  })

  test('takes no routing key of more than 255 bytes, and the others of the batch', async () => {
    const broker = await at.open({ routingKey: 'subject' })
    const topic = await topicOn(broker)
    const results = await publish(broker, topic, [
      event('long', { subject: 'ü'.repeat(128) }),
      event('fits', { subject: 'ü'.repeat(127) }),
      event('none'),
    ])
    expect(results.map(({ status }) => status)).toEqual(['failed', 'stored', 'stored'])
    expect(results[0]).toMatchObject({ error: { code: 'unprocessable' } })
  })

  test('that exists with another type is a conflict, and stays', async () => {
    const topic = await topicOn(await at.open())
    const { admin } = await at.open({ exchange: 'fanout' })
    const message = expect.stringMatching(`${topic}.*inequivalent arg 'type'`)
    for (const method of ['ensure', 'diff'] as const) {
      await expect(admin![method](topic, {})).rejects.toMatchObject({ code: 'conflict', message })
    }
  })
})

describe('priorities', () => {
  test.each([
    ['quorum', 2],
    ['classic', 10],
  ])('of %s queues let what is urgent overtake', async (queue, priorities) => {
    const broker = await at.open({ queue, priorities })
    const topic = await topicOn(broker, 'urgent')
    const low = events(20, 'low', { priority: 1 })
    await publish(broker, topic, low)
    await publish(broker, topic, [event('high', { priority: 9 })])
    const ids = idsOf(await pull(broker, topic, 21))
    // Quorum queues take turns, so that nothing starves.
    expect(ids.indexOf('high')).toBeLessThan(3)
  })

  test('are whole numbers', async () => {
    const broker = await at.open({ priorities: 2 })
    const topic = await topicOn(broker)
    const [bad, good] = await publish(broker, topic, [event('a', { priority: 'soon' }), event('b', { priority: '7' })])
    expect(bad).toMatchObject({ status: 'failed', error: { code: 'unprocessable' } })
    expect(good).toMatchObject({ status: 'stored' })
  })

  test('are an attribute like any other where nobody configured them', async () => {
    const broker = await at.open()
    const topic = await topicOn(broker)
    await publish(broker, topic, [event('a', { priority: 'soon' })])
    const [delivery] = await pull(broker, topic, 1)
    expect(delivery!.event.attributes.priority).toBe('soon')
  })
})

describe('a group', () => {
  test('is a queue of somebody else, with its own bindings', async () => {
    const broker = await at.open()
    const topic = await topicOn(broker)
    const channel = await at.client.createChannel()
    await channel.assertQueue(`${topic}:eu`, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    await channel.bindQueue(`${topic}:eu`, topic, 'order.eu.#')
    await channel.close()
    expect(await broker.groups.create(topic, 'eu', groupOptions)).toBe(false)
    await publish(broker, topic, [ofType('us', 'order.us.placed'), ofType('eu', 'order.eu.placed')])
    expect(idsOf(await pull(broker, topic, 1, 'eu'))).toEqual(['eu'])
    expect(await broker.groups.list(topic)).toEqual(['g'])
    expect(await broker.groups.describe(topic, 'eu')).toMatchObject({ start: 'latest', leaseMs: 0 })
  })

  test('whose making broke off is none, and is finished by the next one', async () => {
    const broker = await at.open()
    const topic = nameOf('half')
    await broker.admin!.ensure(topic, {})
    const channel = await at.client.createChannel()
    // As a crash leaves it: the queue is there and has no binding.
    const options = { durable: true, arguments: queueArguments(configOf(at.server.url)) }
    await channel.assertQueue(`${topic}::groups`, options)
    const entry = { start: 'latest', leaseMs: 1, maxAttempts: 1, isUnfinished: true, at: 1 }
    channel.sendToQueue(`${topic}::groups`, Buffer.from(JSON.stringify({ g: entry })))
    await channel.assertQueue(`${topic}:g`, options)
    await channel.close()
    await expect(broker.groups.describe(topic, 'g')).rejects.toMatchObject({ code: 'not_found' })
    expect(await broker.groups.list(topic)).toEqual([])
    expect(await broker.groups.create(topic, 'g', groupOptions)).toBe(true)
    await publish(broker, topic, [event('a')])
    expect(idsOf(await pull(broker, topic, 1))).toEqual(['a'])
  })

  test('is made by several at once, and every one of many is listed', async () => {
    const brokers = await Promise.all([at.open(), at.open(), at.open()])
    const topic = await topicOn(brokers[0]!)
    const names = Array.from({ length: 9 }, (_, i) => `g${i}`)
    await Promise.all(names.map((name, i) => brokers[i % 3]!.groups.create(topic, name, groupOptions)))
    for (const broker of brokers) expect(await broker.groups.list(topic)).toEqual(['g', ...names])
    await Promise.all(names.slice(0, 5).map((name, i) => brokers[i % 3]!.groups.delete(topic, name)))
    for (const broker of brokers) expect(await broker.groups.list(topic)).toEqual(['g', ...names.slice(5)])
  })

  test('gives an event back as often as it has to: the server drops nothing after twenty times', async () => {
    const broker = await at.open()
    const topic = await topicOn(broker)
    await publish(broker, topic, [event('a')])
    const consumer = await broker.open(topic, 'g', { prefetch: 1 })
    for (let attempt = 1; attempt <= 30; attempt++) {
      const { deliveries } = await consumer.pull({ max: 1, waitMs: 10_000, signal: AbortSignal.timeout(20_000) })
      expect(deliveries.map((one) => one.attempt)).toEqual([attempt])
      await consumer.settle([{ receipt: deliveries[0]!.receipt, outcome: { kind: 'nack' } }])
    }
    await consumer.close()
  })

  test('counts from one what was moved here from another queue, with the count of that one', async () => {
    const broker = await at.open()
    const topic = await topicOn(broker)
    const channel = await at.client.createChannel()
    channel.publish(topic, 'key', Buffer.from('x'), { headers: { 'x-delivery-count': 7, 'x-acquired-count': 7 } })
    const [delivery] = await pull(broker, topic, 1)
    expect(delivery!.attempt).toBe(1)
    await channel.close()
  })

  test('that is deleted ends its consumers, here and elsewhere, and what it held', async () => {
    const [here, elsewhere] = [await at.open(), await at.open()]
    const topic = await topicOn(here)
    const consumer = await elsewhere.open(topic, 'g', { prefetch: 1 })
    await here.groups.delete(topic, 'g')
    const signal = AbortSignal.timeout(20_000)
    await until(10_000, 'the consumer is told', async () => {
      const [outcome] = await Promise.allSettled([consumer.pull({ max: 1, waitMs: 100, signal })])
      return outcome.status === 'rejected' && outcome.reason.code === 'not_found'
    })
    await consumer.close()
  })
})

describe('a rejected event', () => {
  test('is in the dead letters, as it was and with its reason, before it leaves the group', async () => {
    const broker = await at.open()
    const topic = await topicOn(broker)
    const data = Uint8Array.of(0, 255, 1)
    await publish(broker, topic, [
      event('bad', { datacontenttype: 'application/octet-stream', n: 5 }, data),
      event('good'),
    ])
    const consumer = await broker.open(topic, 'g', { prefetch: 10 })
    const { deliveries } = await consumer.pull({ max: 1, waitMs: 5000, signal: AbortSignal.timeout(20_000) })
    const { receipt } = deliveries[0]!
    const reject = { receipt, outcome: { kind: 'reject', reason: 'it is bad' } } as const
    expect(await consumer.settle([reject])).toEqual([{ status: 'ok' }])
    expect(await consumer.settle([reject])).toMatchObject([{ status: 'failed', error: { code: 'lease_lost' } }])
    await consumer.close()
    const channel = await at.client.createChannel()
    const letter = await channel.get(`${topic}:g:dead`)
    if (letter === false) throw new Error('There is no dead letter.')
    expect(letter.content).toEqual(Buffer.from(data))
    expect(letter.properties).toMatchObject({
      contentType: 'application/octet-stream',
      deliveryMode: 2,
      headers: { 'cloudEvents:id': 'bad', 'cloudEvents:n': 5, sluice_reason: 'it is bad', sluice_attempts: 1 },
    })
    await channel.close()
    expect(idsOf(await pull(broker, topic, 1))).toEqual(['good'])
  })

  test('stays in its group while it cannot be buried', async () => {
    const broker = await at.open()
    const topic = await topicOn(broker)
    // Something of that name that is no queue of ours.
    const channel = await at.client.createChannel()
    await channel.assertQueue(`${topic}:g:dead`, { durable: true, arguments: { 'x-queue-type': 'classic' } })
    await channel.close()
    await publish(broker, topic, [event('bad')])
    const consumer = await broker.open(topic, 'g', { prefetch: 10 })
    const { deliveries } = await consumer.pull({ max: 1, waitMs: 5000, signal: AbortSignal.timeout(20_000) })
    const outcome = { kind: 'reject', reason: 'it is bad' } as const
    const results = await consumer.settle([{ receipt: deliveries[0]!.receipt, outcome }])
    expect(results).toMatchObject([{ status: 'failed', error: { code: 'conflict' } }])
    await consumer.close()
    expect(idsOf(await pull(broker, topic, 1))).toEqual(['bad'])
  })
})

test.each([
  [{ exchange: 'direct' }, /bindings/],
  [{ exchange: 'fanout', bindings: ['a'] }, /bindings/],
  [{ ordering: 'key', priorities: 2 }, /priorities/],
  [{ priorities: 5 }, /priorities/],
  [{ username: 'me' }, /username/],
  [{ url: 'http://127.0.0.1' }, /amqp:/],
  [{ url: 'amqp://127.0.0.1?heartbeat=5' }, /query/],
  [{ heartbeat: '1ms' }, /duration/],
  [{ maxEventBytes: '1GiB' }, /size/],
  [{ colour: 'blue' }, /colour/],
])('a configuration with %j is refused', (more, words) => {
  const { error } = rabbitmq.config.safeParse({ type: 'rabbitmq', url: 'amqp://127.0.0.1', ...more })
  expect(JSON.stringify(error?.issues)).toMatch(words)
})
