import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GatewayError, UnsupportedError } from '../../src/core/errors.ts'
import type { CheckedAnswer, Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent, gate, idsOf, type Receipt, until } from './events.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterEach(() => gateway.faults.clear())
afterAll(() => gateway.stop())

const keyed = (...ids: string[]): Record<string, unknown>[] => ids.map((id) => cloudEvent(id, { partitionkey: id[0] }))

/** `id status` of every result of a partial failure. */
function resultsOf(answer: CheckedAnswer): string[] {
  expect(answer.problem.code).toBe('partial_failure')
  return (answer.problem.results ?? []).map(({ id, status }) => `${id} ${status}`)
}

describe('a single event that is not stored', () => {
  test.each([
    ['failed', 'unavailable', 503],
    ['failed', 'unprocessable', 422],
    ['failed', 'too_large', 413],
    ['failed', 'throttled', 429],
    ['failed', 'permission_denied', 403],
    ['unknown', 'unknown_outcome', 504],
    // Whatever reason an adapter gives: what is unknown is 504, and never an invitation to send it again blindly.
    ['unknown', 'unavailable', 504],
    ['unknown', 'unprocessable', 504],
  ] as const)('%s with %s is %i, and the answer holds the id', async (status, code, http) => {
    const topic = await gateway.topic()
    gateway.faults.items.set('mine', { status, code })
    const answer = await client.structured(topic, cloudEvent('mine'))
    expect(answer.status).toBe(http)
    expect(answer.problem.results).toMatchObject([{ id: 'mine', status }])
    expect(await idsOf(client, topic)).toEqual([])
  })

  test('what the broker cannot do for this topic is 501, with the topic, the broker and the capability', async () => {
    const topic = await gateway.topic()
    gateway.faults.thrown = new UnsupportedError('publishDelayMs', 'The stream has no schedules.')
    const one = await client.structured(topic, cloudEvent('mine'))
    const detail = `Topic ${topic} on broker main (embedded), capability publishDelayMs: The stream has no schedules.`
    const error = { code: 'unsupported', detail: 'The stream has no schedules.' }
    expect(one.status).toBe(501)
    expect(one.problem).toMatchObject({ capability: 'publishDelayMs', detail })
    expect(one.problem.results).toEqual([{ id: 'mine', status: 'failed', error }])
    const several = await client.batch(topic, [cloudEvent('a')])
    expect(several.problem.results).toEqual([{ id: 'a', status: 'failed', error }])
    const lines = await client.publish(topic, JSON.stringify(cloudEvent('a')), 'application/x-ndjson')
    expect(JSON.parse(lines.text.split('\n', 1)[0]!)).toEqual({ id: 'a', status: 'failed', error })
  })

  test('an unknown outcome names the generated id too, and with that id the event is stored once', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 60_000 })
    gateway.faults.lost = new Error('connection reset')
    const answer = await client.publish(topic, '{"a":1}', 'application/json')
    expect(answer.status).toBe(504)
    const id = answer.problem.results?.[0]?.id ?? ''
    expect(await idsOf(client, topic)).toEqual([id])
    gateway.faults.clear()
    const again = await client.publish(topic, '{"a":1}', 'application/json', { query: `?id=${id}` })
    expect(again.json()).toMatchObject({ id, status: 'stored', duplicate: true })
    expect(await idsOf(client, topic)).toEqual([id])
  })

  test('a broker that does not answer in time is an unknown outcome', async () => {
    const hasty = await startTestGateway({ limits: { publishDeadline: '200ms' } })
    const topic = await hasty.topic()
    const held = gate()
    hasty.faults.hold = held.closed
    const answer = await hasty.client.structured(topic, cloudEvent('late'))
    held.open()
    await hasty.stop()
    expect(answer.problem).toMatchObject({ code: 'unknown_outcome', results: [{ id: 'late', status: 'unknown' }] })
  })

  test('no answer comes before the broker acknowledged', async () => {
    const topic = await gateway.topic()
    const held = gate()
    gateway.faults.hold = held.closed
    let answered = false
    const answer = client.structured(topic, cloudEvent('held')).finally(() => {
      answered = true
    })
    await until(() => gateway.faults.published.length > 0)
    // Other requests are answered meanwhile: what is missing is the acknowledgement alone.
    expect(await idsOf(client, topic)).toEqual([])
    expect(answered).toBe(false)
    held.open()
    expect((await answer).status).toBe(200)
  })

  test('what an adapter throws without a type is unknown, and its text stays inside', async () => {
    const topic = await gateway.topic()
    gateway.faults.thrown = new Error('password=hunter2 at connect (/srv/app/client.ts:1:1)')
    const answer = await client.structured(topic, cloudEvent('x'))
    expect(answer.status).toBe(504)
    expect(answer.text).not.toContain('hunter2')
  })

  test('what it throws with a type keeps it', async () => {
    const topic = await gateway.topic()
    gateway.faults.thrown = new GatewayError('unavailable', 'The broker is down.')
    expect((await client.structured(topic, cloudEvent('x'))).problem).toMatchObject({
      status: 503,
      detail: 'The broker is down.',
      results: [{ id: 'x', status: 'failed' }],
    })
  })
})

