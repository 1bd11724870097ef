import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import type { StreamedAnswer } from '../fixtures/streamed-answer.ts'
import { cloudEvent, type Entry, ndjsonType, until } from './events.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterAll(() => gateway.stop())

const opened: StreamedAnswer[] = []
afterEach(() => {
  for (const answer of opened.splice(0)) answer.close()
})

async function live(
  topic: string,
  query = '',
  headers: Record<string, string> = {},
  as = client,
): Promise<StreamedAnswer> {
  const answer = await as.stream('GET', `/v1/topics/${topic}/events${query}`, {
    headers: { accept: 'text/event-stream', ...headers },
  })
  opened.push(answer)
  return answer
}

function events(answer: StreamedAnswer, count: number): Promise<{ id: string; data: Entry }[]> {
  return answer.events<Entry>(count)
}

const idsOf = (some: readonly { data: Entry }[]) => some.map(({ data }) => data.event.id)
const filled = async (...ids: string[]): Promise<string> => {
  const topic = await gateway.topic()
  await client.batch(
    topic,
    ids.map((id) => cloudEvent(id, { partitionkey: id[0], type: `type.${id[1]}` })),
  )
  return topic
}

describe('server-sent events', () => {
  test('begin with what is there, go on with what comes, and each has the cursor after it as its id', async () => {
    const topic = await filled('a1', 'a2')
    const answer = await live(topic, '?from=earliest')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/event-stream')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const first = await events(answer, 2)
    expect(idsOf(first)).toEqual(['a1', 'a2'])
    expect(first[0]?.data).toEqual({ position: expect.any(String), event: expect.objectContaining({ id: 'a1' }) })
    await client.structured(topic, cloudEvent('b1'))
    expect(idsOf(await events(answer, 1))).toEqual(['b1'])
    const rest = await client.get(`/v1/topics/${topic}/events?from=${encodeURIComponent(first[0]!.id)}`)
    expect(rest.json<{ events: Entry[] }>().events.map(({ event }) => event.id)).toEqual(['a2', 'b1'])
  })

  test('begin at the end unless told otherwise, and whoever got the headers misses nothing', async () => {
    const topic = await filled('a1')
    for (let round = 0; round < 5; round++) {
      const answer = await live(topic)
      await client.structured(topic, cloudEvent(`new-${round}`))
      expect(idsOf(await events(answer, 1))).toEqual([`new-${round}`])
      answer.close()
    }
  })

  test('an id comes before the first event, so that who reconnects before it misses nothing', async () => {
    const topic = await filled('a1')
    const answer = await live(topic)
    let cursor: string | undefined
    while (cursor === undefined) cursor = (await answer.frame())?.id
    answer.close()
    await client.structured(topic, cloudEvent('missed'))
    expect(idsOf(await events(await live(topic, '', { 'last-event-id': cursor }), 1))).toEqual(['missed'])
  })

  test('Last-Event-ID beats from', async () => {
    const topic = await filled('a1', 'a2', 'a3')
    const [first] = await events(await live(topic, '?from=earliest'), 1)
    const resumed = await live(topic, '?from=earliest', { 'last-event-id': first!.id })
    expect(idsOf(await events(resumed, 2))).toEqual(['a2', 'a3'])
    const { problem } = await client.get(`/v1/topics/${topic}/events`, {
      accept: 'text/event-stream',
      'last-event-id': 'x',
    })
    expect(problem.errors).toMatchObject([{ pointer: '/last-event-id' }])
  })

  test('Last-Event-ID is for them alone', async () => {
    const topic = await filled('a1')
    const answer = await client.get(`/v1/topics/${topic}/events?from=earliest`, { 'last-event-id': 'nonsense' })
    expect(answer.json<{ events: Entry[] }>().events.length).toBe(1)
  })

  test('filters hold for what is there and for what comes', async () => {
    const topic = await filled('a1', 'b1', 'a2')
    const byKey = await live(topic, '?from=earliest&key=a')
    const byType = await live(topic, '?from=earliest&type=type.1')
    expect(idsOf(await events(byKey, 2))).toEqual(['a1', 'a2'])
    expect(idsOf(await events(byType, 2))).toEqual(['a1', 'b1'])
    const more = ['b2', 'a3'].map((id) => cloudEvent(id, { partitionkey: id[0], type: `type.${id[1]}` }))
    await client.batch(topic, [...more, cloudEvent('b0', { partitionkey: 'b', type: 'type.1' })])
    expect(idsOf(await events(byKey, 1))).toEqual(['a3'])
    expect(idsOf(await events(byType, 1))).toEqual(['b0'])
  })

  test('end after limit events, and at the end of a range', async () => {
    const topic = await filled('a1', 'a2', 'a3')
    const limited = await live(topic, '?from=earliest&limit=2')
    expect(idsOf(await events(limited, 2))).toEqual(['a1', 'a2'])
    expect(await limited.event()).toBeUndefined()
    const ranged = await live(topic, '?from=earliest&to=latest')
    expect(idsOf(await events(ranged, 3))).toEqual(['a1', 'a2', 'a3'])
    expect(await ranged.event()).toBeUndefined()
    // The limit counts what comes, too.
    const coming = await live(topic, '?limit=1&type=wanted')
    await client.batch(topic, [
      cloudEvent('x'),
      cloudEvent('y', { type: 'wanted' }),
      cloudEvent('z', { type: 'wanted' }),
    ])
    expect(idsOf(await events(coming, 1))).toEqual(['y'])
    expect(await coming.event()).toBeUndefined()
  })

  test('a shutdown ends them properly', async () => {
    const own = await startTestGateway()
    try {
      const topic = await own.topic()
      const answer = await live(topic, '', {}, own.client)
      own.beginShutdown()
      expect(await answer.event()).toBeUndefined()
    } finally {
      await own.stop()
    }
  })

  test('one that was closed by its reader, or that only asked for its headers, reads no more', async () => {
    const topic = await filled('a1')
    await until(() => gateway.faults.reading === 0)
    const answers = await Promise.all(Array.from({ length: 5 }, () => live(topic)))
    expect(gateway.faults.reading).toBe(5)
    for (const answer of answers) answer.close()
    const target = `/v1/topics/${topic}/events`
    const head = await client.request('HEAD', target, { headers: { accept: 'text/event-stream' } })
    expect(head.headers.get('content-type')).toBe('text/event-stream')
    await until(() => gateway.faults.reading === 0)
  })

  test('comments keep it alive: they begin with a colon, and mean nothing', async () => {
    const answer = await live(await filled('a1'))
    expect(await answer.frame()).toEqual({ comment: expect.any(String) })
  })

  test('data with line breaks is one data field', async () => {
    const topic = await gateway.topic()
    await client.publish(topic, 'a\nb\r\nc', 'text/plain')
    await client.publish(topic, '{\n"a":\r1\n}', 'application/json')
    const found = await events(await live(topic, '?from=earliest'), 2)
    expect(found.map(({ data }) => data.event.data)).toEqual(['a\nb\r\nc', { a: 1 }])
  })
})

