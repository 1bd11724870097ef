import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { DeliveryStatus } from '../../src/core/delivery.ts'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { newDelivery } from './deliveries.ts'
import { pointers, subscribe } from './subscriptions.ts'

const path = '/v1/deliveries'

interface Page {
  readonly items: readonly { readonly id: string; readonly [field: string]: unknown }[]
  readonly coverage: string
  readonly next?: string
}

let gateway: TestGateway
let client: Client
let topic: string
let subscription: string
let made = 0
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterAll(() => gateway.stop())
beforeEach(async () => {
  topic = await gateway.topic()
  subscription = (await subscribe(client, topic)).id
})

/** A row, inserted; answers its id. */
async function row(status: DeliveryStatus = 'dead', more: Partial<Parameters<typeof newDelivery>[0]> = {}) {
  const id = `dlv_${++made}`
  const now = gateway.clock.now()
  const held = status === 'in_flight' ? { token: 'mine', at: now + 60_000 } : {}
  const due = status === 'parked' ? { at: now + 60_000 } : {}
  await gateway.store.deliveries.insert([
    newDelivery({ id, subscription, topic, status, now, ...held, ...due, ...more }),
  ])
  return id
}

async function list(query: string): Promise<Page> {
  return (await client.get(`${path}?${query}`)).json<Page>()
}

const idsOf = (page: Page) => page.items.map(({ id }) => id)

describe('listing', () => {
  test('is by subscription, topic, event, status and time', async () => {
    const dead = await row()
    const parked = await row('parked')
    const flying = await row('in_flight')
    const done = await row('succeeded')
    const all = [dead, parked, flying, done]
    const elsewhere = (await subscribe(client, topic)).id
    const other = await row('dead', { subscription: elsewhere })
    expect(idsOf(await list(`subscription=${subscription}`))).toEqual(all)
    expect(idsOf(await list(`topic=${topic}`))).toEqual([...all, other])
    expect(idsOf(await list(`event=e-${parked}`))).toEqual([parked])
    for (const [status, id] of [
      ['dead', dead],
      ['parked', parked],
      ['in_flight', flying],
      ['succeeded', done],
    ]) {
      expect(idsOf(await list(`subscription=${subscription}&status=${status}`))).toEqual([id])
    }
    expect(idsOf(await list(`subscription=${subscription}&status=discarded`))).toEqual([])
    gateway.clock.advance(60_000)
    const since = new Date(gateway.clock.now() - 1000).toISOString()
    const late = await row()
    expect(idsOf(await list(`subscription=${subscription}&since=${since}`))).toEqual([late])
  })

  test('goes in pages', async () => {
    const ids = [await row(), await row(), await row(), await row(), await row()]
    const first = await list(`subscription=${subscription}&limit=3`)
    expect(idsOf(first)).toEqual(ids.slice(0, 3))
    const second = await list(`subscription=${subscription}&limit=3&cursor=${first.next}`)
    expect(idsOf(second)).toEqual(ids.slice(3))
    expect(second.next).toBeUndefined()
  })

  test('shows what a delivery is', async () => {
    const id = await row('parked')
    expect((await list(`subscription=${subscription}`)).items).toEqual([
      {
        id,
        subscription,
        topic,
        event: { id: `e-${id}`, source: '/shop', type: 'order' },
        position: `at-${id}`,
        status: 'parked',
        reason: 'It answered 500.',
        attempts: 1,
        dueAt: expect.any(String),
        createdAt: expect.any(String),
        updatedAt: expect.any(String),
      },
    ])
  })

  test('says whether every delivery is among them', async () => {
    const coverage = async (query: string) => (await list(query)).coverage
    const all = (await subscribe(client, topic, { policy: { record: 'all' } })).id
    expect(await coverage(`subscription=${subscription}`)).toBe('problems')
    expect(await coverage(`subscription=${all}`)).toBe('all')
    expect(await coverage(`topic=${topic}`)).toBe('problems')
    expect(await coverage('limit=1')).toBe('problems')
    await client.delete(`/v1/subscriptions/${subscription}`)
    expect(await coverage(`topic=${topic}`)).toBe('all')
    expect(await coverage(`topic=${await gateway.topic()}`)).toBe('problems')
  })

  test.each([
    ['status=gone', '/status'],
    ['since=yesterday', '/since'],
    ['since=2026-02-30T00:00:00Z', '/since'],
    ['limit=1001', '/limit'],
    ['bogus=1', '/bogus'],
    ['status=dead&status=parked', '/status'],
  ])('refuses %s', async (query, pointer) => {
    expect(pointers(await client.get(`${path}?${query}`))).toEqual([pointer])
  })

  test('of a subscription that is not there is 404', async () => {
    expect((await client.get(`${path}?subscription=sub_none`)).problem.code).toBe('not_found')
  })
})

