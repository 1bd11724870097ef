import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/core/errors.ts'
import type { CheckedAnswer, Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent, ndjsonType } from './events.ts'

const secret = 'hunter2'
const untyped = new Error(`connect amqp://user:${secret}@host failed`)
const typed = new GatewayError('unavailable', 'The broker is down.', { cause: untyped })

let gateway: TestGateway
let client: Client
let topic: string
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
  topic = await gateway.topic()
  // More than one batch of a read.
  const data = 'x'.repeat(100_000)
  for (let i = 0; i < 5; i++)
    await client.batch(
      topic,
      Array.from({ length: 10 }, (_, k) => cloudEvent(`e-${i}-${k}`, { data })),
    )
  await client.put(`/v1/topics/${topic}/groups/g`, { start: 'earliest' })
})
afterEach(() => {
  gateway.faults.clear()
  // The operator is told what the caller is not.
})
afterAll(() => gateway.stop())

describe('a read that fails', () => {
  const read = (accept: string): Promise<CheckedAnswer> =>
    client.get(`/v1/topics/${topic}/events?from=earliest&to=latest`, { accept })

  test.each(['application/json', ndjsonType, 'text/event-stream'])('at once is a problem (%s)', async (accept) => {
    gateway.faults.unreadable = { after: 0, error: untyped }
    expect((await read(accept)).problem.code).toBe('internal')
    gateway.faults.unreadable = { after: 0, error: typed }
    expect((await read(accept)).problem).toMatchObject({ code: 'unavailable', detail: 'The broker is down.' })
  })

  test('later is no page', async () => {
    gateway.faults.unreadable = { after: 1, error: untyped }
    expect((await read('application/json')).problem.code).toBe('internal')
  })

  test('later breaks lines off, without the next cursor, and says nothing of why', async () => {
    gateway.faults.unreadable = { after: 1, error: untyped }
    const answer = await read(ndjsonType)
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('e-0-0')
    expect(answer.text).not.toContain('"next"')
    expect(answer.text).not.toContain(secret)
    expect(gateway.logged.join('\n')).toContain(secret)
  })

  test('later ends server-sent events, and says nothing of why', async () => {
    gateway.faults.unreadable = { after: 1, error: untyped }
    const answer = await read('text/event-stream')
    expect(answer.text).toContain('e-0-0')
    expect(answer.text).not.toContain(secret)
  })
})

describe('everything else that fails', () => {
  const group = () => `/v1/topics/${topic}/groups/g`
  test.each([
    ['GET', () => `/v1/topics/${topic}/events/1`, undefined],
    ['GET', () => `/v1/topics/${topic}`, undefined],
    ['PUT', () => group(), {}],
    ['GET', () => group(), undefined],
    ['DELETE', () => group(), undefined],
    ['POST', () => `${group()}/seek`, { to: 'latest' }],
    // A failed consume is never an empty 200.
    ['POST', () => `${group()}/pull`, {}],
    ['POST', () => `${group()}/settle`, { settlements: [{ lease: 'x', outcome: 'ack' }] }],
    ['GET', () => `${group()}/dead`, undefined],
    ['POST', () => `${group()}/dead/redrive`, { all: true }],
    ['DELETE', () => `${group()}/dead/1`, undefined],
  ])('is a problem (%s %s)', async (method, target, json) => {
    const ask = () => client.request(method, target(), json === undefined ? {} : { json })
    // Opened before it breaks, so that it is the pull that fails.
    await client.post(`${group()}/pull`, { max: 1 })
    gateway.faults.broken = untyped
    const internal = await ask()
    expect(internal.problem.code).toBe('internal')
    expect(internal.text).not.toContain(secret)
    const noted = gateway.logged.find((line) => line.includes(internal.problem.instance))
    expect(noted, 'the log has the cause, under the instance of the answer').toContain(secret)
    gateway.faults.broken = typed
    expect((await ask()).problem).toMatchObject({ code: 'unavailable', detail: 'The broker is down.' })
  })
})

describe('a store that is gone', () => {
  test('refuses what needs it, and nothing else', async () => {
    const own = await startTestGateway({ keys: { all: { scopes: ['publish', 'consume'] } } })
    const there = await own.topic()
    await own.store.close()
    const keyed = await own.as('all').publish(there, '1', 'application/json', { headers: { 'idempotency-key': 'k' } })
    expect(keyed.status).toBeGreaterThanOrEqual(500)
    expect((await own.as('all').post('/v1/tickets', { topic: there })).status).toBeGreaterThanOrEqual(500)
    expect(own.faults.published).toEqual([])
    expect((await own.as('all').publish(there, '1', 'application/json')).status).toBe(200)
    await own.stop()
  })
})
