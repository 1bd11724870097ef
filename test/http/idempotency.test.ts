import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/core/errors.ts'
import type { CheckedAnswer, Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { batchType, cloudEvent, gate, idsOf, ndjsonType, structuredType, until } from './events.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway({
    keys: { a: { scopes: ['publish', 'consume'] }, b: { scopes: ['publish', 'consume'] } },
  })
  client = gateway.as('a')
})
afterEach(() => gateway.faults.clear())
afterAll(() => gateway.stop())

interface Attempt {
  readonly body?: string
  readonly type?: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly as?: Client
}

let keys = 0
const newKey = (): string => `key-${++keys}`

function publish(topic: string, key: string, attempt: Attempt = {}): Promise<CheckedAnswer> {
  const { body = '{"a":1}', type = 'application/json', query = '', as = client } = attempt
  return as.publish(topic, body, type, { query, headers: { 'idempotency-key': key, ...attempt.headers } })
}

const one = JSON.stringify({ specversion: '1.0', type: 't' })

describe('the same key and payload', () => {
  test.each([
    ['plain', '{"a":1}', 'application/json', {}],
    ['structured', one, structuredType, {}],
    ['batch', `[${one},${one}]`, batchType, {}],
    ['binary', 'x', 'text/plain', { 'ce-specversion': '1.0', 'ce-type': 't' }],
  ])('gets the first answer, byte for byte, and nothing is stored twice (%s)', async (_, body, type, headers) => {
    const topic = await gateway.topic({ dedupWindowMs: 0 })
    const key = newKey()
    const first = await publish(topic, key, { body, type, headers })
    const again = await publish(topic, key, { body, type, headers })
    expect(first.status).toBe(200)
    expect([again.status, again.text]).toEqual([first.status, first.text])
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'))
    expect(first.text).toContain((await idsOf(client, topic))[0])
    expect(gateway.faults.published.length).toBe(1)
  })

  test('a hundred at once store one; those that come while it runs are a conflict', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 0 })
    const key = newKey()
    const answers = await Promise.all(Array.from({ length: 100 }, () => publish(topic, key)))
    const bodies = new Set(answers.filter(({ status }) => status === 200).map(({ text }) => text))
    expect(bodies.size).toBe(1)
    for (const answer of answers) if (answer.status !== 200) expect(answer.problem.code).toBe('conflict')
    expect((await idsOf(client, topic)).length).toBe(1)
  })

  test('a permanent failure is remembered', async () => {
    const topic = await gateway.topic()
    const key = newKey()
    gateway.faults.thrown = new GatewayError('unprocessable', 'never')
    const first = await publish(topic, key)
    expect(first.status).toBe(422)
    gateway.faults.clear()
    const again = await publish(topic, key)
    expect([again.status, again.text]).toEqual([422, first.text])
    expect(gateway.faults.published).toEqual([])
  })

  test('the answer is kept for a day, and no longer', async () => {
    const own = await startTestGateway()
    try {
      const topic = await own.topic({ dedupWindowMs: 0 })
      const first = await publish(topic, 'day', { as: own.client })
      own.clock.advance(23 * 3_600_000)
      expect((await publish(topic, 'day', { as: own.client })).text).toBe(first.text)
      own.clock.advance(2 * 3_600_000)
      const fresh = await publish(topic, 'day', { as: own.client })
      expect(fresh.status).toBe(200)
      expect(fresh.text).not.toBe(first.text)
    } finally {
      await own.stop()
    }
  })
})

describe('while the first still runs', () => {
  test('it is a conflict, and the first is answered as if nothing had been', async () => {
    const topic = await gateway.topic()
    const key = newKey()
    const held = gate()
    gateway.faults.hold = held.closed
    const first = publish(topic, key)
    await until(() => gateway.faults.published.length === 1)
    expect((await publish(topic, key)).problem.code).toBe('conflict')
    held.open()
    expect((await first).status).toBe(200)
    expect((await publish(topic, key)).text).toBe((await first).text)
  })
})

describe('another payload under the same key', () => {
  test.each([
    ['other bytes', { body: '{"a":2}' }],
    ['another content type', { type: 'application/vnd.x+json' }],
    ['another query', { query: '?type=other' }],
    ['another attribute in a header', { headers: { 'ce-specversion': '1.0', 'ce-type': 'other' } }],
  ])('is unprocessable: %s', async (_, change) => {
    const topic = await gateway.topic()
    const key = newKey()
    const headers = { 'ce-specversion': '1.0', 'ce-type': 't' }
    const base = 'headers' in change ? { headers } : {}
    expect((await publish(topic, key, base)).status).toBe(200)
    expect((await publish(topic, key, { ...base, ...change })).problem.code).toBe('unprocessable')
    expect((await idsOf(client, topic)).length).toBe(1)
  })

  test('also while the first one runs, or after its outcome was unknown', async () => {
    const topic = await gateway.topic()
    const key = newKey()
    gateway.faults.items.set('x', { status: 'unknown', code: 'unknown_outcome' })
    expect((await publish(topic, key, { query: '?id=x' })).status).toBe(504)
    expect((await publish(topic, key, { query: '?id=y' })).problem.code).toBe('unprocessable')
  })
})

