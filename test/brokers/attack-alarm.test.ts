import { afterAll, beforeAll, expect, test } from 'vitest'
import { rabbitmq } from '../../adapters/rabbitmq/index.ts'
import type { Broker } from '../../src/core/broker.ts'
import { until } from '../conformance/waiting.ts'
import { configOf } from './rabbitmq-target.ts'
import { type RabbitServer, startRabbitmq } from './services/rabbitmq.ts'
import { groupOptions, topicOn } from './work.ts'

let server: RabbitServer
let broker: Broker
beforeAll(async () => {
  server = await startRabbitmq()
  broker = await rabbitmq.open(configOf(server.url))
}, 180_000)
afterAll(async () => {
  await broker?.close()
  await server?.stop()
})

async function settles(asked: Promise<unknown>): Promise<string> {
  const late = new Promise<string>((resolve) => setTimeout(resolve, 15_000, 'hangs'))
  return Promise.race([
    asked.then(
      () => 'done',
      ({ code }) => code,
    ),
    late,
  ])
}

test('under an alarm no group is made, and those that are there are found: nothing hangs', {
  timeout: 90_000,
}, async () => {
  const topic = await topicOn(broker)
  const other = await rabbitmq.open(configOf(server.url))
  await server.node.ctl('set_vm_memory_high_watermark', '0')
  try {
    await until(10_000, 'the alarm', () =>
      broker.health().then(
        () => false,
        () => true,
      ),
    )
    expect(await settles(broker.groups.create(topic, 'late', groupOptions))).toBe('unavailable')
    expect(await settles(broker.groups.list(topic))).toBe('done')
    expect(await settles(other.open(topic, 'g', { prefetch: 1 }))).toBe('done')
  } finally {
    await server.node.ctl('set_vm_memory_high_watermark', '0.6')
    await other.close()
  }
  await until(10_000, 'the end of the alarm', () =>
    broker.health().then(
      () => true,
      () => false,
    ),
  )
  expect(await broker.groups.create(topic, 'late', groupOptions)).toBe(true)
  expect(await broker.groups.list(topic)).toEqual(['g', 'late'])
})
