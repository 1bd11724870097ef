import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { newDelivery } from './deliveries.ts'
import { cloudEvent } from './events.ts'
import { pointers, subscribe } from './subscriptions.ts'

interface Operation {
  readonly id: string
  readonly kind: string
  readonly state: string
  readonly [field: string]: unknown
}

let gateway: TestGateway
let client: Client
let topic: string
let subscription: string
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterAll(() => gateway.stop())
beforeEach(async () => {
  topic = await gateway.topic()
  subscription = (await subscribe(client, topic)).id
})

const end = async () =>
  void (await gateway.store.subscriptions.transition(subscription, ['active'], 'ended', '410', gateway.clock.now()))

describe('redriving', () => {
  const redrive = (body: object) => client.post('/v1/deliveries/redrive', { subscription, ...body })

  test.each<[string, object, object]>([
    ['all', { status: 'dead', all: true }, {}],
    ['by id', { ids: ['dlv_1', 'dlv_2'], ratePerSecond: 5 }, { ids: ['dlv_1', 'dlv_2'], ratePerSecond: 5 }],
    ['by time', { since: '2026-01-31T12:00:00Z' }, { since: Date.UTC(2026, 0, 31, 12) }],
  ])('%s is an operation', async (_, body, what) => {
    gateway.webhooks.calls.length = 0
    gateway.clock.hold()
    const answer = await redrive(body)
    expect(answer.status).toBe(202)
    const started = answer.json<Operation>()
    expect(started).toEqual({
      id: expect.stringMatching(/^op_[0-9a-f-]{36}$/),
      kind: 'redrive',
      subscription,
      state: 'running',
      matched: 0,
      done: 0,
      failed: 0,
      startedAt: new Date(gateway.clock.now()).toISOString(),
    })
    expect(answer.headers.get('location')).toBe(`/v1/operations/${started.id}`)
    const before = gateway.clock.now()
    expect((await gateway.store.operations.get(started.id))?.what).toEqual({ kind: 'redrive', before, ...what })
    expect(gateway.webhooks.calls).toEqual(['changed'])
  })

  test.each<[object, string[]]>([
    [{}, ['/ids']],
    [{ all: true, ids: ['a'] }, ['/ids']],
    [{ all: false }, ['/all']],
    [{ ids: [] }, ['/ids']],
    [{ since: 'x' }, ['/since']],
    [{ status: 'parked', all: true }, ['/status']],
    [{ ratePerSecond: 0, all: true }, ['/ratePerSecond']],
    [{ all: true, bogus: 1 }, ['/bogus']],
  ])('refuses %j', async (body, wrong) => {
    expect(pointers(await redrive(body))).toEqual(wrong)
  })

  test('needs a subscription that is there, and has not ended', async () => {
    expect((await client.post('/v1/deliveries/redrive', { subscription: 'sub_none' })).problem.code).toBe('not_found')
    expect(pointers(await client.post('/v1/deliveries/redrive', { all: true }))).toEqual(['/subscription'])
    await end()
    expect((await redrive({ all: true })).problem.code).toBe('conflict')
  })

  test('what it takes is told by its deliveries', async () => {
    await gateway.store.deliveries.insert([newDelivery({ id: `dlv_of_${topic}`, subscription, topic })])
    const { id } = (await redrive({ all: true })).json<Operation>()
    expect(await gateway.store.operations.redrive(id, 10, gateway.clock.now())).toBe(1)
    expect((await client.get(`/v1/deliveries/dlv_of_${topic}`)).json()).toMatchObject({
      operation: id,
      status: 'parked',
    })
  })
})

