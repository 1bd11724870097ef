import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent } from './events.ts'
import { patch, path, pointers, type Shown, subscribe, url } from './subscriptions.ts'

let gateway: TestGateway
let client: Client
let topic: string
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterAll(() => gateway.stop())
beforeEach(async () => {
  topic = await gateway.topic()
})

describe('creating', () => {
  test('answers 201 with every default, the id, and the secret once', async () => {
    const answer = await client.post(path, { topic, url })
    expect(answer.status).toBe(201)
    const { id, secret, createdAt, updatedAt, ...rest } = answer.json<Shown>()
    expect(id).toMatch(/^sub_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/)
    expect(answer.headers.get('location')).toBe(`${path}/${id}`)
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(createdAt).toBe(updatedAt)
    expect(rest).toEqual({
      topic,
      url,
      filters: [],
      mode: 'structured',
      headers: {},
      ordering: 'none',
      start: 'latest',
      policy: {
        timeout: '15s',
        retry: { schedule: ['5s', '5m', '30m', '2h', '5h', '10h', '14h'] },
        concurrency: 16,
        ratePerSecond: null,
        breaker: { failureRatio: 0.5, minimum: 20, window: '1m', cooldown: '30s' },
        quota: { events: 100_000, bytes: '256MiB' },
        onFull: 'block',
        onExhausted: 'dead-letter',
        noRetry: [],
        disableAfter: '5d',
        record: 'problems',
      },
      labels: {},
      signing: [{}],
      status: 'active',
      declared: false,
      feed: 'attached',
      state: { breaker: 'closed', inFlight: 0 },
      pending: { events: 0, bytes: 0, oldestSeconds: 0 },
      lag: { events: 0, oldestSeconds: 0 },
      deliveries: { in_flight: 0, parked: 0, dead: 0, succeeded: 0, discarded: 0, expired: 0 },
    })
    const read = await client.get(`${path}/${id}`)
    expect(read.json()).toEqual({ id, createdAt, updatedAt, ...rest })
    expect(read.headers.get('etag')).toBe(answer.headers.get('etag'))
  })

  test('keeps what is given', async () => {
    const given = {
      name: `all-${topic}`,
      filters: [
        { exact: { type: 'order.created' } },
        { any: [{ prefix: { source: '/shop/' } }, { not: { suffix: { subject: '.tmp' } } }] },
        { all: [{ data: { '/a/~1b': [1, null, 'x', true], '': 'whole' } }] },
      ],
      mode: 'structured',
      headers: { 'X-Tenant': 'blue' },
      ordering: 'key',
      start: 'earliest',
      policy: {
        timeout: '500ms',
        retry: { schedule: [] },
        concurrency: 1,
        ratePerSecond: 0.5,
        breaker: { failureRatio: 1, minimum: 5, window: '10s', cooldown: '1s' },
        quota: { events: 10, bytes: 4097 },
        onFull: 'discard',
        onExhausted: 'discard',
        noRetry: [400, 599],
        disableAfter: '1h',
        record: 'all',
      },
      labels: { team: 'billing', 'example.com/tier': '' },
    }
    expect(await subscribe(client, topic, given)).toMatchObject({ ...given, feed: 'detached' })
  })

  test('what waits for it is prepared before it is stored, and it is announced after', async () => {
    gateway.webhooks.calls.length = 0
    const version = await gateway.store.subscriptions.version()
    await subscribe(client, topic)
    expect(gateway.webhooks.calls).toEqual([topic, 'changed'])
    expect(await gateway.store.subscriptions.version()).toBeGreaterThan(version)
  })

  test('starts where it is told to: a time, or a cursor of a read', async () => {
    const time = '2026-01-31T12:00:00Z'
    const fromTime = await subscribe(client, topic, { start: time })
    expect((await gateway.store.subscriptions.get(fromTime.id))?.feed).toEqual({
      state: 'detached',
      from: time,
      next: time,
    })
    await client.structured(topic, cloudEvent('one'))
    const { next } = (await client.get(`/v1/topics/${topic}/events?from=earliest`)).json<{ next: string }>()
    const fromCursor = await subscribe(client, topic, { start: next })
    expect(fromCursor.start).toBe(next)
    const own = next.slice('c1.'.length)
    expect((await gateway.store.subscriptions.get(fromCursor.id))?.feed).toMatchObject({ from: own, next: own })
    await gateway.rebind(topic)
    expect((await client.post(path, { topic, url, start: next })).problem.code).toBe('stale_cursor')
  })

  test.each(['binary', 'data'])('mode %s is warned of', async (mode) => {
    const { warnings } = await subscribe(client, topic, { mode })
    expect(warnings).toEqual([expect.stringContaining('signature')])
  })

  test('a name is there once', async () => {
    const name = `once-${topic}`
    const { id } = await subscribe(client, topic, { name })
    expect((await client.post(path, { topic, url, name })).problem.code).toBe('conflict')
    const other = await subscribe(client, topic)
    expect((await patch(client, other.id, { name })).problem.code).toBe('conflict')
    expect((await patch(client, id, { name: null })).json()).not.toHaveProperty('name')
    expect((await patch(client, other.id, { name })).json()).toMatchObject({ name })
  })
})