describe('what is worth another try', () => {
  test.each(['unavailable', 'throttled'] as const)('%s is not remembered', async (code) => {
    const topic = await gateway.topic()
    const key = newKey()
    gateway.faults.thrown = new GatewayError(code, 'later')
    expect((await publish(topic, key)).problem.code).toBe(code)
    gateway.faults.clear()
    expect((await publish(topic, key)).status).toBe(200)
    expect((await idsOf(client, topic)).length).toBe(1)
  })

  test('after an unknown outcome the same ids are used, also generated ones', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 600_000 })
    const key = newKey()
    gateway.faults.lost = new Error('gone')
    const first = await publish(topic, key)
    expect(first.status).toBe(504)
    const id = first.problem.results?.[0]?.id
    gateway.faults.clear()
    const again = await publish(topic, key)
    expect(again.json()).toMatchObject({ id, status: 'stored', duplicate: true })
    expect(await idsOf(client, topic)).toEqual([id])
  })

  test('so too in a batch, of which a part was stored', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 600_000 })
    const key = newKey()
    const body = `[${one},${one},${JSON.stringify(cloudEvent('given'))}]`
    gateway.faults.items.set('given', { status: 'failed', code: 'unavailable' })
    const first = await publish(topic, key, { body, type: batchType })
    expect(first.status).toBe(503)
    const ids = first.problem.results?.map(({ id }) => id)
    gateway.faults.clear()
    const again = await publish(topic, key, { body, type: batchType })
    expect(again.json<{ results: { id: string }[] }>().results.map(({ id }) => id)).toEqual(ids)
    expect(await idsOf(client, topic)).toEqual(ids)
  })

  test('a broker that does not answer in time leaves nothing behind but the ids', async () => {
    const hasty = await startTestGateway({ limits: { publishDeadline: '200ms' } })
    const topic = await hasty.topic({ dedupWindowMs: 600_000 })
    const key = newKey()
    const held = gate()
    hasty.faults.hold = held.closed
    const first = await publish(topic, key, { as: hasty.client })
    expect(first.status).toBe(504)
    hasty.faults.hold = undefined
    held.open()
    const id = first.problem.results?.[0]?.id
    expect((await publish(topic, key, { as: hasty.client })).json()).toMatchObject({ id, status: 'stored' })
    expect(await idsOf(hasty.client, topic)).toEqual([id])
    await hasty.stop()
  })
})

describe('the key', () => {
  test('belongs to the caller and the topic', async () => {
    const topic = await gateway.topic()
    const other = await gateway.topic()
    const key = newKey()
    const texts = [
      await publish(topic, key),
      await publish(other, key),
      await publish(topic, key, { as: gateway.as('b') }),
    ].map(({ text }) => text)
    expect(new Set(texts).size).toBe(3)
  })

  test('is the same however the topic is written in the address', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 0 })
    const key = newKey()
    const written = topic.replace('t', '%74')
    expect((await publish(written, key)).text).toBe((await publish(topic, key)).text)
    expect((await idsOf(client, topic)).length).toBe(1)
  })

  test.each(['', ' ', 'a,b', 'a, b', 'a b', 'é', 'x'.repeat(256)])('%j is none', async (key) => {
    const topic = await gateway.topic()
    expect((await publish(topic, key)).problem).toMatchObject({
      code: 'invalid_argument',
      errors: [{ pointer: '/idempotency-key' }],
    })
  })

  test.each(['x', 'x'.repeat(255), '8e03978e-40d5-43e8-bc93-6894a57f9324', '"quoted"', '!~'])(
    '%s is one',
    async (key) => {
      const topic = await gateway.topic()
      expect((await publish(topic, key)).status).toBe(200)
    },
  )

  test('is not for a stream of lines', async () => {
    const topic = await gateway.topic()
    const answer = await publish(topic, newKey(), { body: one, type: ndjsonType })
    expect(answer.problem).toMatchObject({ code: 'invalid_argument', errors: [{ pointer: '/idempotency-key' }] })
    expect(await idsOf(client, topic)).toEqual([])
  })

  test('a request that is refused does not use it up', async () => {
    const topic = await gateway.topic()
    const key = newKey()
    expect((await publish(topic, key, { body: 'no JSON' })).status).toBe(400)
    expect((await publish(topic, key)).status).toBe(200)
  })
})
