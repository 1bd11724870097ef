import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/core/errors.ts'
import { BodyStream } from '../fixtures/body-stream.ts'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import type { StreamedAnswer } from '../fixtures/streamed-answer.ts'
import { cloudEvent, entriesOf, gate, idsOf, ndjsonType, type Receipt, until } from './events.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway({ limits: { line: '1KiB', event: '1KiB' } })
  client = gateway.client
})
afterEach(() => gateway.faults.clear())
afterAll(() => gateway.stop())

interface Summary {
  readonly summary?: { readonly stored: number; readonly failed: number; readonly unknown: number }
}

const line = (id: string, more: Record<string, unknown> = {}): string => `${JSON.stringify(cloudEvent(id, more))}\n`
const stream = (topic: string, body: string, query = '') => client.publish(topic, body, ndjsonType, { query })

/** `id status` a line, then the summary. */
async function told(topic: string, body: string, query = ''): Promise<unknown[]> {
  const answer = await stream(topic, body, query)
  expect(answer.status).toBe(200)
  return answer
    .lines<Receipt & Summary>()
    .map(({ id, status, error, summary }) => summary ?? [id, status, ...(error ? [error.code] : [])].join(' '))
}

describe('a stream of lines', () => {
  test('has a receipt for each, in order, and a summary', async () => {
    const topic = await gateway.topic()
    const answer = await stream(topic, ['a', 'b', 'c'].map((id) => line(id)).join(''))
    const lines = answer.lines<Receipt & Summary>()
    expect(lines.slice(0, 3).map(({ id, status }) => [id, status])).toEqual([
      ['a', 'stored'],
      ['b', 'stored'],
      ['c', 'stored'],
    ])
    expect(lines[3]).toEqual({ summary: { stored: 3, failed: 0, unknown: 0 } })
    const entries = await entriesOf(client, topic)
    expect(entries.map(({ position }) => position)).toEqual(lines.slice(0, 3).map(({ position }) => position))
  })

  test('may be empty, have empty lines, carriage returns, and no end of its last line', async () => {
    const topic = await gateway.topic()
    expect(await told(topic, '')).toEqual([{ stored: 0, failed: 0, unknown: 0 }])
    expect(await told(topic, '\n\r\n \n')).toEqual([{ stored: 0, failed: 0, unknown: 0 }])
    const body = `\n${line('a').trim()}\r\n\n${line('b').trim()}`
    expect(await told(topic, body)).toEqual(['a stored', 'b stored', { stored: 2, failed: 0, unknown: 0 }])
  })

  test('a bad line fails alone, without an id', async () => {
    const topic = await gateway.topic()
    const bad = [
      'nonsense\n',
      '[]\n',
      '{"specversion":"1.0"}\n',
      line('x', { Bad: 1 }),
      line('y', { data: 1 }).replace('}', ',"data":2}'),
    ]
    const body = bad.flatMap((text, i) => [line(`ok-${i}`), text]).join('')
    const receipts = (await stream(topic, body)).lines<Receipt & Summary>()
    expect(receipts.pop()).toEqual({ summary: { stored: bad.length, failed: bad.length, unknown: 0 } })
    for (const [i, receipt] of receipts.entries()) {
      if (i % 2 === 0) expect(receipt).toMatchObject({ id: `ok-${i / 2}`, status: 'stored' })
      else
        expect(receipt).toEqual({
          id: null,
          status: 'failed',
          error: { code: 'invalid_argument', detail: expect.any(String) },
        })
    }
    expect(await idsOf(client, topic)).toEqual(bad.map((_, i) => `ok-${i}`))
  })

  test('a line that is too long fails alone, with or without an end, and so does an event that is too large', async () => {
    const topic = await gateway.topic()
    const long = line('long', { data: 'x'.repeat(3000) })
    // Under the limit of a line, and over that of an event: the defaults that are filled in count.
    const large = `{"specversion":"1.0","type":"t","data":"${'x'.repeat(950)}"}\n`
    expect(large.length).toBeLessThan(1024)
    expect(await told(topic, `${line('a')}${long}${line('b')}${large}${line('c')}${long.trim()}`)).toEqual([
      'a stored',
      ' failed too_large',
      'b stored',
      ' failed too_large',
      'c stored',
      ' failed too_large',
      { stored: 3, failed: 3, unknown: 0 },
    ])
  })

  test('events that fail, or are unknown, are counted as such, and their keys wait', async () => {
    const topic = await gateway.topic()
    gateway.faults.items.set('a1', { status: 'unknown', code: 'unknown_outcome' })
    gateway.faults.items.set('-1', { status: 'failed', code: 'unprocessable' })
    const keyed = (id: string): string => line(id, id[0] === '-' ? {} : { partitionkey: id[0] })
    expect(await told(topic, ['a0', 'a1', '-1', 'b1', 'a2', '-2'].map(keyed).join(''))).toEqual([
      'a0 stored',
      'a1 unknown unknown_outcome',
      '-1 failed unprocessable',
      'b1 stored',
      'a2 failed unavailable',
      '-2 stored',
      { stored: 3, failed: 2, unknown: 1 },
    ])
  })

  test('the query has key and delay, and the error of a contradicting key is that of its line', async () => {
    const topic = await gateway.topic()
    const body = `${line('a')}${line('b', { partitionkey: 'other' })}`
    expect(await told(topic, body, '?key=k')).toEqual([
      'a stored',
      ' failed invalid_argument',
      { stored: 1, failed: 1, unknown: 0 },
    ])
    expect((await entriesOf(client, topic))[0]?.event.partitionkey).toBe('k')
  })

  test('a duplicate says so', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 60_000 })
    const lines = (await stream(topic, line('a') + line('a'))).lines<Receipt>()
    expect(lines.slice(0, 2).map(({ duplicate }) => duplicate)).toEqual([undefined, true])
  })

  test('a thousand lines in pieces of any size come out whole', async () => {
    const topic = await gateway.topic()
    const ids = Array.from({ length: 1000 }, (_, i) => `e-${i}`)
    const bytes = new TextEncoder().encode(ids.map((id) => line(id, { data: 'é€😀'.repeat(i(id) % 20) })).join(''))
    const body = new BodyStream()
    let piece = 1
    for (let at = 0; at < bytes.length; at += piece, piece = (piece * 7) % 4099)
      body.write(bytes.subarray(at, at + piece))
    body.end()
    const answer = await client.publish(topic, body.readable, ndjsonType)
    const receipts = answer.lines<Receipt & Summary>()
    expect(receipts.pop()?.summary).toEqual({ stored: 1000, failed: 0, unknown: 0 })
    expect(receipts.map(({ id }) => id)).toEqual(ids)
    const events = await entriesOf(client, topic)
    expect(events.map(({ event }) => event.data)).toEqual(ids.map((id) => 'é€😀'.repeat(i(id) % 20)))
  })
})