describe('what the broker lacks', () => {
  test.each([
    [{ exclusiveKeys: false }, { ordering: 'key', bogus: 1 }, 'exclusiveKeys'],
    [{ replay: false }, { start: 'earliest', bogus: 1 }, 'replay'],
  ])('%j is 501, by name, before what is wrong', async (capabilities, fields, capability) => {
    const weak = await startTestGateway({ capabilities })
    try {
      const there = await weak.topic()
      const answer = await weak.client.post(path, { topic: there, url, ...fields })
      expect(answer.problem).toMatchObject({ code: 'unsupported', capability })
      expect((await weak.client.post(path, { topic: 'nowhere', url, ...fields })).problem.code).toBe('not_found')
      const plain = await subscribe(weak.client, there, { ordering: 'none', start: 'latest' })
      if (capability === 'exclusiveKeys') {
        expect((await patch(weak.client, plain.id, { ordering: 'key', bogus: 1 })).problem).toMatchObject({
          capability,
        })
      }
    } finally {
      await weak.stop()
    }
  })
})

test('where topics come into being on first use, subscribing is a use, and a refused one is not', async () => {
  const dev = await startTestGateway({ creates: true })
  try {
    expect(pointers(await dev.client.post(path, { topic: 'fresh', url: 'nonsense' }))).toEqual(['/url'])
    expect((await dev.client.get('/v1/topics/fresh')).status).toBe(404)
    const { id } = await subscribe(dev.client, 'fresh')
    expect((await dev.client.get('/v1/topics/fresh')).json()).toMatchObject({ subscriptions: [id] })
  } finally {
    await dev.stop()
  }
})

describe('listing', () => {
  test('is by topic, and in pages', async () => {
    const ids: string[] = []
    for (let i = 0; i < 5; i++) ids.push((await subscribe(client, topic)).id)
    const found: string[] = []
    let next: string | undefined
    do {
      const cursor = next === undefined ? '' : `&cursor=${next}`
      const page = (await client.get(`${path}?topic=${topic}&limit=2${cursor}`)).json<{
        items: Shown[]
        next?: string
      }>()
      expect(page.items.length).toBeLessThanOrEqual(2)
      found.push(...page.items.map(({ id }) => id))
      next = page.next
    } while (next !== undefined)
    expect(found).toEqual(ids)
    expect((await client.get(`/v1/topics/${topic}`)).json()).toMatchObject({ subscriptions: ids })
  })

  test('takes no other parameters', async () => {
    expect(pointers(await client.get(`${path}?bogus=1&limit=0`))).toEqual(['/limit', '/bogus'])
    expect((await client.get(`${path}?topic=nowhere`)).status).toBe(404)
    expect((await client.get(`${path}?topic=NO`)).status).toBe(400)
  })
})

