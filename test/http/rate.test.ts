import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    keys: {
      slow: { scopes: ['publish', 'consume'], ratePerSecond: 0.5 },
      five: { scopes: ['publish', 'consume'], ratePerSecond: 5 },
      free: { scopes: ['publish', 'consume'] },
    },
  })
  gateway.clock.hold()
})
afterAll(() => gateway.stop())

const statuses = async (key: string, times: number): Promise<number[]> => {
  const found: number[] = []
  for (let i = 0; i < times; i++) found.push((await gateway.as(key).get('/v1/topics')).status)
  return found
}

describe('a key with a rate', () => {
  test('has a second of it at once, then 429 that says when to come again, and then it may', async () => {
    const second = [200, 200, 200, 200, 200, 429, 429]
    expect(await statuses('five', 7)).toEqual(second)
    gateway.clock.advance(200)
    expect(await statuses('five', 2)).toEqual([200, 429])
    // However long it was away, it has a second's worth.
    gateway.clock.advance(60_000)
    expect(await statuses('five', 7)).toEqual(second)
  })

  test('of less than one a second waits longer', async () => {
    gateway.clock.advance(60_000)
    expect(await statuses('slow', 2)).toEqual([200, 429])
    const refused = await gateway.as('slow').get('/v1/topics')
    expect(refused.problem.code).toBe('throttled')
    expect(refused.headers.get('retry-after')).toBe('2')
    gateway.clock.advance(2000)
    expect(await statuses('slow', 1)).toEqual([200])
  })

  test('is not got around by a ticket', async () => {
    gateway.clock.advance(60_000)
    const topic = await gateway.topic()
    const { ticket } = (await gateway.as('five').post('/v1/tickets', { topic })).json<{ ticket: string }>()
    const target = `/v1/topics/${topic}/events?ticket=${encodeURIComponent(ticket)}`
    const found: number[] = []
    for (let i = 0; i < 5; i++) found.push((await gateway.client.get(target)).status)
    // The first of the second was for the ticket itself.
    expect(found).toEqual([200, 200, 200, 200, 429])
  })

  test('counts every request of its own, and none of others', async () => {
    gateway.clock.advance(60_000)
    expect((await gateway.as('slow').get('/nowhere')).status).toBe(404)
    expect((await gateway.as('slow').get('/v1/topics')).status).toBe(429)
    expect((await gateway.as('slow').get('/nowhere')).status).toBe(429)
    expect((await statuses('free', 20)).every((status) => status === 200)).toBe(true)
    // The public pages have none.
    expect((await gateway.as('slow').get('/healthz')).status).toBe(200)
  })
})
