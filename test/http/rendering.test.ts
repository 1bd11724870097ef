import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ndjsonType, onlyEvent, type ReadEvent, structuredType, wireOf } from './events.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterAll(() => gateway.stop())

/** What is left of an event that was published in binary mode, with that type (or none) and body. */
async function shown(type: string | undefined, body: string | Uint8Array<ArrayBuffer>): Promise<Partial<ReadEvent>> {
  const topic = await gateway.topic()
  const headers = { 'ce-specversion': '1.0', 'ce-type': 't' }
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  expect((await client.publish(topic, bytes, type, { headers })).status).toBe(200)
  const { data, data_base64, datacontenttype } = await onlyEvent(client, topic)
  expect(datacontenttype).toBe(type)
  return { ...(data !== undefined && { data }), ...(data_base64 !== undefined && { data_base64 }) }
}

const base64 = (bytes: string | Uint8Array): string => Buffer.from(bytes).toString('base64')
const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte)

describe('an event reads as', () => {
  test.each([
    ['application/json', '{"a":1}', { data: { a: 1 } }],
    ['application/vnd.x+json', '[1]', { data: [1] }],
    ['text/json', 'null', { data: null }],
    ['application/json; charset=utf-8', '"x"', { data: 'x' }],
    ['text/plain', 'hello é€😀', { data: 'hello é€😀' }],
    ['text/plain', '{"a":1}', { data: '{"a":1}' }],
    ['text/csv', 'a,b\r\n1,2\r\n', { data: 'a,b\r\n1,2\r\n' }],
    ['application/xml', '<a/>', { data: '<a/>' }],
    ['text/plain', '', { data: '' }],
    ['application/octet-stream', 'hello', { data_base64: base64('hello') }],
    ['application/octet-stream', '', { data_base64: '' }],
    ['image/png', everyByte, { data_base64: base64(everyByte) }],
    ['text/plain', everyByte, { data_base64: base64(everyByte) }],
    // What calls itself JSON and is none.
    ['application/json', '{broken', { data_base64: base64('{broken') }],
    ['application/json', '', { data_base64: '' }],
    ['application/json', everyByte, { data_base64: base64(everyByte) }],
    ['application/json', '['.repeat(65) + ']'.repeat(65), { data_base64: base64('['.repeat(65) + ']'.repeat(65)) }],
    [undefined, '{"a":1}', { data: { a: 1 } }],
    [undefined, 'no JSON', { data_base64: base64('no JSON') }],
    [undefined, '', {}],
  ])('%s %j', async (type, body, expected) => {
    expect(await shown(type, body)).toEqual(expected)
  })

  test('base64 in an envelope reads as what its bytes are', async () => {
    const topic = await gateway.topic()
    const envelope = {
      specversion: '1.0',
      type: 't',
      datacontenttype: 'application/json',
      data_base64: base64('{"a":1}'),
    }
    await client.structured(topic, envelope)
    expect(await onlyEvent(client, topic)).toMatchObject({ data: { a: 1 } })
  })
})

describe('on the wire', () => {
  const spaced = '{ "b" :\r\n\t[1.0,\n 9007199254740993], "b": "a\\nb" }\n'
  async function published(): Promise<string> {
    const topic = await gateway.topic()
    const headers = { 'ce-specversion': '1.0', 'ce-type': 't', 'ce-time': '2026-01-31T12:00:00.10+00:00' }
    await client.publish(topic, spaced, 'application/json', { headers })
    return topic
  }

  test('numbers, order and duplicates survive; a time is verbatim', async () => {
    const topic = await published()
    const wire = await wireOf(client, topic)
    expect(wire).toContain('"time":"2026-01-31T12:00:00.10+00:00"')
    expect(wire).toContain('9007199254740993')
    expect(wire.replaceAll(/[ \t\r\n]/g, '')).toContain('"data":{"b":[1.0,9007199254740993],"b":"a\\nb"}')
  })

  test('one line is one event, in NDJSON and as a server-sent event', async () => {
    const topic = await published()
    const target = `/v1/topics/${topic}/events?from=earliest&to=latest`
    const lines = await client.get(target, { accept: ndjsonType })
    expect(lines.lines().length).toBe(2)
    const live = await client.stream('GET', target, { headers: { accept: 'text/event-stream' } })
    const event = await live.event<{ event: ReadEvent }>()
    expect(event?.data.event.data).toEqual({ b: 'a\nb' })
    live.close()
  })

  test('what is read can be published again, and stays the same', async () => {
    const bodies: [string | undefined, string | Uint8Array<ArrayBuffer>][] = [
      ['application/json', '{"b":9007199254740993,"b":1.0}'],
      ['text/plain', 'é\n"quoted"'],
      ['application/octet-stream', everyByte],
      ['application/json', '{broken'],
      [undefined, ''],
    ]
    for (const [type, body] of bodies) {
      const [from, to] = [await gateway.topic(), await gateway.topic()]
      const headers = {
        'ce-specversion': '1.0',
        'ce-type': 't',
        'ce-id': '1',
        'ce-ext': '%E2%82%AC',
        'ce-partitionkey': 'k',
      }
      const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
      await client.publish(from, bytes, type, { headers })
      const wire = await wireOf(client, from)
      expect((await client.publish(to, wire, structuredType)).status).toBe(200)
      expect(await wireOf(client, to)).toBe(wire)
    }
  })
})

describe('names that mean something to an engine', () => {
  test('are stored verbatim in data, and prototypes are as they were', async () => {
    const topic = await gateway.topic()
    const data =
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1,"hasOwnProperty":null}'
    await client.publish(
      topic,
      `{"specversion":"1.0","type":"t","constructor":"c","tostring":"s","data":${data}}`,
      structuredType,
    )
    const wire = await wireOf(client, topic)
    expect(wire).toContain(`"data":${data}`)
    expect(wire).toContain('"constructor":"c"')
    // The gateway runs in this very process.
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('polluted')
  })
})
