import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent, type Entry } from './events.ts'

let gateway: TestGateway
let topic: string
beforeAll(async () => {
  gateway = await startTestGateway({
    keys: {
      all: { scopes: ['publish', 'consume'] },
      one: { scopes: ['consume:topic-1', 'publish'] },
      publisher: { scopes: ['publish'] },
    },
  })
  topic = await gateway.topic()
  await gateway.as('all').structured(topic, cloudEvent('a'))
})
afterAll(() => gateway.stop())

interface Ticket {
  readonly ticket: string
  readonly expiresAt: string
}

async function ticketFor(key: string, wanted = topic): Promise<Ticket> {
  const answer = await gateway.as(key).post('/v1/tickets', { topic: wanted })
  expect(answer.status).toBe(200)
  return answer.json<Ticket>()
}

const read = (ticket: string, at = topic, more = '&from=earliest') =>
  gateway.client.get(`/v1/topics/${at}/events?ticket=${encodeURIComponent(ticket)}${more}`)

describe('a ticket', () => {
  test('stands in for the key, again and again, for JSON and server-sent events', async () => {
    const { ticket } = await ticketFor('one')
    for (let i = 0; i < 3; i++) expect((await read(ticket)).json<{ events: Entry[] }>().events.length).toBe(1)
    const target = `/v1/topics/${topic}/events?from=earliest&ticket=${encodeURIComponent(ticket)}`
    const live = await gateway.client.stream('GET', target, { headers: { accept: 'text/event-stream' } })
    expect((await live.event<Entry>())?.data.event.id).toBe('a')
    live.close()
  })

  test('lasts a minute', async () => {
    const own = await startTestGateway({ keys: { all: { scopes: ['consume'] } } })
    try {
      const there = await own.topic()
      own.clock.hold()
      const { ticket, expiresAt } = (await own.as('all').post('/v1/tickets', { topic: there })).json<Ticket>()
      expect(Date.parse(expiresAt) - own.clock.now()).toBe(60_000)
      const target = `/v1/topics/${there}/events?ticket=${encodeURIComponent(ticket)}`
      own.clock.advance(60_000)
      expect((await own.client.get(target)).status).toBe(200)
      own.clock.advance(1)
      expect((await own.client.get(target)).problem.code).toBe('unauthenticated')
    } finally {
      await own.stop()
    }
  })

  test('is for its topic alone, also where the key could do more', async () => {
    const other = await gateway.topic()
    const { ticket } = await ticketFor('all')
    expect((await read(ticket, other)).problem.code).toBe('not_found')
  })

  test('is for reading alone', async () => {
    const { ticket } = await ticketFor('all')
    const query = `?ticket=${encodeURIComponent(ticket)}`
    for (const [method, target] of [
      ['POST', `/v1/topics/${topic}/events${query}`],
      ['GET', `/v1/topics/${topic}${query}`],
      ['GET', `/v1/topics/${topic}/events/1${query}`],
      ['POST', `/v1/tickets${query}`],
      ['PUT', `/v1/topics/${topic}/groups/g${query}`],
    ] as const) {
      expect((await gateway.client.request(method, target)).problem.code, target).toBe('unauthenticated')
    }
  })

  test.each([
    ['nothing', () => ''],
    ['nonsense', () => 'x'],
    ['no signature', (ticket: string) => ticket.slice(0, ticket.lastIndexOf('~'))],
    ['an empty signature', (ticket: string) => ticket.slice(0, ticket.lastIndexOf('~') + 1)],
    ['another signature', (ticket: string) => ticket.replace(/.$/, (last) => (last === '0' ? '1' : '0'))],
    ['a longer signature', (ticket: string) => `${ticket}0`],
    ['an upper-case signature', (ticket: string) => ticket.replace(/~[0-9a-f]+$/, (tail) => tail.toUpperCase())],
    ['a later end', (ticket: string) => ticket.replace(/^\d+/, (ms) => String(Number(ms) + 60_000))],
    ['another topic', (ticket: string) => ticket.replace(topic, `${topic}0`)],
    ['another key', (ticket: string) => ticket.replace(/~[^~]*~/, '~x~')],
  ])('that was changed is none: %s', async (_, change) => {
    const { ticket } = await ticketFor('all')
    expect((await read(ticket)).status).toBe(200)
    expect((await read(change(ticket))).problem.code).toBe('unauthenticated')
  })

  test('a wrong one is not mended by a right key, and a right one needs none', async () => {
    const target = `/v1/topics/${topic}/events?ticket=x`
    expect((await gateway.as('all').get(target)).problem.code).toBe('unauthenticated')
  })
})

describe('asking for one', () => {
  test('needs a key that may consume the topic, and a topic that is there', async () => {
    const ask = (key: string, wanted: unknown) => gateway.as(key).post('/v1/tickets', wanted)
    expect((await gateway.client.post('/v1/tickets', { topic })).problem.code).toBe('unauthenticated')
    expect((await ask('publisher', { topic })).problem.code).toBe('permission_denied')
    expect((await ask('all', { topic: 'nowhere' })).problem.code).toBe('not_found')
    expect((await ask('all', {})).problem.errors).toMatchObject([{ pointer: '/topic' }])
    expect((await ask('all', { topic: 'No Name' })).problem.errors).toMatchObject([{ pointer: '/topic' }])
    expect((await ask('all', { topic, bogus: 1 })).problem.errors).toMatchObject([{ pointer: '/bogus' }])
  })
})
