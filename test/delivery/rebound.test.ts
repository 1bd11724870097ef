import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { builtInConfig } from '../../src/config/load.ts'
import { type RunningGateway, startGateway } from '../../src/runtime/node.ts'
import { Client } from '../fixtures/client.ts'
import { Receiver } from './receiver.ts'
import { eventually } from './whole.ts'

let directory: string
let receiver: Receiver
let gateway: RunningGateway
let client: Client

/** With `orders` on one of two brokers; what the other has of it is left behind. */
async function start(broker: 'one' | 'two'): Promise<void> {
  const config = {
    brokers: { one: { type: 'embedded', path: 'one.db' }, two: { type: 'embedded', path: 'two.db' } },
    topics: { orders: { broker, abandon: true } },
    store: { type: 'sqlite', path: 'store.db' },
  }
  const place = { host: '127.0.0.1', port: 0, createOn: undefined, allowLoopback: true, file: undefined }
  gateway = await startGateway({ loaded: builtInConfig(config, directory), environment: {}, log: () => {}, ...place })
  client = new Client(gateway.url)
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sluice-rebound-'))
  receiver = await Receiver.start()
})
afterEach(async () => {
  await gateway.stop()
  await receiver.close()
  await rm(directory, { recursive: true })
})

async function subscribe(path: string): Promise<string> {
  const json = { topic: 'orders', url: `${receiver.url}${path}` }
  return (await client.request('POST', '/v1/subscriptions', { json })).json<{ id: string }>().id
}

async function publish(id: string): Promise<void> {
  const event = JSON.stringify({ specversion: '1.0', id, type: 't', source: '/s' })
  expect((await client.publish('orders', event, 'application/cloudevents+json')).status).toBe(200)
}

const arrived = (path: string) =>
  receiver.requests.filter((one) => one.path === path).map(({ body }) => JSON.parse(body.toString()).id as string)

test('a topic that is bound to another broker delivers what is published there, from its first event on', async () => {
  await start('one')
  await subscribe('/live')
  const paused = await subscribe('/paused')
  for (const id of ['a', 'b', 'c']) await publish(id)
  await receiver.received(6)
  await client.request('POST', `/v1/subscriptions/${paused}/pause`, { json: {} })
  await publish('d')
  await eventually(
    () => client.get(`/v1/subscriptions/${paused}`),
    (shown) => shown.json<{ feed: string }>().feed === 'detached',
  )
  await publish('e')
  await receiver.received(8)
  await gateway.stop()

  await start('two')
  await publish('f')
  await publish('g')
  await receiver.received(10)
  expect(arrived('/live')).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g'])
  await client.request('POST', `/v1/subscriptions/${paused}/resume`, { json: {} })
  // What was written down before is kept; what was only in the old broker's log was abandoned with it.
  await eventually(
    () => arrived('/paused'),
    (ids) => ids.includes('f') && ids.includes('g'),
  )
  expect(arrived('/paused')).not.toContain('e')
})
