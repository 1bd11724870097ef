import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { kafka } from '../../adapters/kafka/index.ts'
import { nats } from '../../adapters/nats/index.ts'
import { rabbitmq } from '../../adapters/rabbitmq/index.ts'
import { sqs } from '../../adapters/sqs/index.ts'
import type { Broker } from '../../src/core/broker.ts'
import { type Opened, pageOf } from './capabilities.ts'
import { diskTarget, memoryTarget, temporaryFolder } from './embedded-target.ts'
import { configOf as kafkaConfig } from './kafka-target.ts'
import { configOf as natsConfig } from './nats-target.ts'
import { configOf as rabbitConfig } from './rabbitmq-target.ts'
import { startNats } from './services/nats.ts'
import { sharedKafka, sharedRabbitmq, sharedSqs } from './services/shared.ts'
import { configOf as sqsConfig } from './sqs-target.ts'

const page = join(import.meta.dirname, '../../docs/capabilities.md')
const folder = temporaryFolder()
const release: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const done of release.reverse()) await done()
  folder.remove()
})

async function openAll(): Promise<Opened[]> {
  const opened: Opened[] = []
  const add = async (mode: string, opening: Promise<Broker>): Promise<void> => {
    const broker = await opening
    release.push(() => broker.close())
    opened.push({ mode, capabilities: broker.capabilities })
  }
  await add('embedded, `memory: true`', memoryTarget().open())
  await add('embedded, on disk', diskTarget(folder.path).open())
  await add('kafka', kafka.open(kafkaConfig((await sharedKafka(1)).bootstrap)))
  await add('kafka, three nodes', kafka.open(kafkaConfig((await sharedKafka(3)).bootstrap)))
  const { url } = await sharedRabbitmq()
  await add('rabbitmq', rabbitmq.open(rabbitConfig(url)))
  await add('rabbitmq, `ordering: key`', rabbitmq.open(rabbitConfig(url, { ordering: 'key' })))
  await add('rabbitmq, `queue: classic`', rabbitmq.open(rabbitConfig(url, { queue: 'classic' })))
  const cluster = await startNats()
  release.push(() => cluster.stop())
  await add('nats', nats.open(natsConfig(cluster)))
  await add('nats, `ordering: key`', nats.open(natsConfig(cluster, { ordering: 'key' })))
  const { queues, topics } = await sharedSqs()
  await add('sqs', sqs.open(sqsConfig(queues)))
  await add('sqs, `fifo: true`', sqs.open(sqsConfig(queues, { fifo: true })))
  await add('sqs, `sns: true`', sqs.open(sqsConfig(topics, { sns: true })))
  await add('sqs, `sns: true, fifo: true`', sqs.open(sqsConfig(topics, { sns: true, fifo: true })))
  return opened
}

test('docs/capabilities.md is what opened brokers say', { timeout: 300_000 }, async () => {
  const made = pageOf(await openAll())
  if (process.env.SLUICE_UPDATE === '1') await writeFile(page, made)
  const written = await readFile(page, 'utf8').catch(() => '')
  expect(written, 'It is stale: SLUICE_UPDATE=1 npm test -- capabilities').toBe(made)
})
