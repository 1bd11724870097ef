import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
} from '@aws-sdk/client-sqs'
import { expect, test } from 'vitest'
import { group, workbench } from './sqs/workbench.ts'

// On fauxqs, which keeps what a queue is made with; ElasticMQ forgets retention, sizes and policies.
const bench = workbench('topics')
const day = 86_400_000

async function attributesOf(name: string): Promise<Record<string, string>> {
  const { QueueUrl } = await bench.client.send(new GetQueueUrlCommand({ QueueName: name }))
  const { Attributes = {} } = await bench.client.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
  )
  return Attributes
}

const queueOf = (topic: string) => topic.replaceAll('.', '--')

test.each([{}, { fifo: true }, { sns: true }, { sns: true, fifo: true }])(
  '%j: a topic is made as asked, grows, and never shrinks',
  async (mode) => {
    const admin = (await bench.open(mode)).admin!
    const topic = `made.${crypto.randomUUID().slice(0, 8)}`
    await expect(admin.describe(topic)).rejects.toMatchObject({ code: 'not_found' })
    const made = [
      { field: 'topic', to: topic },
      { field: 'retention', to: '2d' },
    ]
    expect(await admin.diff(topic, { retention: { ms: 2 * day } })).toEqual(made)
    await expect(admin.describe(topic)).rejects.toMatchObject({ code: 'not_found' })
    expect(await admin.ensure(topic, { retention: { ms: 2 * day } })).toEqual(made)
    expect(await admin.ensure(topic, { retention: { ms: 2 * day } })).toEqual([])
    expect(await admin.ensure(topic, {})).toEqual([])
    const grown = [{ field: 'retention', from: '2d', to: '7d' }]
    expect(await admin.diff(topic, { retention: { ms: 7 * day } })).toEqual(grown)
    expect(await admin.ensure(topic, { retention: { ms: 7 * day } })).toEqual(grown)
    await expect(admin.ensure(topic, { retention: { ms: day } })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('keeps its events for 7d'),
    })
    const dedupWindowMs = 'fifo' in mode ? 300_000 : 0
    expect(await admin.describe(topic)).toMatchObject({ retention: { ms: 7 * day }, dedupWindowMs })
    expect(await admin.list()).toContain(topic)
  },
)

test.each([
  [{ partitions: 4 }, 'partitions'],
  [{ replicas: 3 }, 'replicas'],
  [{ minInsyncReplicas: 2 }, 'replicas'],
  [{ compaction: true }, 'compaction'],
  [{ retention: { bytes: 1 << 30 } }, 'retention'],
  [{ retention: { ms: 59_999 } }, 'retention'],
  [{ retention: { ms: 14 * day + 1 } }, 'retention'],
  [{ dedupWindowMs: 60_000 }, 'dedupWindowMs'],
] as const)('%j is refused by its name, before anything is made', async (spec, capability) => {
  for (const mode of [{}, { fifo: true }, { sns: true }]) {
    const admin = (await bench.open(mode)).admin!
    const topic = `never.${crypto.randomUUID().slice(0, 8)}`
    await expect(admin.ensure(topic, spec)).rejects.toMatchObject({ code: 'unsupported', capability })
    await expect(admin.describe(topic)).rejects.toMatchObject({ code: 'not_found' })
  }
})

test('a window of five minutes is what FIFO has, and none is what the others have', async () => {
  const fifo = (await bench.open({ fifo: true })).admin!
  const standard = (await bench.open()).admin!
  const topic = `window.${crypto.randomUUID().slice(0, 8)}`
  await fifo.ensure(topic, { dedupWindowMs: 300_000 })
  await standard.ensure(topic, { dedupWindowMs: 0 })
  await expect(fifo.ensure(topic, { dedupWindowMs: 0 })).rejects.toMatchObject({ capability: 'dedupWindowMs' })
  // One name, two queues: each mode sees its own.
  expect((await fifo.describe(topic)).dedupWindowMs).toBe(300_000)
  expect((await standard.describe(topic)).dedupWindowMs).toBe(0)
})

test('a queue from before messages could be so large takes them after ensure', async () => {
  const broker = await bench.open()
  const topic = `old-${crypto.randomUUID().slice(0, 8)}`
  await bench.client.send(new CreateQueueCommand({ QueueName: topic, Attributes: { MaximumMessageSize: '262144' } }))
  expect(await broker.admin!.ensure(topic, {})).toEqual([{ field: 'maxMessageSize', from: '256KiB', to: '1MiB' }])
  expect(await attributesOf(topic)).toMatchObject({ MaximumMessageSize: '1048576' })
})

test('a group behind SNS is a queue of its own, to which only its topic may send', async () => {
  const broker = await bench.open({ sns: true })
  const topic = await bench.topic(broker, { retention: { ms: 3 * day } })
  await broker.groups.create(topic, group, { start: 'latest', leaseMs: 30_000, maxAttempts: 7 })
  const name = `${queueOf(topic)}__${group}`
  const { Policy, RedrivePolicy, QueueArn, MessageRetentionPeriod } = await attributesOf(name)
  const topicArn = QueueArn!.replace(':sqs:', ':sns:').replace(`__${group}`, '')
  expect(JSON.parse(Policy!).Statement).toEqual([
    {
      Sid: 'sluice',
      Effect: 'Allow',
      Principal: { Service: 'sns.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: QueueArn,
      Condition: { ArnEquals: { 'aws:SourceArn': topicArn } },
    },
  ])
  expect(MessageRetentionPeriod).toBe(String((3 * day) / 1000))
  // The gateway moves an event after seven attempts, with the reason; SQS itself would one later.
  expect(JSON.parse(RedrivePolicy!)).toEqual({ deadLetterTargetArn: `${QueueArn}___dead`, maxReceiveCount: 8 })
  expect((await attributesOf(`${name}___dead`)).MessageRetentionPeriod).toBe(String((14 * day) / 1000))
  await broker.admin!.ensure(topic, { retention: { ms: 4 * day } })
  expect((await attributesOf(name)).MessageRetentionPeriod).toBe(String((4 * day) / 1000))
})

test('topics are what is listed, and not the queues of groups and dead letters', async () => {
  const plain = await bench.open()
  const { topic } = await bench.stage(plain)
  const listed = await plain.admin!.list()
  expect(listed).toContain(topic)
  expect(listed.filter((name) => name.includes('__') || name.includes('dead'))).toEqual([])
  expect(await (await bench.open({ fifo: true })).admin!.list()).not.toContain(topic)
})

test('a topic that somebody deleted is not found, and found again once it is made', async () => {
  const broker = await bench.open()
  const topic = await bench.topic(broker)
  const one = { attributes: { specversion: '1.0', id: '1', source: '/s', type: 't' } } as const
  const publish = () => broker.publish(topic, [one], { signal: AbortSignal.timeout(5000) })
  expect(await publish()).toMatchObject([{ status: 'stored' }])
  const { QueueUrl } = await bench.client.send(new GetQueueUrlCommand({ QueueName: queueOf(topic) }))
  await bench.client.send(new DeleteQueueCommand({ QueueUrl }))
  expect(await publish()).toMatchObject([{ status: 'failed', error: { code: 'not_found' } }])
  await expect(publish()).rejects.toMatchObject({ code: 'not_found' })
  await broker.admin!.ensure(topic, {})
  expect(await publish()).toMatchObject([{ status: 'stored' }])
})
