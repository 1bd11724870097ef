import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent } from './events.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterEach(() => gateway.faults.clear())
afterAll(() => gateway.stop())

describe('the topics', () => {
  test('are listed by name, in pages', async () => {
    const own = await startTestGateway()
    try {
      expect((await own.client.get('/v1/topics')).json()).toEqual({ items: [] })
      const names = ['a', 'a.b', 'a0', 'b', 'c-d', 'c_d', 'z']
      for (const name of names.toReversed()) await own.topic({}, name)
      const all = (await own.client.get('/v1/topics')).json<{ items: { topic: string }[] }>()
      expect(all.items.map(({ topic }) => topic)).toEqual(names.toSorted())
      expect(all).not.toHaveProperty('next')
      const found: string[] = []
      for (let cursor: string | undefined = ''; cursor !== undefined; ) {
        const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
        const page: { items: { topic: string }[]; next?: string } = (
          await own.client.get(`/v1/topics?limit=3${more}`)
        ).json()
        found.push(...page.items.map(({ topic }) => topic))
        cursor = page.next
      }
      expect(found).toEqual(names.toSorted())
    } finally {
      await own.stop()
    }
  })

  test('each says where it lives, and what its broker can do, and by whom', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 600_000 })
    await client.put(`/v1/topics/${topic}/groups/b`)
    await client.put(`/v1/topics/${topic}/groups/a`)
    const answer = await client.get(`/v1/topics/${topic}`)
    const { capabilities, ...rest } = answer.json<{
      capabilities: Record<string, { value: unknown; by: string }>
      groups: string[]
    }>()
    expect({ ...rest, groups: rest.groups.toSorted() }).toEqual({
      topic,
      broker: 'main',
      epoch: 1,
      dedupWindow: '10m',
      groups: ['a', 'b'],
      subscriptions: [],
    })
    for (const [name, value] of Object.entries(gateway.broker.capabilities)) {
      expect(capabilities[name], name).toEqual({ value, by: 'broker' })
    }
    const tag = answer.headers.get('etag')
    expect((await client.get(`/v1/topics/${topic}`)).headers.get('etag')).toBe(tag)
    await client.put(`/v1/topics/${topic}/groups/c`)
    expect((await client.get(`/v1/topics/${topic}`)).headers.get('etag')).not.toBe(tag)
    await gateway.rebind(topic)
    expect((await client.get(`/v1/topics/${topic}`)).json()).toMatchObject({ epoch: 2 })
  })

  test('one that is not there, or is no name', async () => {
    expect((await client.get('/v1/topics/nowhere')).problem.code).toBe('not_found')
    expect((await client.get('/v1/topics/No')).problem.errors).toMatchObject([{ pointer: '/topic' }])
  })

  test.each(['?limit=0', '?limit=1001', '?limit=x', '?bogus=1', '?cursor=a&cursor=b'])(
    'a list is refused with %s',
    async (query) => {
      for (const path of ['/v1/topics', '/v1/brokers']) {
        const pointer = `/${query.slice(1).split('=')[0]}`
        expect((await client.get(path + query)).problem.errors).toMatchObject([{ pointer }])
      }
    },
  )
})

describe('the brokers', () => {
  test('are listed with their state', async () => {
    const { items } = (await client.get('/v1/brokers')).json<{ items: unknown[] }>()
    expect(items).toEqual([
      {
        name: 'main',
        type: 'embedded',
        state: 'up',
        capabilities: expect.objectContaining({ replay: { value: true, by: 'broker' } }),
      },
    ])
  })

  test('one that fails is down, and what it threw stays inside', async () => {
    gateway.faults.sick = new Error('password=hunter2')
    const answer = await client.get('/v1/brokers')
    expect(answer.json()).toMatchObject({ items: [{ name: 'main', state: 'down', error: expect.any(String) }] })
    expect(answer.text).not.toContain('hunter2')
  })
})

describe('health', () => {
  test('the process is healthy, and ready while broker and store are', async () => {
    expect((await client.get('/healthz')).json()).toEqual({ status: 'ok' })
    expect((await client.get('/readyz')).json()).toEqual({ status: 'ready' })
    gateway.faults.sick = new Error('password=hunter2')
    const { problem } = await client.get('/readyz')
    expect(problem).toMatchObject({ code: 'unavailable', errors: [{ pointer: '/brokers/main' }] })
    expect(JSON.stringify(problem)).not.toContain('hunter2')
    expect((await client.get('/healthz')).status).toBe(200)
    gateway.faults.clear()
    expect((await client.get('/readyz')).status).toBe(200)
  })

  test('one whose store is gone is not ready', async () => {
    const own = await startTestGateway()
    await own.store.close()
    expect((await own.client.get('/readyz')).problem).toMatchObject({ errors: [{ pointer: '/store' }] })
    await own.stop()
  })

  test('one that shuts down is not ready, and alive', async () => {
    const own = await startTestGateway()
    own.beginShutdown()
    expect((await own.client.get('/readyz')).problem.code).toBe('unavailable')
    expect((await own.client.get('/healthz')).status).toBe(200)
    await own.stop()
  })
})

describe('metrics', () => {
  test('count what happened, by names that have a bound', async () => {
    const topic = await gateway.topic()
    await client.put(`/v1/topics/${topic}/groups/g`)
    await client.batch(topic, [cloudEvent('a'), cloudEvent('b'), cloudEvent('a')])
    await client.get(`/v1/topics/${topic}/events?from=earliest`)
    const pulled = await client.post(`/v1/topics/${topic}/groups/g/pull`, {})
    const { deliveries } = pulled.json<{ deliveries: { lease: string }[] }>()
    await client.post(`/v1/topics/${topic}/groups/g/settle`, {
      settlements: [{ lease: deliveries[0]?.lease, outcome: 'ack' }],
    })
    await client.get('/v1/topics/some-name-that-nobody-has')
    await client.get('/some/path/that/nobody/has')
    const answer = await client.get('/metrics')
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    const value = (series: string): number =>
      Number(
        answer.text
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.slice(series.length),
      )
    expect(value(`sluice_events_published_total{topic="${topic}",outcome="stored"}`)).toBe(2)
    expect(value(`sluice_events_published_total{topic="${topic}",outcome="duplicate"}`)).toBe(1)
    expect(value(`sluice_events_read_total{topic="${topic}"}`)).toBe(2)
    expect(value(`sluice_events_pulled_total{topic="${topic}",group="g"}`)).toBe(2)
    expect(value(`sluice_deliveries_settled_total{topic="${topic}",group="g",outcome="ack"}`)).toBe(1)
    expect(answer.text).toMatch(
      /sluice_http_request_duration_seconds_count\{method="POST",route="\/v1\/topics\/:topic\/events",status="200"\} [1-9]/,
    )
    expect(answer.text).not.toContain('nobody')
  })

  test('are public where the configuration says so', async () => {
    const keys = { a: { scopes: ['publish'] } }
    const [open, closed] = await Promise.all([
      startTestGateway({ keys, publicMetrics: true }),
      startTestGateway({ keys }),
    ])
    try {
      expect((await open.client.get('/metrics')).status).toBe(200)
      expect((await closed.client.get('/metrics')).problem.code).toBe('unauthenticated')
    } finally {
      await Promise.all([open.stop(), closed.stop()])
    }
  })
})
