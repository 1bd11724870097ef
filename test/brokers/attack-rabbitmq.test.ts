import { type ChannelModel, connect } from 'amqplib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rabbitmq } from '../../adapters/rabbitmq/index.ts'
import type { Broker } from '../../src/core/broker.ts'
import { pause } from '../conformance/waiting.ts'
import { configOf } from './rabbitmq-target.ts'
import { type RabbitServer, startRabbitmq } from './services/rabbitmq.ts'
import { topicOn } from './work.ts'

let server: RabbitServer
let broker: Broker
let publisher: ChannelModel
beforeAll(async () => {
  server = await startRabbitmq()
  await server.node.ctl('add_user', 'other', 'other')
  await server.node.ctl('set_permissions', 'other', '.*', '.*', '.*')
  publisher = await connect(`amqp://other:other@${new URL(server.url).host}`)
  broker = await rabbitmq.open(configOf(server.url))
}, 180_000)
afterAll(async () => {
  await broker?.close()
  await publisher?.close()
  await server?.stop()
})

test('what a publisher said of a message neither keeps it from the dead letters nor ends it there', async () => {
  const topic = await topicOn(broker)
  const expiresMs = 2000
  const channel = await publisher.createConfirmChannel()
  channel.publish(topic, 'key', Buffer.from('x'), { userId: 'other', expiration: expiresMs })
  await channel.waitForConfirms()
  const consumer = await broker.open(topic, 'g', { prefetch: 10 })
  const { deliveries } = await consumer.pull({ max: 1, waitMs: 5000, signal: AbortSignal.timeout(10_000) })
  const outcome = { kind: 'reject', reason: 'no' } as const
  expect(await consumer.settle([{ receipt: deliveries[0]!.receipt, outcome }])).toEqual([{ status: 'ok' }])
  await pause(expiresMs + 500)
  expect((await channel.checkQueue(`${topic}:g:dead`)).messageCount).toBe(1)
  await consumer.close()
})
