import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent } from './events.ts'
import { type Delivery, Group } from './groups.ts'

const idsOf = (deliveries: readonly Delivery[]) => deliveries.map(({ event }) => event.id)

describe.each([
  ['in memory', false],
  ['on disk', true],
])('groups %s', (_, disk) => {
  let gateway: TestGateway
  let client: Client
  beforeAll(async () => {
    gateway = await startTestGateway({ disk })
    client = gateway.client
  })
  afterAll(() => gateway.stop())

  async function published(...ids: string[]): Promise<string> {
    const topic = await gateway.topic()
    if (ids.length > 0)
      await client.batch(
        topic,
        ids.map((id) => cloudEvent(id)),
      )
    return topic
  }

  test('begin at the end unless told otherwise, fixed before the answer', async () => {
    const topic = await published('before')
    const group = new Group(client, topic)
    const created = await group.create()
    expect(created.status).toBe(201)
    expect(created.json()).toEqual({
      topic,
      group: 'g',
      start: 'latest',
      lease: '30s',
      maxAttempts: 16,
      lag: { events: 0, oldestSeconds: 0 },
      inFlight: 0,
    })
    await client.structured(topic, cloudEvent('after'))
    expect(idsOf(await group.pull())).toEqual(['after'])
  })

  test('an existing group is left as it is', async () => {
    const topic = await published('a')
    const group = new Group(client, topic)
    const first = await group.create({ start: 'earliest', lease: '1m', maxAttempts: 3 })
    const again = await group.create({ start: 'latest', lease: '2m', maxAttempts: 5 })
    expect([first.status, again.status]).toEqual([201, 200])
    expect(again.json()).toMatchObject({ start: 'earliest', lease: '1m', maxAttempts: 3 })
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'))
    expect(idsOf(await group.pull())).toEqual(['a'])
  })

  test('begin at the earliest, at a cursor or at a time', async () => {
    const topic = await published('a', 'b')
    const read = await client.get(`/v1/topics/${topic}/events?from=earliest&limit=1`)
    const { next } = read.json<{ next: string }>()
    await new Promise((resolve) => setTimeout(resolve, 10))
    const now = new Date().toISOString()
    await client.structured(topic, cloudEvent('c'))
    for (const [start, ids] of [
      ['earliest', ['a', 'b', 'c']],
      [next, ['b', 'c']],
      [now, ['c']],
    ] as const) {
      const group = new Group(client, topic, `g${ids.length}`)
      const created = await group.create({ start })
      expect(created.status).toBe(201)
      expect(new Set([start, created.json<{ start: string }>().start]).size, 'the start, as it was asked for').toBe(1)
      expect(idsOf(await group.pull())).toEqual(ids)
    }
  })

  test('each gets everything; within one, each event goes to one puller', async () => {
    const ids = Array.from({ length: 50 }, (_, i) => `e-${i}`)
    const topic = await gateway.topic()
    const groups = [new Group(client, topic, 'one'), new Group(client, topic, 'two')]
    for (const group of groups) await group.create()
    await client.batch(
      topic,
      ids.map((id) => cloudEvent(id)),
    )
    for (const group of groups) {
      const pulled = await Promise.all(Array.from({ length: 10 }, () => group.pull(10)))
      expect(idsOf(pulled.flat()).toSorted()).toEqual(ids.toSorted())
    }
  })

  test('a pull has 10 unless asked; an ack is for good', async () => {
    const topic = await gateway.topic()
    const group = new Group(client, topic)
    await group.create()
    await client.batch(
      topic,
      Array.from({ length: 12 }, (_, i) => cloudEvent(`e-${i}`)),
    )
    const answer = await client.request('POST', `${group.path}/pull`)
    const { deliveries } = answer.json<{ deliveries: Delivery[] }>()
    expect(deliveries.length).toBe(10)
    expect((await group.get()).json()).toMatchObject({ lag: { events: 12 }, inFlight: 10 })
    const results = await group.settle(...deliveries.map(({ lease }) => ({ lease, outcome: 'ack' })))
    expect(results.map(({ lease, status }) => [lease, status])).toEqual(deliveries.map(({ lease }) => [lease, 'ok']))
    expect((await group.get()).json()).toMatchObject({ lag: { events: 2 }, inFlight: 0 })
    expect(idsOf(await group.pull())).toEqual(['e-10', 'e-11'])
  })

  test('a delivery has its lease, its attempt and the event as it is read', async () => {
    const topic = await published('a')
    const group = new Group(client, topic)
    await group.create({ start: 'earliest', lease: '1m' })
    const before = Date.now()
    const delivery = await group.one()
    const { position, event } = (await client.get(`/v1/topics/${topic}/events?from=earliest`)).json<{
      events: { position: string; event: unknown }[]
    }>().events[0]!
    expect(delivery).toEqual({ lease: expect.any(String), expiresAt: expect.any(String), attempt: 1, event, position })
    const lasts = Date.parse(delivery.expiresAt) - before
    expect(lasts).toBeGreaterThanOrEqual(59_000)
    expect(lasts).toBeLessThanOrEqual(90_000)
  })

  test('a pull that waits is answered when something comes, and with nothing where nothing came', async () => {
    const topic = await published()
    const group = new Group(client, topic)
    await group.create()
    const began = Date.now()
    expect(await group.pull(10, '200ms')).toEqual([])
    expect(Date.now() - began).toBeGreaterThanOrEqual(190)
    const waiting = group.pull(10, '20s')
    await client.structured(topic, cloudEvent('a'))
    expect(idsOf(await waiting)).toEqual(['a'])
  })

  test('a group that was deleted is gone, with its leases; one of the same name is a new one', async () => {
    const topic = await published('a')
    const group = new Group(client, topic)
    await group.create({ start: 'earliest' })
    const { lease } = await group.one()
    expect((await client.delete(group.path)).status).toBe(204)
    expect((await group.get()).problem.code).toBe('not_found')
    expect((await client.post(`${group.path}/pull`, {})).problem.code).toBe('not_found')
    expect((await client.delete(group.path)).problem.code).toBe('not_found')
    await group.create({ start: 'earliest' })
    expect(await group.say(lease, 'ack')).toBe('lease_lost')
    expect(idsOf(await group.pull())).toEqual(['a'])
  })

  test('seek moves a group, and takes its leases', async () => {
    const topic = await published('a', 'b')
    const group = new Group(client, topic)
    await group.create({ start: 'earliest' })
    const held = await group.pull()
    expect(idsOf(held)).toEqual(['a', 'b'])
    const moved = await client.post(`${group.path}/seek`, { to: 'earliest' })
    expect(moved.status).toBe(200)
    expect(moved.json()).toMatchObject({ group: 'g', lag: { events: 2 }, inFlight: 0 })
    expect(await group.say(held[0]!.lease, 'ack')).toBe('lease_lost')
    expect(idsOf(await group.pull())).toEqual(['a', 'b'])
    await client.post(`${group.path}/seek`, { to: 'latest' })
    expect(await group.lag()).toBe(0)
    const { next } = (await client.get(`/v1/topics/${topic}/events?from=earliest&limit=1`)).json<{ next: string }>()
    await client.post(`${group.path}/seek`, { to: next })
    expect(idsOf(await group.pull())).toEqual(['b'])
  })
})