describe('one delivery', () => {
  test('has every attempt, and the event byte for byte', async () => {
    const id = await row()
    const answer = await client.get(`${path}/${id}`)
    expect(answer.json()).toMatchObject({
      id,
      status: 'dead',
      history: [
        {
          number: 1,
          at: '2023-11-14T22:13:20.000Z',
          durationMs: 12,
          status: 500,
          body: 'no',
          error: 'It answered 500.',
          stage: 'response',
        },
      ],
      event: { specversion: '1.0', id: `e-${id}`, source: '/shop', type: 'order' },
    })
    expect(answer.text).toContain('"n":9007199254740993')
    expect(answer.headers.get('etag')).toMatch(/^"/)
  })

  test('that is not there is 404', async () => {
    for (const id of ['none', 'redrive']) expect((await client.get(`${path}/${id}`)).problem.code).toBe('not_found')
    expect((await client.delete(`${path}/none`)).problem.code).toBe('not_found')
    expect((await client.post(`${path}/none/retry`, {})).problem.code).toBe('not_found')
    expect((await client.post(`${path}/none`, {})).problem.code).toBe('not_found')
  })
})

describe('retrying', () => {
  const retry = (id: string) => client.request('POST', `${path}/${id}/retry`)

  test('takes no body with anything in it, and is guarded by If-Match', async () => {
    const id = await row('dead')
    expect(pointers(await client.post(`${path}/${id}/retry`, { bogus: 1 }))).toEqual(['/bogus'])
    const guarded = (etag: string) =>
      client.request('POST', `${path}/${id}/retry`, { json: {}, headers: { 'if-match': etag } })
    const etag = (await client.get(`${path}/${id}`)).headers.get('etag') ?? ''
    expect((await guarded('"another"')).problem.code).toBe('conflict')
    expect((await client.get(`${path}/${id}`)).json()).toMatchObject({ status: 'dead' })
    expect((await guarded(etag)).status).toBe(202)
  })

  test.each(['dead', 'parked', 'discarded'] as const)('makes one that is %s due now', async (status) => {
    const id = await row(status)
    gateway.webhooks.calls.length = 0
    const answer = await retry(id)
    expect(answer.status).toBe(202)
    const { dueAt, ...rest } = answer.json<{ dueAt: string }>()
    expect(rest).toMatchObject({ id, status: 'parked' })
    expect(Date.parse(dueAt)).toBeLessThanOrEqual(gateway.clock.now())
    expect(gateway.webhooks.calls).toEqual(['changed'])
  })

  test.each(['in_flight', 'succeeded'] as const)('is a conflict where it is %s', async (status) => {
    expect((await retry(await row(status))).problem.code).toBe('conflict')
  })

  test('is a conflict where the subscription has ended', async () => {
    const id = await row()
    await gateway.store.subscriptions.transition(subscription, ['active'], 'ended', '410', gateway.clock.now())
    expect((await retry(id)).problem.code).toBe('conflict')
  })
})

describe('deleting', () => {
  test.each(['dead', 'parked', 'succeeded'] as const)('takes one that is %s away', async (status) => {
    const id = await row(status)
    expect((await client.delete(`${path}/${id}`)).status).toBe(204)
    expect((await client.get(`${path}/${id}`)).status).toBe(404)
  })

  test('is a conflict in flight, and where it changed', async () => {
    const flying = await row('in_flight')
    expect((await client.delete(`${path}/${flying}`)).problem.code).toBe('conflict')
    const id = await row()
    const etag = (await client.get(`${path}/${id}`)).headers.get('etag') ?? ''
    await client.request('POST', `${path}/${id}/retry`)
    expect((await client.delete(`${path}/${id}`, { 'if-match': etag })).problem.code).toBe('conflict')
    expect((await client.get(`${path}/${id}`)).status).toBe(200)
  })
})

test('what is pending is told of its subscription', async () => {
  await row('parked')
  await row('in_flight')
  await row('dead')
  const shown = (await client.get(`/v1/subscriptions/${subscription}`)).json<{
    pending: { events: number; bytes: number }
  }>()
  expect(shown.pending.events).toBe(2)
  expect(shown.pending.bytes).toBeGreaterThan(100)
  const { items } = (await client.get(`/v1/subscriptions?topic=${topic}`)).json<{ items: { pending: unknown }[] }>()
  expect(items[0]?.pending).toMatchObject({ events: 2, bytes: shown.pending.bytes })
})