function i(id: string): number {
  return Number(id.slice(2))
}

describe('as each is acknowledged', () => {
  const opened: StreamedAnswer[] = []
  afterEach(() => {
    for (const answer of opened.splice(0)) answer.close()
  })

  /** The client sends nothing, not even its headers, before it has something to send. */
  function begin(topic: string, first: string): { body: BodyStream; answer: Promise<StreamedAnswer> } {
    const body = new BodyStream()
    body.write(first)
    const headers = { 'content-type': ndjsonType }
    const answer = client.stream('POST', `/v1/topics/${topic}/events`, { headers, body: body.readable })
    answer.then((begun) => opened.push(begun))
    return { body, answer }
  }

  test('its receipt comes, while the request goes on', async () => {
    const topic = await gateway.topic()
    const { body, answer: begun } = begin(topic, line('a'))
    const answer = await begun
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe(ndjsonType)
    for (const [id, next] of [
      ['a', 'b'],
      ['b', 'c'],
      ['c', undefined],
    ] as const) {
      expect(await answer.json()).toMatchObject({ id, status: 'stored' })
      // It is not only said: it is there.
      expect((await idsOf(client, topic)).at(-1)).toBe(id)
      if (next !== undefined) body.write(line(next))
    }
    body.end()
    expect(await answer.json()).toEqual({ summary: { stored: 3, failed: 0, unknown: 0 } })
    expect(await answer.rest()).toBe('')
  })

  test('and not before', async () => {
    const topic = await gateway.topic()
    const { body, answer: begun } = begin(topic, line('a'))
    const answer = await begun
    expect(await answer.json()).toMatchObject({ id: 'a' })
    const held = gate()
    gateway.faults.hold = held.closed
    body.write(line('b'))
    await until(() => gateway.faults.published.length > 1)
    const soFar = answer.text
    expect(soFar).not.toContain('"b"')
    held.open()
    expect(await answer.json()).toMatchObject({ id: 'b', status: 'stored' })
    body.end()
    await answer.rest()
  })

  test('after an event of a key failed, later ones of that key are not sent, however much later they come', async () => {
    const topic = await gateway.topic()
    gateway.faults.items.set('a1', { status: 'failed', code: 'unavailable' })
    const { body, answer: begun } = begin(topic, line('a1', { partitionkey: 'a' }))
    const answer = await begun
    expect(await answer.json()).toMatchObject({ id: 'a1', status: 'failed' })
    gateway.faults.clear()
    body.write(line('a2', { partitionkey: 'a' }) + line('b1', { partitionkey: 'b' }))
    expect(await answer.json()).toMatchObject({ id: 'a2', status: 'failed', error: { code: 'unavailable' } })
    expect(await answer.json()).toMatchObject({ id: 'b1', status: 'stored' })
    expect(gateway.faults.published).toEqual([['b1']])
    body.end()
    expect(await answer.json()).toEqual({ summary: { stored: 1, failed: 2, unknown: 0 } })
  })

  test('a client that goes away has published what it had sent', async () => {
    const topic = await gateway.topic()
    const { answer: begun } = begin(topic, line('a') + line('b').slice(0, 20))
    const answer = await begun
    expect(await answer.json()).toMatchObject({ id: 'a', status: 'stored' })
    answer.close()
    await until(async () => (await idsOf(client, topic)).length === 1)
    // Half a line is no event; and the gateway goes on.
    expect((await stream(topic, line('c'))).status).toBe(200)
    expect(await idsOf(client, topic)).toEqual(['a', 'c'])
  })

  test('a broker that is down is told line by line', async () => {
    const topic = await gateway.topic()
    gateway.faults.thrown = new GatewayError('unavailable', 'The broker is down.')
    const { body, answer: begun } = begin(topic, line('a'))
    const answer = await begun
    expect(await answer.json()).toMatchObject({ id: 'a', status: 'failed', error: { code: 'unavailable' } })
    gateway.faults.clear()
    body.write(line('b'))
    expect(await answer.json()).toMatchObject({ id: 'b', status: 'stored' })
    body.end()
    expect(await answer.json()).toEqual({ summary: { stored: 1, failed: 1, unknown: 0 } })
  })
})