describe('a group', () => {
  let gateway: TestGateway
  let client: Client
  beforeAll(async () => {
    gateway = await startTestGateway()
    client = gateway.client
  })
  afterAll(() => gateway.stop())

  test('has an ETag of what it is, not of how far it is; a mismatch is a conflict', async () => {
    const topic = await gateway.topic()
    const group = new Group(client, topic)
    const tag = (await group.create()).headers.get('etag') ?? ''
    expect(tag).toMatch(/^"[^"]+"$/)
    await client.structured(topic, cloudEvent('a'))
    await group.pull()
    expect((await group.get()).headers.get('etag')).toBe(tag)
    const other = new Group(client, topic, 'other')
    expect((await other.create({ lease: '1m' })).headers.get('etag')).not.toBe(tag)
    expect((await client.delete(group.path, { 'if-match': '"other"' })).problem.code).toBe('conflict')
    expect((await client.put(group.path, {}, { 'if-match': '"other"' })).problem.code).toBe('conflict')
    expect((await client.post(`${group.path}/seek`, { to: 'latest' }, { 'if-match': '"other"' })).problem.code).toBe(
      'conflict',
    )
    expect((await client.put(`${group.path}new`, {}, { 'if-match': tag })).problem.code).toBe('conflict')
    expect((await client.get(`${group.path}new`)).status).toBe(404)
    expect((await client.put(group.path, {}, { 'if-match': tag })).status).toBe(200)
    expect((await client.post(`${group.path}/seek`, { to: 'latest' }, { 'if-match': '*' })).status).toBe(200)
    expect((await client.delete(group.path, { 'if-match': `"x", ${tag}` })).status).toBe(204)
  })

  test('the age of the oldest event is told in seconds', async () => {
    const topic = await gateway.topic()
    const group = new Group(client, topic)
    await group.create()
    await client.structured(topic, cloudEvent('a'))
    gateway.clock.advance(90_000)
    const { lag } = (await group.get()).json<{ lag: { events: number; oldestSeconds: number } }>()
    expect(lag.events).toBe(1)
    expect(lag.oldestSeconds).toBeGreaterThanOrEqual(90)
    expect(lag.oldestSeconds).toBeLessThan(120)
  })
})
