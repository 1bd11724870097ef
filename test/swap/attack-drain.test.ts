import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rabbitmq } from '../../adapters/rabbitmq/index.ts'
import type { Broker } from '../../src/core/broker.ts'
import { sharedRabbitmq } from '../brokers/services/shared.ts'
import { pause } from '../conformance/waiting.ts'
import { DrainGateway } from '../delivery/drain-gateway.ts'
import { eventually } from '../delivery/whole.ts'

// Two replicas over one store. What one of them holds of the old broker nobody else can see there.
let watcher: Broker
let url: string
let one: DrainGateway
let two: DrainGateway
/** A replica that sees nothing calls it empty after less than this. */
const quietMs = 10_000
const own = randomBytes(5).toString('hex')
const [source, target] = [`source.${own}`, `target.${own}`]

beforeAll(async () => {
  url = (await sharedRabbitmq()).url
  watcher = await rabbitmq.open(rabbitmq.config.parse({ type: 'rabbitmq', url }))
  one = await DrainGateway.create()
  two = await DrainGateway.create(one.folder)
})
afterAll(async () => {
  await two?.stop()
  await one?.remove()
  await watcher?.close()
})

const brokers = () => ({
  jobs: { type: 'rabbitmq', url },
  local: { type: 'embedded', memory: true },
})
const bridges = [{ name: 'b', from: source, to: target }]
const line = (more: object) => ({ [source]: more, [target]: { broker: 'jobs', ensure: {} } })
test('what a bridge of one replica holds keeps the others from calling the old broker empty', {
  timeout: 180_000,
}, async () => {
  // Nobody has a queue of the target: it takes nothing.
  await one.start(line({ broker: 'jobs', ensure: {} }), { brokers: brokers(), bridges })
  await one.publishAll(source, ['a', 'b', 'c'])
  await one.stop()
  const swapped = line({ broker: 'jobs', name: `next.${own}`, ensure: {}, drainFrom: 'jobs' })
  await one.start(swapped, { brokers: brokers(), bridges })
  await two.start(swapped, { brokers: brokers(), bridges })
  await pause(quietMs)
  const shown = await Promise.all([one.show(source), two.show(source)])
  expect(shown.map(({ draining }) => draining?.emptied)).toEqual([false, false])
  await watcher.groups.create(target, 'late', { start: 'latest', leaseMs: 10_000, maxAttempts: 5 })
  const consumer = await watcher.open(target, 'late', { prefetch: 10 })
  const arrived: string[] = []
  await eventually(
    async () => {
      const { deliveries } = await consumer.pull({ max: 10, waitMs: 500, signal: AbortSignal.timeout(5000) })
      arrived.push(...deliveries.map(({ event }) => event.attributes.id))
      return arrived.length
    },
    (count) => count >= 3,
  )
  expect(arrived.sort()).toEqual(['a', 'b', 'c'])
  await consumer.close()
  // What the bridge held keeps it for as long as RabbitMQ may take to notice that a connection is gone.
  const draining = async () => (await one.show(source)).draining !== undefined
  for (const end = Date.now() + 90_000; await draining(); await pause(500)) expect(Date.now()).toBeLessThan(end)
})
