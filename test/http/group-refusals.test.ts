import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { Group } from './groups.ts'

describe('a group', () => {
  let gateway: TestGateway
  let client: Client
  beforeAll(async () => {
    gateway = await startTestGateway()
    client = gateway.client
  })
  afterAll(() => gateway.stop())

  test.each([
    [{ start: 'soon' }, ['/start']],
    [{ start: 5 }, ['/start']],
    [{ lease: '500ms' }, ['/lease']],
    [{ lease: '13h' }, ['/lease']],
    [{ lease: 30 }, ['/lease']],
    [{ maxAttempts: 0 }, ['/maxAttempts']],
    [{ maxAttempts: 1.5 }, ['/maxAttempts']],
    [{ maxAttempts: '3' }, ['/maxAttempts']],
    [{ bogus: 1, lease: 'x' }, ['/lease', '/bogus']],
    [{ 'a/b': 1 }, ['/a~1b']],
    [[], ['']],
    [null, ['']],
    ['x', ['']],
  ])('is not made of %j', async (body, pointers) => {
    const topic = await gateway.topic()
    const { problem } = await client.put(`/v1/topics/${topic}/groups/g`, body)
    expect(problem.code).toBe('invalid_argument')
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(pointers)
    expect((await client.get(`/v1/topics/${topic}/groups/g`)).status).toBe(404)
  })

  test('__proto__ is an unknown field like any other', async () => {
    const topic = await gateway.topic()
    const headers = { 'content-type': 'application/json' }
    const path = `/v1/topics/${topic}/groups/g`
    for (const body of ['{"__proto__":{"lease":"1m"}}', '{"constructor":1}', '{"lease":"1m","__proto__":1}']) {
      const { problem } = await client.request('PUT', path, { body, headers })
      expect(problem.errors?.[0]?.pointer, body).toMatch(/__proto__|constructor/)
    }
  })

  test.each(['G', 'a..b', '-a', 'x'.repeat(65), '%20', 'a%2Fb'])('is not called %s', async (name) => {
    const topic = await gateway.topic()
    const path = `/v1/topics/${topic}/groups/${name}`
    for (const answer of [await client.put(path), await client.get(path), await client.post(`${path}/pull`, {})]) {
      expect(answer.problem.errors).toMatchObject([{ pointer: '/group' }])
    }
  })

  test('of a topic that is not there is not there', async () => {
    const path = '/v1/topics/nowhere/groups/g'
    for (const answer of [
      await client.put(path),
      await client.get(path),
      await client.delete(path),
      await client.post(`${path}/pull`, {}),
      await client.post(`${path}/settle`, {}),
      await client.post(`${path}/seek`, {}),
      await client.get(`${path}/dead`),
    ]) {
      expect(answer.problem.code, answer.target).toBe('not_found')
    }
  })

  test.each([
    ['pull', { max: 0 }, ['/max']],
    ['pull', { max: 1001 }, ['/max']],
    ['pull', { max: '5' }, ['/max']],
    ['pull', { wait: '31s' }, ['/wait']],
    ['pull', { wait: 5 }, ['/wait']],
    ['pull', { bogus: 1 }, ['/bogus']],
    ['seek', {}, ['/to']],
    ['seek', { to: 'x' }, ['/to']],
    ['seek', { to: 'latest', bogus: 1 }, ['/bogus']],
  ])('%s takes no %j', async (what, body, pointers) => {
    const topic = await gateway.topic()
    const group = new Group(client, topic)
    await group.create()
    const { problem } = await client.post(`${group.path}/${what}`, body)
    expect(problem.code).toBe('invalid_argument')
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(pointers)
  })

  test('takes its bodies as JSON, and small', async () => {
    const topic = await gateway.topic()
    const path = `/v1/topics/${topic}/groups/g`
    const put = (body: string | Uint8Array<ArrayBuffer>, type = 'application/json') =>
      client.request('PUT', path, { body, headers: { 'content-type': type } })
    for (const body of ['{', '{} {}', '\ufeff{}', '{"lease":"1m",}', Uint8Array.from([0x22, 0xff, 0x22])]) {
      expect((await put(body)).problem.code).toBe('invalid_argument')
    }
    expect((await put(`{"x":${'['.repeat(100)}${']'.repeat(100)}}`)).problem.detail).toContain('deep')
    expect((await put('{}', 'text/plain')).problem.code).toBe('unsupported_media_type')
    expect((await put(`{"start":"${'x'.repeat(2 << 20)}"}`)).problem.code).toBe('too_large')
    const gzip = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    expect((await client.request('PUT', path, { body: '{}', headers: gzip })).problem.code).toBe(
      'unsupported_media_type',
    )
  })

  test('is refused by name where receipts are bound to a connection, before anything else is looked at', async () => {
    const weak = await startTestGateway({ capabilities: { receipt: 'session' } })
    try {
      const path = `/v1/topics/${await weak.topic()}/groups/g`
      const wrong = { bogus: 1 }
      for (const answer of [
        await weak.client.put(path, wrong),
        await weak.client.get(path),
        await weak.client.delete(path),
        await weak.client.post(`${path}/pull`, wrong),
        await weak.client.post(`${path}/settle`, wrong),
      ]) {
        expect(answer.problem).toMatchObject({ code: 'unsupported', capability: 'receipt' })
      }
    } finally {
      await weak.stop()
    }
  })

  test('begins at the end, and nowhere else, where the broker keeps no history', async () => {
    const weak = await startTestGateway({ capabilities: { replay: false } })
    try {
      const path = `/v1/topics/${await weak.topic()}/groups/g`
      for (const start of ['earliest', '2026-01-31T12:00:00Z', 'c1.0', 'soon', 5]) {
        const answer = await weak.client.put(`${path}?bogus=1`, { start, bogus: 1 })
        expect(answer.problem).toMatchObject({ code: 'unsupported', capability: 'replay' })
      }
      expect((await weak.client.get(path)).status).toBe(404)
      expect((await weak.client.put(path, null)).problem.code).toBe('invalid_argument')
      expect((await weak.client.put(path, { start: 'latest' })).status).toBe(201)
    } finally {
      await weak.stop()
    }
  })

  test('has no other beside it where a topic has one, and no webhooks either', async () => {
    const weak = await startTestGateway({ capabilities: { groups: 'one' } })
    try {
      const { client, broker } = weak
      const [pulled, pushed] = [await weak.topic(), await weak.topic()]
      const [own, other] = [new Group(client, pulled), new Group(client, pulled, 'other')]
      expect([(await own.create()).status, (await own.create()).status]).toEqual([201, 200])
      // The gateway's own, as the delivery of webhooks makes it.
      const options = { start: 'latest', leaseMs: 10_000, maxAttempts: 16 } as const
      await broker.groups.create(pushed, 'sluice.fanout', options)
      const url = 'https://hooks.example.com/'
      for (const answer of [
        await other.create({ bogus: 1 }),
        await client.post('/v1/subscriptions?bogus=1', { topic: pulled, url, bogus: 1 }),
        await new Group(client, pushed).create({ bogus: 1 }),
      ]) {
        expect(answer.problem).toMatchObject({ code: 'unsupported', capability: 'groups' })
      }
      expect((await client.post('/v1/subscriptions', { topic: pushed, url })).status).toBe(201)
      expect(await broker.groups.list(pulled)).toEqual(['g'])
    } finally {
      await weak.stop()
    }
  })

  test('cannot be moved, or tell its lag, where the broker cannot', async () => {
    const weak = await startTestGateway({ capabilities: { seek: false, reject: false } })
    try {
      const group = new Group(weak.client, await weak.topic())
      await group.create()
      expect((await weak.client.post(`${group.path}/seek`, { bogus: 1 })).problem).toMatchObject({ capability: 'seek' })
      for (const answer of [
        await weak.client.get(`${group.path}/dead?bogus=1`),
        await weak.client.post(`${group.path}/dead/redrive`, { bogus: 1 }),
        await weak.client.delete(`${group.path}/dead/x?bogus=1`),
      ]) {
        expect(answer.problem).toMatchObject({ code: 'unsupported', capability: 'reject' })
      }
    } finally {
      await weak.stop()
    }
  })
})
