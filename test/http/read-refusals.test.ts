import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent, ndjsonType } from './events.ts'

let gateway: TestGateway
let client: Client
let topic: string
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
  topic = await gateway.topic()
  await client.structured(topic, cloudEvent('a'))
})
afterAll(() => gateway.stop())

const formats = ['application/json', ndjsonType, 'text/event-stream']
const read = (query: string, accept = 'application/json', at = topic) =>
  client.get(`/v1/topics/${at}/events${query}`, { accept })

describe('a read is refused', () => {
  test.each([
    ['?from=yesterday', ['/from']],
    ['?from=', ['/from']],
    ['?from=2026-02-30T00:00:00Z', ['/from']],
    ['?from=c1', ['/from']],
    ['?from=cx.abc', ['/from']],
    ['?to=earliest', ['/to']],
    ['?to=tomorrow', ['/to']],
    ['?limit=0', ['/limit']],
    ['?limit=-1', ['/limit']],
    ['?limit=x', ['/limit']],
    ['?limit=1.5', ['/limit']],
    ['?wait=31s', ['/wait']],
    ['?wait=soon', ['/wait']],
    ['?key=', ['/key']],
    ['?type=', ['/type']],
    ['?bogus=1', ['/bogus']],
    ['?limit=x&bogus=1', ['/limit', '/bogus']],
    ['?from=latest&from=earliest', ['/from']],
    ['?__proto__=1', ['/__proto__']],
  ])('%s', async (query, pointers) => {
    for (const accept of formats) {
      const { problem } = await read(query, accept)
      expect(problem.code).toBe('invalid_argument')
      expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(pointers)
    }
  })

  test('where the topic is not there, or no name', async () => {
    for (const accept of formats) {
      expect((await read('', accept, 'nowhere')).problem.code).toBe('not_found')
      expect((await read('', accept, 'No-Where')).problem.errors).toMatchObject([{ pointer: '/topic' }])
    }
    expect((await client.get('/v1/topics/nowhere/events/1')).problem.code).toBe('not_found')
  })

  test('where a parameter is given that one event has not', async () => {
    expect((await client.get(`/v1/topics/${topic}/events/1?bogus=1`)).problem.errors).toMatchObject([
      { pointer: '/bogus' },
    ])
  })

  test('where the broker keeps no history, by the name of the capability, before what is wrong', async () => {
    const weak = await startTestGateway({ capabilities: { replay: false } })
    try {
      const there = await weak.topic()
      for (const accept of formats) {
        const answer = await weak.client.get(`/v1/topics/${there}/events?bogus=1`, { accept })
        expect(answer.problem).toMatchObject({ code: 'unsupported', capability: 'replay' })
        expect((await weak.client.get('/v1/topics/nowhere/events', { accept })).status).toBe(404)
      }
      const ticket = await weak.client.post('/v1/tickets', { topic: there })
      expect(ticket.problem).toMatchObject({ code: 'unsupported', capability: 'replay' })
      const one = await weak.client.get(`/v1/topics/${there}/events/1`)
      expect(one.problem).toMatchObject({ code: 'unsupported', capability: 'replay' })
    } finally {
      await weak.stop()
    }
  })
})

describe('a cursor is stale', () => {
  const next = async (at: string): Promise<string> =>
    encodeURIComponent((await read('', 'application/json', at)).json<{ next: string }>().next)

  test('after the topic was bound anew', async () => {
    const moved = await gateway.topic()
    const cursor = await next(moved)
    await gateway.rebind(moved)
    for (const accept of formats) {
      expect((await read(`?from=${cursor}`, accept, moved)).problem.code).toBe('stale_cursor')
    }
    const group = await client.put(`/v1/topics/${moved}/groups/g`, { start: decodeURIComponent(cursor) })
    expect(group.problem.code).toBe('stale_cursor')
    expect((await read(`?from=${await next(moved)}`, 'application/json', moved)).status).toBe(200)
  })

  test('in another log, also of a topic with the same name', async () => {
    const [one, two] = [await gateway.topic(), await gateway.topic()]
    expect((await read(`?from=${await next(one)}`, 'application/json', two)).problem.code).toBe('stale_cursor')
  })

  test('where it was never given', async () => {
    for (const cursor of ['c1.nonsense', 'c1.zzzzzzzzzzzz-1', 'c1.0', 'c999.x']) {
      const { problem } = await read(`?from=${cursor}`)
      expect(['stale_cursor', 'invalid_argument'], cursor).toContain(problem.code)
    }
  })
})
