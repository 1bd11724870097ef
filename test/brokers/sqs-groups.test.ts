import { GetQueueUrlCommand, ListQueueTagsCommand, SendMessageCommand, TagQueueCommand } from '@aws-sdk/client-sqs'
import { expect, test } from 'vitest'
import { event, events } from '../conformance/events.ts'
import { until } from '../conformance/waiting.ts'
import { group, idsOf, publish, pull, take, workbench } from './sqs/workbench.ts'

// A plain queue, and the one group that it belongs to.
const bench = workbench('queues')
const options = { start: 'latest', leaseMs: 30_000, maxAttempts: 5 } as const

async function urlOf(topic: string): Promise<string> {
  const { QueueUrl } = await bench.client.send(new GetQueueUrlCommand({ QueueName: topic.replaceAll('.', '--') }))
  return QueueUrl!
}

test('it belongs to the group made first, whoever asks; another is refused with the way out', async () => {
  const [here, there] = [await bench.open(), await bench.open()]
  const topic = await bench.topic(here)
  expect(await here.groups.create(topic, 'first', options)).toBe(true)
  expect(await there.groups.create(topic, 'first', { ...options, leaseMs: 1000 })).toBe(false)
  await expect(there.groups.create(topic, 'second', options)).rejects.toMatchObject({
    capability: 'groups',
    message: expect.stringMatching(/belongs to the group first.*Set sns: true/),
  })
  expect(await there.groups.list(topic)).toEqual(['first'])
  expect(await there.groups.describe(topic, 'first')).toMatchObject({ leaseMs: 30_000, maxAttempts: 5 })
  await here.groups.delete(topic, 'first')
  expect(await there.groups.create(topic, 'second', options)).toBe(true)
  expect(await here.groups.list(topic)).toEqual(['second'])
})

test('of several that are made at once one has it, and all agree which', async () => {
  const brokers = [await bench.open(), await bench.open(), await bench.open()]
  const topic = await bench.topic(brokers[0]!)
  const outcomes = await Promise.allSettled(brokers.map((broker, i) => broker.groups.create(topic, `g${i}`, options)))
  const won = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [`g${i}`] : []))
  expect(won.length).toBeLessThanOrEqual(1)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ capability: 'groups' })
  }
  for (const broker of brokers) expect(await broker.groups.list(topic)).toEqual(won)
})

test('it starts at the end: what gateways put there before is deleted, and what others put there is not', async () => {
  const broker = await bench.open()
  const topic = await bench.topic(broker)
  await publish(broker, topic, ...events(95, 'before'))
  const QueueUrl = await urlOf(topic)
  await bench.client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'a job of somebody else' }))
  await broker.groups.create(topic, group, options)
  await publish(broker, topic, event('after'))
  const consumer = await broker.open(topic, group, { prefetch: 10 })
  const taken = await take(consumer, 2)
  const bodies = taken.map(({ event: { attributes, data } }) => data?.toString() ?? attributes.id)
  expect(bodies.sort()).toEqual(['a job of somebody else', 'after'])
  expect(await pull(consumer)).toEqual([])
})

test('whether events are still to come to it, because they are delayed, is told until they are due', async () => {
  const broker = await bench.open()
  const topic = await bench.topic(broker)
  await broker.groups.create(topic, group, options)
  const hasDelayed = () => broker.groups.hasDelayed!(topic, group)
  expect(await hasDelayed()).toBe(false)
  await broker.publish(topic, [event('late')], { delayMs: 5000, signal: AbortSignal.timeout(20_000) })
  expect(await hasDelayed()).toBe(true)
  await until(20_000, 'it is due', async () => !(await hasDelayed()))
  expect(idsOf(await pull(await broker.open(topic, group, { prefetch: 10 })))).toEqual(['late'])
})

test('one that was not made to its end is not there, and is made to its end when it is asked for again', async () => {
  const broker = await bench.open()
  const topic = await bench.topic(broker)
  const QueueUrl = await urlOf(topic)
  const Tags = { [`sluice:group:${group}`]: 'making lease=1000 attempts=1' }
  await bench.client.send(new TagQueueCommand({ QueueUrl, Tags }))
  await publish(broker, topic, event('before'))
  expect(await broker.groups.list(topic)).toEqual([])
  await expect(broker.open(topic, group, { prefetch: 1 })).rejects.toMatchObject({ code: 'not_found' })
  expect(await broker.groups.create(topic, group, options)).toBe(true)
  expect(await broker.groups.describe(topic, group)).toMatchObject({ leaseMs: 30_000, lag: { events: 0 } })
  const { Tags: kept } = await bench.client.send(new ListQueueTagsCommand({ QueueUrl }))
  expect(kept).toEqual({ [`sluice:group:${group}`]: 'made lease=30000 attempts=5' })
})

test('a group that is deleted here takes its consumers and its dead letters with it', async () => {
  const broker = await bench.open()
  const { topic, consumer } = await bench.stage(broker)
  await publish(broker, topic, event('bad'))
  const [bad] = await take(consumer, 1)
  await consumer.settle([{ receipt: bad!.receipt, outcome: { kind: 'reject', reason: 'bad' } }])
  expect(idsOf(await broker.deadLetters!.list(topic, group, { limit: 10 }))).toEqual(['bad'])
  const waiting = consumer.pull({ max: 1, waitMs: 60_000, signal: new AbortController().signal })
  await broker.groups.delete(topic, group)
  const batch = await waiting
  expect([batch.deliveries, batch.revoked.aborted]).toEqual([[], true])
  await expect(pull(consumer)).rejects.toMatchObject({ code: 'not_found' })
  await broker.groups.create(topic, 'next', options)
  expect(await broker.deadLetters!.list(topic, 'next', { limit: 10 })).toEqual([])
})

test('where SNS is asked for, an endpoint that has none says so at boot, and what to do', async () => {
  await expect(bench.open({ sns: true })).rejects.toMatchObject({
    code: 'misconfigured',
    message: expect.stringMatching(/not speak SNS .*sns:ListTopics.*: leave out sns, or set endpoint/),
  })
})