describe('several events of which some are not stored', () => {
  test('each has its own result, in order; what may succeed later makes it 503', async () => {
    const topic = await gateway.topic()
    gateway.faults.items.set('c', { status: 'failed', code: 'unprocessable' })
    gateway.faults.items.set('d', { status: 'failed', code: 'unavailable' })
    const answer = await client.batch(
      topic,
      ['a', 'b', 'c', 'd', 'e'].map((id) => cloudEvent(id)),
    )
    expect(answer.status).toBe(503)
    expect(resultsOf(answer)).toEqual(['a stored', 'b stored', 'c failed', 'd failed', 'e stored'])
    expect(answer.problem.results?.[2]?.error).toEqual({ code: 'unprocessable', detail: expect.any(String) })
    expect(answer.problem.detail).toContain('2 of 5')
    expect(await idsOf(client, topic)).toEqual(['a', 'b', 'e'])
  })

  test('422 where nothing is worth a retry', async () => {
    const topic = await gateway.topic()
    gateway.faults.items.set('b', { status: 'failed', code: 'unprocessable' })
    const answer = await client.batch(
      topic,
      ['a', 'b'].map((id) => cloudEvent(id)),
    )
    expect(answer.status).toBe(422)
    expect(resultsOf(answer)).toEqual(['a stored', 'b failed'])
  })

  test.each(['unknown_outcome', 'unprocessable'] as const)('an unknown one is worth a retry (%s)', async (code) => {
    const topic = await gateway.topic()
    gateway.faults.items.set('b', { status: 'unknown', code })
    const answer = await client.batch(
      topic,
      ['a', 'b'].map((id) => cloudEvent(id)),
    )
    expect(answer.status).toBe(503)
    expect(resultsOf(answer)).toEqual(['a stored', 'b unknown'])
  })

  test('a retry of what was not stored completes it', async () => {
    const topic = await gateway.topic()
    gateway.faults.items.set('e-3', { status: 'failed', code: 'unavailable' })
    const events = Array.from({ length: 10 }, (_, i) => cloudEvent(`e-${i}`))
    const answer = await client.batch(topic, events)
    const missing = (answer.problem.results ?? []).filter(({ status }) => status !== 'stored').map(({ id }) => id)
    expect(missing).toEqual(['e-3'])
    gateway.faults.clear()
    expect(
      (
        await client.batch(
          topic,
          events.filter(({ id }) => missing.includes(id as string)),
        )
      ).status,
    ).toBe(200)
    expect((await idsOf(client, topic)).toSorted()).toEqual(events.map(({ id }) => id))
  })

  test.each(['failed', 'unknown'] as const)(
    'after a %s event of a key, later ones of that key are not stored',
    async (status) => {
      const topic = await gateway.topic()
      gateway.faults.items.set('a1', { status, code: status === 'failed' ? 'unavailable' : 'unknown_outcome' })
      const answer = await client.batch(topic, keyed('a0', 'a1', 'b1', 'a2', 'b2', 'a3'))
      expect(resultsOf(answer)).toEqual([
        'a0 stored',
        `a1 ${status}`,
        'b1 stored',
        'a2 failed',
        'b2 stored',
        'a3 failed',
      ])
      expect(await idsOf(client, topic)).toEqual(['a0', 'b1', 'b2'])
    },
  )

  test('a batch of one is a batch', async () => {
    const topic = await gateway.topic()
    gateway.faults.items.set('a', { status: 'unknown', code: 'unknown_outcome' })
    const answer = await client.batch(topic, [cloudEvent('a')])
    expect(answer.status).toBe(503)
    expect(resultsOf(answer)).toEqual(['a unknown'])
  })

  test('a broker that is down fails them all', async () => {
    const topic = await gateway.topic()
    gateway.faults.thrown = new GatewayError('unavailable', 'The broker is down.')
    expect(resultsOf(await client.batch(topic, keyed('a1', 'a2')))).toEqual(['a1 failed', 'a2 failed'])
  })
})

test('keys stay in order where the broker takes less at once than a request has', async () => {
  const small = { maxEvents: 1, maxBytes: 1 << 20, concurrency: 4 }
  const slow = await startTestGateway({ capabilities: { publish: small } })
  try {
    const topic = await slow.topic()
    slow.faults.items.set('a1', { status: 'failed', code: 'unavailable' })
    const answer = await slow.client.batch(topic, keyed('a0', 'a1', 'b1', 'a2', 'b2'))
    expect(resultsOf(answer)).toEqual(['a0 stored', 'a1 failed', 'b1 stored', 'a2 failed', 'b2 stored'])
    // The one that must not overtake never reached the broker.
    expect(slow.faults.published).toEqual([['a0'], ['a1'], ['b1'], ['b2']])
  } finally {
    await slow.stop()
  }
})

test('the receipts of concurrent publishers are their own', async () => {
  const topic = await gateway.topic()
  const ids = Array.from({ length: 200 }, (_, i) => `e-${i}`)
  const receipts = await Promise.all(
    ids.map(async (id) => (await client.structured(topic, cloudEvent(id))).json<Receipt>()),
  )
  expect(receipts.map(({ id }) => id)).toEqual(ids)
  expect(new Set(receipts.map(({ position }) => position)).size).toBe(ids.length)
  expect((await idsOf(client, topic)).toSorted()).toEqual(ids.toSorted())
})
