import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { newDelivery } from './deliveries.ts'
import { patch, path, type Shown, subscribe, url } from './subscriptions.ts'

let gateway: TestGateway
/** One on the topic orders.new, and what it owns. */
let id: string
let delivery: string
let operation: string

beforeAll(async () => {
  gateway = await startTestGateway({
    keys: {
      all: { scopes: ['subscribe'] },
      orders: { scopes: ['subscribe:orders.*'] },
      reader: { scopes: ['consume:orders.*'] },
      invoices: { scopes: ['subscribe:invoices'] },
      admin: { scopes: ['admin'] },
      payments: { scopes: ['subscribe:payments'] },
    },
  })
  await gateway.topic({}, 'orders.new')
  await gateway.topic({}, 'invoices')
  id = (await subscribe(gateway.as('all'), 'orders.new')).id
  delivery = 'dlv_orders'
  await gateway.store.deliveries.insert([newDelivery({ id: delivery, subscription: id, topic: 'orders.new' })])
  const redrive = { subscription: id, all: true }
  operation = (await gateway.as('all').post('/v1/deliveries/redrive', redrive)).json<{ id: string }>().id
})
afterAll(() => gateway.stop())

type Request = (key: string) => Promise<{ readonly status: number }>

/** Everything that concerns the one on orders.new, wrong in some field too. */
const requests: readonly [string, Request][] = [
  ['POST', (key) => gateway.as(key).post(path, { topic: 'orders.new', url, bogus: 1 })],
  ['list', (key) => gateway.as(key).get(`${path}?topic=orders.new&bogus=1`)],
  ['GET', (key) => gateway.as(key).get(`${path}/${id}?bogus=1`)],
  ['PATCH', (key) => patch(gateway.as(key), id, { bogus: 1 })],
  ['DELETE', (key) => gateway.as(key).delete(`${path}/${id}?bogus=1`)],
  ['pause', (key) => gateway.as(key).post(`${path}/${id}/pause?bogus=1`, {})],
  ['resume', (key) => gateway.as(key).post(`${path}/${id}/resume?bogus=1`, {})],
  ['test', (key) => gateway.as(key).post(`${path}/${id}/test?bogus=1`, {})],
  ['rotate-secret', (key) => gateway.as(key).post(`${path}/${id}/rotate-secret`, { bogus: 1 })],
  ['deliveries by topic', (key) => gateway.as(key).get('/v1/deliveries?topic=orders.new&bogus=1')],
  ['a delivery', (key) => gateway.as(key).get(`/v1/deliveries/${delivery}?bogus=1`)],
  ['retry', (key) => gateway.as(key).post(`/v1/deliveries/${delivery}/retry?bogus=1`, {})],
  ['deleting a delivery', (key) => gateway.as(key).delete(`/v1/deliveries/${delivery}?bogus=1`)],
  ['redrive', (key) => gateway.as(key).post('/v1/deliveries/redrive', { subscription: id, bogus: 1 })],
  ['replay', (key) => gateway.as(key).post('/v1/replays', { subscription: id, bogus: 1 })],
  ['an operation', (key) => gateway.as(key).get(`/v1/operations/${operation}?bogus=1`)],
  ['pausing it', (key) => gateway.as(key).post(`/v1/operations/${operation}/pause?bogus=1`, {})],
  ['resuming it', (key) => gateway.as(key).post(`/v1/operations/${operation}/resume?bogus=1`, {})],
  ['cancelling it', (key) => gateway.as(key).post(`/v1/operations/${operation}/cancel?bogus=1`, {})],
]

describe.each(requests)('%s', (_, request) => {
  test.each([
    ['nobody', 401],
    ['invoices', 404],
    ['reader', 403],
    ['admin', 403],
    ['orders', 400],
    ['all', 400],
  ])('for %s is %i', async (key, status) => {
    expect((await request(key)).status).toBe(status)
  })
})

test('lists show what the key may subscribe to, and nothing else', async () => {
  const invoice = await subscribe(gateway.as('all'), 'invoices')
  const other = newDelivery({ id: 'dlv_invoices', subscription: invoice.id, topic: 'invoices' })
  await gateway.store.deliveries.insert([other])
  for (const [key, subscriptions, deliveries] of [
    ['all', [id, invoice.id], [delivery, other.id]],
    ['orders', [id], [delivery]],
    ['invoices', [invoice.id], [other.id]],
    ['payments', [], []],
  ] as const) {
    for (const [target, wanted] of [
      [path, subscriptions],
      [`${path}?limit=1`, subscriptions.slice(0, 1)],
      ['/v1/deliveries', deliveries],
    ] as const) {
      const { items } = (await gateway.as(key).get(target)).json<{ items: Shown[] }>()
      expect(items.map((item) => item.id)).toEqual(wanted)
    }
  }
  for (const key of ['reader', 'admin']) {
    for (const target of [path, '/v1/deliveries']) expect((await gateway.as(key).get(target)).status).toBe(403)
  }
})