describe('replaying', () => {
  const replay = (body: object) => client.post('/v1/replays', { subscription, ...body })

  test('is an operation, from where it is told to', async () => {
    await client.structured(topic, cloudEvent('one'))
    const { next } = (await client.get(`/v1/topics/${topic}/events?from=earliest`)).json<{ next: string }>()
    const filters = [{ exact: { type: 'a' } }]
    for (const [body, what] of [
      [{ from: 'earliest' }, { from: 'earliest', next: 'earliest', filters: [], dryRun: false }],
      [
        { from: '2026-01-31T12:00:00Z', to: '2026-02-01T00:00:00Z', filters, ratePerSecond: 3 },
        { from: '2026-01-31T12:00:00Z', to: Date.UTC(2026, 1, 1), filters, ratePerSecond: 3 },
      ],
      [
        { from: next, to: 'latest' },
        { from: next.slice(3), next: next.slice(3) },
      ],
    ] as const) {
      const answer = await replay(body)
      expect(answer.status).toBe(202)
      const started = answer.json<Operation>()
      expect(started).toMatchObject({ kind: 'replay', state: 'running', subscription })
      expect(started).not.toHaveProperty('dryRun')
      expect((await gateway.store.operations.get(started.id))?.what).toMatchObject({ kind: 'replay', ...what })
    }
  })

  test('a dry run says so', async () => {
    const started = (await replay({ from: 'earliest', dryRun: true })).json<Operation>()
    expect(started.dryRun).toBe(true)
    const progress = { operation: started.id, from: 'earliest', to: 'end', matched: 42 }
    await gateway.store.deliveries.insert([], progress)
    await gateway.store.operations.transition(started.id, ['running'], 'succeeded', gateway.clock.now())
    expect((await client.get(`/v1/operations/${started.id}`)).json()).toMatchObject({
      state: 'succeeded',
      matched: 42,
      done: 0,
      finishedAt: expect.any(String),
    })
  })

  test.each<[object, string[]]>([
    [{}, ['/from']],
    [{ from: 'latest' }, ['/from']],
    [{ from: 'soon' }, ['/from']],
    [{ from: 'earliest', to: 'earliest' }, ['/to']],
    [{ from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }, ['/to']],
    [{ from: 'earliest', filters: [{ exact: {} }] }, ['/filters/0/exact']],
    [{ from: 'earliest', ratePerSecond: -1 }, ['/ratePerSecond']],
    [{ from: 'earliest', dryRun: 'yes', bogus: 1 }, ['/dryRun', '/bogus']],
  ])('refuses %j', async (body, wrong) => {
    expect(pointers(await replay(body))).toEqual(wrong)
  })

  test('needs a log, a cursor of this binding, and a subscription that has not ended', async () => {
    expect((await replay({ from: 'c2.x' })).problem.code).toBe('stale_cursor')
    expect((await client.post('/v1/replays', { subscription: 'none', from: 'earliest' })).problem.code).toBe(
      'not_found',
    )
    await end()
    expect((await replay({ from: 'earliest' })).problem.code).toBe('conflict')
    const weak = await startTestGateway({ capabilities: { replay: false } })
    try {
      const { id } = await subscribe(weak.client, await weak.topic())
      const answer = await weak.client.post('/v1/replays', { subscription: id, bogus: 1 })
      expect(answer.problem).toMatchObject({ code: 'unsupported', capability: 'replay' })
    } finally {
      await weak.stop()
    }
  })
})

describe('an operation', () => {
  const act = (id: string, action: string, headers = {}) =>
    client.request('POST', `/v1/operations/${id}/${action}`, { headers })

  async function started(): Promise<string> {
    return (await client.post('/v1/replays', { subscription, from: 'earliest' })).json<Operation>().id
  }

  test('is paused, resumed and cancelled, and again without harm', async () => {
    const id = await started()
    for (const [action, state] of [
      ['pause', 'paused'],
      ['pause', 'paused'],
      ['resume', 'running'],
      ['resume', 'running'],
      ['pause', 'paused'],
      ['cancel', 'cancelled'],
      ['cancel', 'cancelled'],
    ] as const) {
      gateway.webhooks.calls.length = 0
      expect((await act(id, action)).json(), action).toMatchObject({ id, state })
    }
    for (const action of ['pause', 'resume']) expect((await act(id, action)).problem.code).toBe('conflict')
    expect((await client.get(`/v1/operations/${id}`)).json()).toMatchObject({ finishedAt: expect.any(String) })
  })

  test('that has ended takes nothing more', async () => {
    const id = await started()
    await gateway.store.operations.transition(id, ['running'], 'failed', gateway.clock.now(), 'It is beyond retention.')
    for (const action of ['pause', 'resume', 'cancel']) {
      expect((await act(id, action)).problem.code, action).toBe('conflict')
    }
    expect((await client.get(`/v1/operations/${id}`)).json()).toMatchObject({ error: 'It is beyond retention.' })
  })

  test('is guarded by If-Match', async () => {
    const id = await started()
    const etag = (await client.get(`/v1/operations/${id}`)).headers.get('etag') ?? ''
    expect((await act(id, 'pause', { 'if-match': etag })).status).toBe(200)
    expect((await act(id, 'cancel', { 'if-match': etag })).problem.code).toBe('conflict')
  })

  test('takes no body with anything in it', async () => {
    const id = await started()
    for (const action of ['pause', 'resume', 'cancel']) {
      expect(pointers(await client.post(`/v1/operations/${id}/${action}`, { bogus: 1 })), action).toEqual(['/bogus'])
      expect(pointers(await client.post(`/v1/operations/none/${action}`, { bogus: 1 })), action).toEqual([])
    }
    expect((await client.get(`/v1/operations/${id}`)).json()).toMatchObject({ state: 'running' })
    expect((await client.post(`/v1/operations/${id}/pause`, {})).status).toBe(200)
  })

  test('that is not there is 404', async () => {
    expect((await client.get('/v1/operations/none')).problem.code).toBe('not_found')
    for (const action of ['pause', 'resume', 'cancel']) {
      expect((await act('none', action)).problem.code).toBe('not_found')
    }
  })
})