describe('waiting for the first event', () => {
  const wait = (topic: string, query: string, accept = 'application/json') =>
    client.get(`/v1/topics/${topic}/events${query}`, { accept })

  test.each(['application/json', ndjsonType])('answers as soon as it comes (%s)', async (accept) => {
    const topic = await filled('a1')
    const page = wait(topic, '?wait=20s', accept)
    // Published until it is seen: the reader takes its place when its request arrives.
    let seen = false
    const publishing = (async () => {
      while (!seen) {
        await client.structured(topic, cloudEvent('b1'))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })()
    const answer = await page
    seen = true
    await publishing
    expect(answer.text).toContain('"b1"')
    expect(answer.text).not.toContain('"a1"')
  })

  test('answers with nothing when the time is over, and a place to go on from', async () => {
    const topic = await filled('a1')
    const began = Date.now()
    const answer = await wait(topic, '?wait=300ms')
    expect(Date.now() - began).toBeGreaterThanOrEqual(290)
    const { events: none, next } = answer.json<{ events: Entry[]; next: string }>()
    expect(none).toEqual([])
    await client.structured(topic, cloudEvent('b1'))
    expect((await wait(topic, `?from=${encodeURIComponent(next)}`)).text).toContain('"b1"')
  })

  test('does not wait where there is something, or where the end is fixed', async () => {
    const topic = await filled('a1')
    expect((await wait(topic, '?from=earliest&wait=30s')).text).toContain('"a1"')
    expect((await wait(topic, '?from=latest&to=latest&wait=30s')).json()).toMatchObject({ events: [] })
  }, 15_000)

  test('waits for one that passes the filter', async () => {
    const topic = await filled('a1')
    const { next } = (await wait(topic, '')).json<{ next: string }>()
    const page = wait(topic, `?from=${encodeURIComponent(next)}&wait=20s&type=wanted`)
    await client.structured(topic, cloudEvent('x'))
    await client.structured(topic, cloudEvent('y', { type: 'wanted' }))
    expect((await page).json<{ events: Entry[] }>().events.map(({ event }) => event.id)).toEqual(['y'])
  })

  test('a shutdown ends the wait', async () => {
    const own = await startTestGateway()
    try {
      const topic = await own.topic()
      const page = own.client.get(`/v1/topics/${topic}/events?wait=30s`)
      // The wait has begun once another request, sent after it, was answered.
      await own.client.get('/healthz')
      own.beginShutdown()
      const answer = await page
      if (answer.status === 200)
        expect(answer.json()).toMatchObject({ events: [], next: expect.stringMatching(/^c1\../) })
      else expect(answer.problem.code).toBe('unavailable')
    } finally {
      await own.stop()
    }
  }, 15_000)
})