describe('changing', () => {
  test('merges, and null resets to the default', async () => {
    const { id, updatedAt } = await subscribe(client, topic, {
      headers: { 'X-A': '1', 'X-B': '2' },
      labels: { a: '1' },
      policy: { concurrency: 3, timeout: '1s', breaker: { minimum: 7 } },
      filters: [{ exact: { type: 'a' } }],
    })
    gateway.clock.advance(1000)
    const changed = (
      await patch(client, id, {
        headers: { 'X-A': null, 'X-C': '3' },
        labels: null,
        policy: { timeout: null, breaker: { window: '2m' }, retry: { schedule: ['1s'] } },
        filters: [{ exact: { type: 'b' } }],
        mode: 'data',
      })
    ).json<Shown>()
    expect(changed).toMatchObject({
      headers: { 'X-B': '2', 'X-C': '3' },
      labels: {},
      policy: {
        concurrency: 3,
        timeout: '15s',
        breaker: { minimum: 7, window: '2m', cooldown: '30s' },
        retry: { schedule: ['1s'] },
      },
      filters: [{ exact: { type: 'b' } }],
      mode: 'data',
      warnings: [expect.any(String)],
    })
    expect(changed.headers).not.toHaveProperty('X-A')
    expect(changed.updatedAt).not.toBe(updatedAt)
    expect(changed).not.toHaveProperty('secret')
    expect((await patch(client, id, { policy: null, filters: null, mode: null })).json()).toMatchObject({
      policy: { concurrency: 16, breaker: { minimum: 20 } },
      filters: [],
      mode: 'structured',
    })
    const plain = await client.request('PATCH', `${path}/${id}`, { json: { labels: { b: '2' } } })
    expect(plain.json()).toMatchObject({ labels: { b: '2' } })
  })

  test.each([
    [{ topic: 'other' }, ['/topic']],
    [{ topic: null }, ['/topic']],
    [{ start: 'earliest' }, ['/start']],
    [{ secret: 'whsec_x' }, ['/secret']],
    [{ url: null }, ['/url']],
    [{ url: 'ftp://x' }, ['/url']],
    [{ id: 'x', policy: { bogus: 1 } }, ['/policy/bogus', '/id']],
    [{ auth: { bearer: 'b', basic: { user: 'u', password: 'p' } } }, ['/auth']],
    [[], ['']],
    [1, ['']],
  ])('refuses %j', async (changes, wrong) => {
    const { id } = await subscribe(client, topic)
    const answer = await patch(client, id, changes)
    expect(answer.problem.code).toBe('invalid_argument')
    expect(pointers(answer)).toEqual(wrong)
  })

  test('takes what is the same as before', async () => {
    const { id } = await subscribe(client, topic)
    expect((await patch(client, id, { topic, start: 'latest' })).status).toBe(200)
  })

  test('asks again whether the endpoint may be called, only where it is another', async () => {
    const { id } = await subscribe(client, topic, {
      auth: { oauth2: { tokenUrl: 'https://id.example.com/token', clientId: 'c', clientSecret: 's' } },
    })
    gateway.webhooks.checked.length = 0
    await patch(client, id, { labels: { a: '1' } })
    expect(gateway.webhooks.checked).toEqual([])
    await patch(client, id, { url: `${url}/2` })
    await patch(client, id, { auth: { oauth2: { tokenUrl: 'https://id.example.com/2' } } })
    expect(gateway.webhooks.checked).toEqual([`/url ${url}/2`, '/auth/oauth2/tokenUrl https://id.example.com/2'])
  })

  test('the media type is a merge patch, or JSON', async () => {
    const { id } = await subscribe(client, topic)
    const answer = await patch(client, id, {}, { 'content-type': 'application/json-patch+json' })
    expect(answer.problem.code).toBe('unsupported_media_type')
  })

  test('changes at once are all made', async () => {
    const { id } = await subscribe(client, topic)
    const labels = ['a', 'b', 'c', 'd']
    const answers = await Promise.all(labels.map((label) => patch(client, id, { labels: { [label]: '1' } })))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect((await client.get(`${path}/${id}`)).json()).toMatchObject({ labels: { a: '1', b: '1', c: '1', d: '1' } })
  })
})

