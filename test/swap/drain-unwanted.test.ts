import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rabbitmq } from '../../adapters/rabbitmq/index.ts'
import type { Broker } from '../../src/core/broker.ts'
import { fanoutGroup } from '../../src/core/own-group.ts'
import { sharedRabbitmq } from '../brokers/services/shared.ts'
import { DrainGateway } from '../delivery/drain-gateway.ts'
import { Receiver } from '../delivery/receiver.ts'
import { eventually } from '../delivery/whole.ts'

let gateway: DrainGateway
let receiver: Receiver
let watcher: Broker
let brokers: Record<string, unknown>
const topic = `unwanted.${randomBytes(5).toString('hex')}`
const topics = { [topic]: { broker: 'jobs', ensure: {} } }

beforeAll(async () => {
  const { url } = await sharedRabbitmq()
  const entry = { type: 'rabbitmq', url }
  brokers = { jobs: entry }
  watcher = await rabbitmq.open(rabbitmq.config.parse(entry))
  receiver = await Receiver.start()
  gateway = await DrainGateway.create()
})
afterAll(async () => {
  await gateway.remove()
  await receiver.close()
  await watcher.close()
})

const arrived = (path: string) =>
  receiver.requests.filter((one) => one.path === path).map(({ body }) => JSON.parse(body.toString()).id as string)
const waiting = async () => (await watcher.groups.describe(topic, fanoutGroup)).lag!.events

test('where there is no log, a subscription is not given what was published before it, whoever had subscribed', async () => {
  await gateway.start(topics, { brokers })
  const first = await gateway.subscribe(topic, `${receiver.url}/first`)
  await gateway.publishAll(topic, ['a'])
  await receiver.received(1)
  await gateway.client.delete(`/v1/subscriptions/${first}`)
  await gateway.publishAll(topic, ['b'])
  await eventually(waiting, (events) => events === 0)
  // Again after a start, where nobody remembers that there were subscriptions but the broker.
  await gateway.stop()
  const event = { attributes: { specversion: '1.0', id: 'c', source: '/s', type: 't' } } as const
  const [stored] = await watcher.publish(topic, [event], { signal: new AbortController().signal })
  expect(stored?.status).toBe('stored')
  expect(await waiting()).toBe(1)
  await gateway.start(topics, { brokers })
  await gateway.publishAll(topic, ['d'])
  await eventually(waiting, (events) => events === 0)
  await gateway.subscribe(topic, `${receiver.url}/second`)
  await gateway.publishAll(topic, ['e'])
  await eventually(
    () => arrived('/second'),
    (ids) => ids.includes('e'),
  )
  expect(arrived('/second')).toEqual(['e'])
  expect(arrived('/first')).toEqual(['a'])
})

test('a topic that never had subscriptions gets no group', async () => {
  const bare = `${topic}.bare`
  await gateway.start({ ...topics, [bare]: { broker: 'jobs', ensure: {} } }, { brokers })
  expect(await watcher.groups.list(bare)).toEqual([])
})
