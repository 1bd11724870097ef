import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent, type Entry, entriesOf, idsOf, ndjsonType, type Receipt, structuredType } from './events.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterEach(() => gateway.faults.clear())
afterAll(() => gateway.stop())

describe('delay', () => {
  test('a delayed event is not in reads, lag and pulls', async () => {
    const topic = await gateway.topic()
    const group = `/v1/topics/${topic}/groups/g`
    await client.put(group)
    expect((await client.structured(topic, cloudEvent('late'), '?delay=1h')).json()).toMatchObject({ status: 'stored' })
    expect((await client.structured(topic, cloudEvent('now'))).status).toBe(200)
    expect(await idsOf(client, topic)).toEqual(['now'])
    expect((await client.get(group)).json()).toMatchObject({ lag: { events: 1 } })
    const { deliveries } = (await client.post(`${group}/pull`, { max: 10 })).json<{ deliveries: Entry[] }>()
    expect(deliveries.map(({ event }) => event.id)).toEqual(['now'])
  })

  test('once it is due it is in all of them, and never before', async () => {
    const topic = await gateway.topic()
    const group = `/v1/topics/${topic}/groups/g`
    await client.put(group)
    const began = Date.now()
    await client.structured(topic, cloudEvent('late'), '?delay=400ms')
    const pulled = await client.post(`${group}/pull`, { wait: '20s' })
    expect(Date.now() - began).toBeGreaterThanOrEqual(400)
    expect(pulled.json<{ deliveries: Entry[] }>().deliveries.map(({ event }) => event.id)).toEqual(['late'])
    expect(await idsOf(client, topic)).toEqual(['late'])
    expect((await client.get(group)).json()).toMatchObject({ lag: { events: 1 }, inFlight: 1 })
  })

  test('every form can be delayed', async () => {
    const topic = await gateway.topic()
    const one = JSON.stringify(cloudEvent('s'))
    const binary = { 'ce-specversion': '1.0', 'ce-type': 't', 'ce-id': 'b' }
    const query = '?delay=1h'
    expect((await client.publish(topic, one, structuredType, { query })).status).toBe(200)
    expect((await client.batch(topic, [cloudEvent('x'), cloudEvent('y')], query)).status).toBe(200)
    expect((await client.publish(topic, one, ndjsonType, { query })).lines()).toMatchObject([{ status: 'stored' }, {}])
    expect((await client.publish(topic, '1', 'application/json', { query, headers: binary })).status).toBe(200)
    expect((await client.publish(topic, '1', 'application/json', { query })).status).toBe(200)
    expect(await idsOf(client, topic)).toEqual([])
  })

  test('no delay is no capability', async () => {
    const topic = await gateway.topic()
    expect((await client.structured(topic, cloudEvent('now'), '?delay=0s')).status).toBe(200)
    expect(await idsOf(client, topic)).toEqual(['now'])
  })
})

describe('atomic', () => {
  test('all events of a batch reach the broker in one call that says so', async () => {
    const topic = await gateway.topic()
    expect(
      (
        await client.batch(
          topic,
          ['a', 'b', 'c'].map((id) => cloudEvent(id)),
          '?atomic=true',
        )
      ).status,
    ).toBe(200)
    expect(gateway.faults.published).toEqual([['a', 'b', 'c']])
    expect(await idsOf(client, topic)).toEqual(['a', 'b', 'c'])
  })

  test('a stream of lines cannot be', async () => {
    const topic = await gateway.topic()
    const answer = await client.publish(topic, '', ndjsonType, { query: '?atomic=true' })
    expect(answer.problem).toMatchObject({ code: 'unsupported', capability: 'atomicPublishMax' })
  })

  test('more than the broker can is refused by name, before anything is stored', async () => {
    const weak = await startTestGateway({ capabilities: { atomicPublishMax: 2 } })
    try {
      const topic = await weak.topic()
      const events = ['a', 'b', 'c'].map((id) => cloudEvent(id))
      const answer = await weak.client.batch(topic, events, '?atomic=true')
      expect(answer.problem).toMatchObject({ code: 'unsupported', capability: 'atomicPublishMax' })
      expect(weak.faults.published).toEqual([])
      expect((await weak.client.batch(topic, events.slice(1), '?atomic=true')).status).toBe(200)
    } finally {
      await weak.stop()
    }
  })
})

describe('deduplication', () => {
  test('is by topic, source and id, inside the window of the topic', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 600_000 })
    const other = await gateway.topic({ dedupWindowMs: 600_000 })
    const first = (await client.structured(topic, cloudEvent('same'))).json<Receipt>()
    expect(first).not.toHaveProperty('duplicate')
    const again = (await client.structured(topic, cloudEvent('same', { type: 'another' }))).json<Receipt>()
    expect(again).toEqual({ ...first, duplicate: true })
    for (const [where, event] of [
      [topic, cloudEvent('same', { source: '/other' })],
      [topic, cloudEvent('other')],
      [other, cloudEvent('same')],
    ] as const) {
      expect((await client.structured(where, event)).json()).not.toHaveProperty('duplicate')
    }
    expect((await entriesOf(client, topic)).map(({ event }) => `${event.source} ${event.id} ${event.type}`)).toEqual([
      '/test same test.made',
      '/other same test.made',
      '/test other test.made',
    ])
  })

  test('in a batch, and among a hundred at once', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 600_000 })
    const batch = await client.batch(topic, [cloudEvent('a'), cloudEvent('b'), cloudEvent('a')])
    expect(batch.json<{ results: Receipt[] }>().results.map(({ duplicate }) => duplicate === true)).toEqual([
      false,
      false,
      true,
    ])
    const answers = await Promise.all(Array.from({ length: 100 }, () => client.structured(topic, cloudEvent('c'))))
    expect(answers.filter((answer) => answer.json<Receipt>().duplicate !== true).length).toBe(1)
    expect(await idsOf(client, topic)).toEqual(['a', 'b', 'c'])
  })

  test('without a window there is none', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 0 })
    for (let i = 0; i < 2; i++) {
      expect((await client.structured(topic, cloudEvent('same'))).json()).not.toHaveProperty('duplicate')
    }
    expect(await idsOf(client, topic)).toEqual(['same', 'same'])
    expect((await client.get(`/v1/topics/${topic}`)).json()).toMatchObject({ dedupWindow: '0s' })
  })
})
