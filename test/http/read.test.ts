import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CheckedAnswer, Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent, type Entry, ndjsonType, type Page, pagesOf, type Receipt } from './events.ts'

describe.each([
  ['in memory', false],
  ['on disk', true],
])('a log %s', (_, disk) => {
  let gateway: TestGateway
  let client: Client
  beforeAll(async () => {
    gateway = await startTestGateway({ disk })
    client = gateway.client
  })
  afterAll(() => gateway.stop())

  async function filled(
    ids: readonly string[],
    more: (id: string) => Record<string, unknown> = () => ({}),
  ): Promise<string> {
    const topic = await gateway.topic()
    await client.batch(
      topic,
      ids.map((id) => cloudEvent(id, more(id))),
    )
    return topic
  }
  const read = (topic: string, query: string, headers = {}) => client.get(`/v1/topics/${topic}/events${query}`, headers)
  const ids = (answer: CheckedAnswer) => answer.json<Page>().events.map(({ event }) => event.id)
  const next = (answer: CheckedAnswer) => encodeURIComponent(answer.json<Page>().next)

  test('begins at its end unless told otherwise, and always says where to go on', async () => {
    const topic = await filled(['a', 'b'])
    const nothing = await read(topic, '')
    expect(ids(nothing)).toEqual([])
    await client.structured(topic, cloudEvent('c'))
    expect(ids(await read(topic, `?from=${next(nothing)}`))).toEqual(['c'])
    expect(ids(await read(topic, '?from=latest'))).toEqual([])
    expect(ids(await read(topic, '?from=earliest'))).toEqual(['a', 'b', 'c'])
  })

  test('goes on from a cursor, which is exclusive, page by page, until there is nothing', async () => {
    const all = Array.from({ length: 25 }, (_, i) => `e-${i}`)
    const topic = await filled(all)
    const found: string[] = []
    let from = 'earliest'
    for (const size of [10, 10, 5, 0]) {
      const page = await read(topic, `?from=${from}&limit=10`)
      expect(ids(page).length).toBe(size)
      found.push(...ids(page))
      from = next(page)
    }
    expect(found).toEqual(all)
    expect(ids(await read(topic, `?from=${from}`))).toEqual([])
  })

  test('an empty log has a place to go on from', async () => {
    const topic = await gateway.topic()
    const page = await read(topic, '?from=earliest')
    expect(ids(page)).toEqual([])
    await client.structured(topic, cloudEvent('a'))
    expect(ids(await read(topic, `?from=${next(page)}`))).toEqual(['a'])
  })

  test('has 100 events on a page unless asked, and 1,000 at the most', async () => {
    const topic = await filled(Array.from({ length: 1000 }, (_, i) => `e-${i}`))
    await client.structured(topic, cloudEvent('last'))
    expect(ids(await read(topic, '?from=earliest')).length).toBe(100)
    expect(ids(await read(topic, '?from=earliest&limit=1000')).length).toBe(1000)
    expect((await read(topic, '?from=earliest&limit=1001')).problem.errors).toMatchObject([{ pointer: '/limit' }])
    const lines = await read(topic, '?from=earliest', { accept: ndjsonType })
    expect(lines.lines().length).toBe(1002)
    expect((await read(topic, '?from=earliest&limit=1001', { accept: ndjsonType })).lines().length).toBe(1002)
  })

  test('a time is inclusive at both ends, and is when the broker stored it, whatever the event says', async () => {
    const topic = await gateway.topic()
    const old = { time: '1999-01-01T00:00:00Z' }
    const stamps: string[] = []
    for (const id of ['a', 'b', 'c']) {
      stamps.push(new Date().toISOString())
      await new Promise((resolve) => setTimeout(resolve, 20))
      await client.structured(topic, cloudEvent(id, old))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const [first, second, third] = stamps.map((stamp) => encodeURIComponent(stamp)) as [string, string, string]
    expect(ids(await read(topic, `?from=${second}`))).toEqual(['b', 'c'])
    expect(ids(await read(topic, `?from=earliest&to=${second}`))).toEqual(['a'])
    expect(ids(await read(topic, `?from=${first}&to=${third}`))).toEqual(['a', 'b'])
    expect(ids(await read(topic, '?from=2000-01-01T00:00:00%2B01:00'))).toEqual(['a', 'b', 'c'])
    expect(ids(await read(topic, `?from=${encodeURIComponent(new Date(Date.now() + 60_000).toISOString())}`))).toEqual(
      [],
    )
    expect(ids(await read(topic, '?from=earliest&to=latest'))).toEqual(['a', 'b', 'c'])
    expect(ids(await read(topic, '?from=earliest&to=2000-01-01T00:00:00Z'))).toEqual([])
  })

  test('a filter may find nothing and still goes on', async () => {
    const topic = await filled(['a1', 'b1', 'a2', 'b2'], (id) => ({ partitionkey: id[0], type: `type.${id[1]}` }))
    expect(ids(await read(topic, '?from=earliest&key=a'))).toEqual(['a1', 'a2'])
    expect(ids(await read(topic, '?from=earliest&type=type.2'))).toEqual(['a2', 'b2'])
    expect(ids(await read(topic, '?from=earliest&type=type.2&key=b'))).toEqual(['b2'])
    for (const filter of ['key=zzz', 'type=zzz']) {
      const none = await read(topic, `?from=earliest&${filter}`)
      expect(ids(none)).toEqual([])
      expect(ids(await read(topic, `?from=${next(none)}`))).toEqual([])
    }
  })

  test('a filtered page that is full goes on after its last event, and none is lost', async () => {
    const topic = await filled(['x1', 'y', 'x2', 'y2', 'x3', 'x4'], (id) => ({ type: id[0], partitionkey: id[0] }))
    for (const filter of ['type=x', 'key=x']) {
      const found: string[] = []
      let from = 'earliest'
      for (let page = 0; page < 5; page++) {
        const answer = await read(topic, `?from=${from}&limit=1&${filter}`)
        expect(ids(answer).length).toBeLessThanOrEqual(1)
        found.push(...ids(answer))
        from = next(answer)
      }
      expect(found, filter).toEqual(['x1', 'x2', 'x3', 'x4'])
    }
  })

  test('keeps the order of a key', async () => {
    const topic = await gateway.topic()
    for (let round = 0; round < 5; round++) {
      await client.batch(
        topic,
        ['a', 'b', 'c'].map((key) => cloudEvent(`${key}${round}`, { partitionkey: key })),
      )
    }
    const all = ids(await read(topic, '?from=earliest'))
    for (const key of ['a', 'b', 'c']) {
      expect(all.filter((id) => id[0] === key)).toEqual([0, 1, 2, 3, 4].map((round) => `${key}${round}`))
    }
  })

  test.each([
    ['', 'json'],
    ['*/*', 'json'],
    ['text/html', 'json'],
    ['application/json, application/x-ndjson;q=0.5', 'json'],
    ['text/event-stream;q=0.1, application/x-ndjson; q=0.5, application/json', 'json'],
    ['application/x-ndjson;q=0', 'json'],
    ['application/json;q=0.5, application/x-ndjson', 'ndjson'],
    ['text/html, application/x-ndjson;q=0.5', 'ndjson'],
    ['Application/X-NDJSON', 'ndjson'],
    ['application/x-ndjson, application/json', 'ndjson'],
  ])('the format is what Accept prefers (%j)', async (accept, format) => {
    const topic = await filled(['a'])
    const answer = await read(topic, '?from=earliest', { accept })
    expect(answer.headers.get('content-type')).toBe(format === 'json' ? 'application/json' : ndjsonType)
  })

  test('one event by its position', async () => {
    const topic = await gateway.topic()
    await client.structured(topic, cloudEvent('a'))
    const { position } = (await client.structured(topic, cloudEvent('b', { data: { n: 1 } }))).json<Receipt>()
    const one = await client.get(`/v1/topics/${topic}/events/${position}`)
    expect(one.json()).toMatchObject({ position, event: { id: 'b', data: { n: 1 } } })
    expect(one.headers.get('etag')).toMatch(/^"[0-9a-f]{24}"$/)
    for (const nowhere of ['999999', 'x', '-1', '1e3', '%00', '0', '9'.repeat(400)]) {
      expect((await client.get(`/v1/topics/${topic}/events/${nowhere}`)).problem.code, nowhere).toBe('not_found')
    }
  })

  test('as lines, with the next cursor at the end', async () => {
    const topic = await filled(['a', 'b', 'c'])
    const answer = await read(topic, '?from=earliest&limit=2', { accept: 'text/html, application/x-ndjson;q=0.9' })
    expect(answer.headers.get('content-type')).toBe(ndjsonType)
    const lines = answer.lines<Entry & { next: string }>()
    expect(lines.map((line) => line.event?.id ?? 'next')).toEqual(['a', 'b', 'next'])
    const rest = await read(topic, `?from=${encodeURIComponent(lines[2]!.next)}`, { accept: ndjsonType })
    expect(rest.lines<Entry>()[0]?.event.id).toBe('c')
    expect((await read(topic, '', { accept: ndjsonType })).lines()).toEqual([{ next: expect.any(String) }])
  })

  test('JSON is what everybody gets who asks for nothing else', async () => {
    const topic = await filled(['a'])
    for (const accept of ['*/*', 'application/json', 'text/html', 'application/cloudevents-batch+json']) {
      const answer = await read(topic, '?from=earliest', { accept })
      expect(answer.headers.get('content-type')).toBe('application/json')
    }
  })

  test('more than a chunk of the broker, of large events, comes out whole', async () => {
    const topic = await gateway.topic()
    const data = 'x'.repeat(100_000)
    const all = Array.from({ length: 60 }, (_, i) => `e-${i}`)
    for (let i = 0; i < all.length; i += 20) {
      await client.batch(
        topic,
        all.slice(i, i + 20).map((id) => cloudEvent(id, { data })),
      )
    }
    const lines = (await read(topic, '?from=earliest', { accept: ndjsonType })).lines<Entry>()
    expect(lines.slice(0, -1).map(({ event }) => event.id)).toEqual(all)
    expect(lines.slice(0, -1).every(({ event }) => event.data === data)).toBe(true)
    const pages = await pagesOf(client, topic)
    expect(pages.flatMap(({ events }) => events.map(({ event }) => event.id))).toEqual(all)
  })
})