describe('If-Match', () => {
  test('guards a change, a deletion and every action', async () => {
    const { id } = await subscribe(client, topic)
    const old = (await client.get(`${path}/${id}`)).headers.get('etag') ?? ''
    const changed = await patch(client, id, { labels: { a: '1' } }, { 'if-match': old })
    expect(changed.status).toBe(200)
    const stale = { 'if-match': old }
    expect((await patch(client, id, {}, stale)).problem.code).toBe('conflict')
    expect((await client.delete(`${path}/${id}`, stale)).problem.code).toBe('conflict')
    for (const action of ['pause', 'resume', 'rotate-secret']) {
      expect((await client.post(`${path}/${id}/${action}`, {}, stale)).problem.code, action).toBe('conflict')
    }
    const now = changed.headers.get('etag') ?? ''
    expect((await client.delete(`${path}/${id}`, { 'if-match': now })).status).toBe(204)
  })
})

test('what is deleted is gone', async () => {
  const { id } = await subscribe(client, topic)
  expect((await client.delete(`${path}/${id}`)).status).toBe(204)
  for (const answer of [
    await client.get(`${path}/${id}`),
    await client.delete(`${path}/${id}`),
    await patch(client, id, {}),
    await client.post(`${path}/${id}/pause`, {}),
  ]) {
    expect(answer.problem.code).toBe('not_found')
  }
})

describe('pausing and resuming', () => {
  const act = (id: string, action: string) => client.request('POST', `${path}/${id}/${action}`)

  test('go there and back, and again without harm', async () => {
    const { id } = await subscribe(client, topic)
    for (const [action, status] of [
      ['pause', 'paused'],
      ['pause', 'paused'],
      ['resume', 'active'],
      ['resume', 'active'],
    ] as const) {
      expect((await act(id, action)).json()).toMatchObject({ status })
    }
  })

  test('and testing take no body with anything in it', async () => {
    const { id } = await subscribe(client, topic)
    for (const action of ['pause', 'resume', 'test']) {
      expect(pointers(await client.post(`${path}/${id}/${action}`, { bogus: 1 })), action).toEqual(['/bogus'])
    }
    expect((await client.get(`${path}/${id}`)).json()).toMatchObject({ status: 'active' })
  })

  test('what the gateway disabled is resumed, with a clean sheet', async () => {
    const { id } = await subscribe(client, topic)
    await gateway.store.subscriptions.failing(id, gateway.clock.now())
    await gateway.store.subscriptions.transition(id, ['active'], 'disabled', 'It failed for 5d.', gateway.clock.now())
    const disabled = (await client.get(`${path}/${id}`)).json()
    expect(disabled).toMatchObject({
      status: 'disabled',
      reason: 'It failed for 5d.',
      failingSince: expect.any(String),
    })
    const resumed = (await act(id, 'resume')).json<Shown>()
    expect(resumed.status).toBe('active')
    expect(resumed).not.toHaveProperty('reason')
    expect(resumed).not.toHaveProperty('failingSince')
  })

  test('what has ended stays so', async () => {
    const { id } = await subscribe(client, topic)
    await gateway.store.subscriptions.transition(id, ['active'], 'ended', '410', gateway.clock.now())
    for (const action of ['pause', 'resume']) expect((await act(id, action)).problem.code).toBe('conflict')
    expect((await client.get(`${path}/${id}`)).json()).toMatchObject({ status: 'ended' })
  })
})

describe('testing an endpoint', () => {
  test.each([
    [
      { at: 1, durationMs: 12, status: 204 },
      { ok: true, status: 204, durationMs: 12 },
    ],
    [
      { at: 1, durationMs: 7, status: 500, body: 'no', error: 'It answered 500.', stage: 'response' as const },
      { ok: false, status: 500, body: 'no', error: 'It answered 500.', stage: 'response', durationMs: 7 },
    ],
    [
      { at: 1, durationMs: 3, error: 'It refuses connections.', stage: 'connect' as const },
      { ok: false, error: 'It refuses connections.', stage: 'connect', durationMs: 3 },
    ],
  ])('tells what it answered: %j', async (pong, told) => {
    const { id } = await subscribe(client, topic)
    gateway.webhooks.pong = pong
    expect((await client.request('POST', `${path}/${id}/test`)).json()).toEqual(told)
    expect(gateway.webhooks.pinged.at(-1)?.id).toBe(id)
  })
})
