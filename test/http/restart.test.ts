import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { builtInConfig } from '../../src/config/load.ts'
import { type RunningGateway, startGateway } from '../../src/runtime/node.ts'
import { Client } from '../fixtures/client.ts'
import { cloudEvent, idsOf } from './events.ts'
import { Group } from './groups.ts'

let directory: string
let gateway: RunningGateway
let client: Client

async function start(): Promise<void> {
  const config = {
    brokers: { main: { type: 'embedded', path: 'log.db' } },
    topics: { orders: { broker: 'main', ensure: { dedupWindow: '1h' } } },
    store: { type: 'sqlite', path: 'store.db' },
  }
  const place = { host: '127.0.0.1', port: 0, createOn: undefined, allowLoopback: false, file: undefined }
  gateway = await startGateway({ loaded: builtInConfig(config, directory), environment: {}, log: () => {}, ...place })
  client = new Client(gateway.url)
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sluice-restart-'))
  await start()
})
afterAll(async () => {
  await gateway.stop()
  await rm(directory, { recursive: true, force: true })
})

test('what was acknowledged is there after a restart: events, groups, leases, dead letters, answers, cursors', async () => {
  const key = { 'idempotency-key': 'once' }
  const first = await client.publish('orders', '{"n":1}', 'application/json', { headers: key })
  await client.batch(
    'orders',
    ['a', 'b', 'c', 'd'].map((id) => cloudEvent(id)),
  )
  const before = await client.get('/v1/topics/orders/events?from=earliest&limit=2')
  const { next } = before.json<{ next: string }>()
  let group = new Group(client, 'orders')
  await group.create({ start: 'earliest', lease: '1h' })
  const [made, a, b] = await group.pull(3)
  await group.say(made!.lease, 'ack')
  await group.say(a!.lease, 'reject', { reason: 'bad' })
  const ids = await idsOf(client, 'orders')

  await gateway.stop()
  await start()

  group = new Group(client, 'orders')
  expect(await idsOf(client, 'orders')).toEqual(ids)
  expect((await client.publish('orders', '{"n":1}', 'application/json', { headers: key })).text).toBe(first.text)
  expect((await client.structured('orders', cloudEvent('b'))).json()).toMatchObject({ duplicate: true })
  const rest = await client.get(`/v1/topics/orders/events?from=${encodeURIComponent(next)}`)
  expect(rest.json<{ events: { event: { id: string } }[] }>().events.map(({ event }) => event.id)).toEqual([
    'b',
    'c',
    'd',
  ])
  expect(await group.dead()).toMatchObject([{ reason: 'bad', event: { id: 'a' } }])
  // The lease of before still holds its event back, and still settles it.
  expect((await group.pull()).map(({ event }) => event.id)).toEqual(['c', 'd'])
  expect(await group.say(b!.lease, 'ack')).toBe('ok')
  expect(await group.lag()).toBe(2)
}, 60_000)
