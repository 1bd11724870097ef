import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { batchType, cloudEvent, entriesOf, onlyEvent, type Receipt, structuredType, wireOf } from './events.ts'

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/

describe.each([
  ['in memory', false],
  ['on disk', true],
])('with the embedded broker %s', (_, disk) => {
  let gateway: TestGateway
  let client: Client
  beforeAll(async () => {
    gateway = await startTestGateway({ disk })
    client = gateway.client
  })
  afterAll(() => gateway.stop())

  test('structured: the event comes back as it was, and the receipt names it', async () => {
    const topic = await gateway.topic()
    const event = cloudEvent('e-1', {
      time: '2026-01-31T12:00:00.123456789+01:00',
      subject: 'a subject',
      partitionkey: 'k',
      dataschema: 'https://example.org/schema',
      datacontenttype: 'application/json',
      flag: true,
      number: -7,
      text: 'é€😀',
      data: { a: [1, 'x', null] },
    })
    const answer = await client.structured(topic, event)
    expect(answer.status).toBe(200)
    expect(answer.json()).toEqual({ id: 'e-1', status: 'stored', topic, position: expect.any(String) })
    expect(await onlyEvent(client, topic)).toEqual(event)
  })

  test('batch: all of them, in order', async () => {
    const topic = await gateway.topic()
    const events = ['a', 'b', 'c'].map((id) => cloudEvent(id, { time: '2026-01-01T00:00:00Z', data: id }))
    const answer = await client.batch(topic, events)
    expect(answer.status).toBe(200)
    const { results } = answer.json<{ results: Receipt[] }>()
    expect(results.map(({ id, status }) => [id, status])).toEqual(events.map(({ id }) => [id, 'stored']))
    const entries = await entriesOf(client, topic)
    expect(entries.map(({ event }) => event)).toEqual(events)
    expect(entries.map(({ position }) => position)).toEqual(results.map(({ position }) => position))
  })

  test('binary: headers are attributes, the body is the data', async () => {
    const topic = await gateway.topic()
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': 'e-2',
      'ce-source': '/s',
      'ce-type': 't',
      'ce-time': '2026-01-31T12:00:00Z',
      'ce-subject': 'Euro%20%E2%82%AC%20%F0%9F%98%80',
      'ce-partitionkey': 'k',
      'ce-myext': '"quoted%20value"',
    }
    const answer = await client.publish(topic, '{"a":1}', 'application/json', { headers })
    expect(answer.json()).toMatchObject({ id: 'e-2', status: 'stored', topic })
    expect(await onlyEvent(client, topic)).toEqual({
      specversion: '1.0',
      id: 'e-2',
      source: '/s',
      type: 't',
      time: '2026-01-31T12:00:00Z',
      subject: 'Euro € 😀',
      partitionkey: 'k',
      myext: 'quoted value',
      datacontenttype: 'application/json',
      data: { a: 1 },
    })
  })

  test('plain: the body is the data, the query has the attributes', async () => {
    const topic = await gateway.topic()
    const query = '?type=t&key=k&subject=a%20b&source=%2Fs&id=e-3&time=2026-01-31T12:00:00Z'
    const answer = await client.publish(topic, 'hello', 'text/plain', { query })
    expect(answer.json()).toMatchObject({ id: 'e-3', status: 'stored', topic })
    expect(await onlyEvent(client, topic)).toEqual({
      specversion: '1.0',
      id: 'e-3',
      source: '/s',
      type: 't',
      time: '2026-01-31T12:00:00Z',
      subject: 'a b',
      partitionkey: 'k',
      datacontenttype: 'text/plain',
      data: 'hello',
    })
  })

  test('data survives byte for byte, however it comes', async () => {
    const data =
      '{"b":9007199254740993,"a" : [1.0,1e2, -0],"b":2,"__proto__":{"x":1},"constructor":{},"s":"\\u00e9é\\/"}'
    const envelope = `{"specversion":"1.0","type":"t","datacontenttype":"application/json","data":${data}}`
    const ceHeaders = { 'ce-specversion': '1.0', 'ce-type': 't' }
    const forms: ((topic: string) => Promise<unknown>)[] = [
      (topic) => client.publish(topic, envelope, structuredType),
      (topic) => client.publish(topic, `[${envelope}]`, batchType),
      (topic) => client.publish(topic, `${envelope}\n`, 'application/x-ndjson'),
      (topic) => client.publish(topic, data, 'application/json', { headers: ceHeaders }),
      (topic) => client.publish(topic, data, 'application/json'),
    ]
    for (const publish of forms) {
      const topic = await gateway.topic()
      await publish(topic)
      expect(await wireOf(client, topic)).toContain(`,"data":${data}}`)
    }
  })
})

describe('what is missing', () => {
  let gateway: TestGateway
  let client: Client
  beforeAll(async () => {
    gateway = await startTestGateway()
    client = gateway.client
  })
  afterAll(() => gateway.stop())

  const bare = '{"specversion":"1.0","type":"t"}'
  test.each([
    ['structured', bare, structuredType, {}],
    ['structured, with nulls', '{"specversion":"1.0","type":"t","id":null,"source":null}', structuredType, {}],
    ['batch', `[${bare}]`, batchType, {}],
    ['NDJSON', bare, 'application/x-ndjson', {}],
    ['binary', undefined, undefined, { 'ce-specversion': '1.0', 'ce-type': 't' }],
    ['plain', undefined, undefined, {}],
  ])('is filled in: %s', async (form, body, type, headers) => {
    const topic = await gateway.topic()
    const before = Date.now()
    const answer = await client.publish(topic, body, type, { headers })
    expect(answer.status).toBe(200)
    const event = await onlyEvent(client, topic)
    expect(event.id).toMatch(uuidV7)
    expect(answer.text).toContain(event.id)
    expect(event.source).toBe(`/topics/${topic}`)
    expect(event.type).toBe(form === 'plain' ? topic : 't')
    expect(event.time).toMatch(rfc3339)
    expect(Date.parse(event.time ?? '')).toBeGreaterThanOrEqual(before)
    expect(Object.keys(event).sort()).toEqual(['id', 'source', 'specversion', 'time', 'type'])
  })

  test('generated ids grow', async () => {
    const topic = await gateway.topic()
    const ids: string[] = []
    for (let i = 0; i < 5; i++) ids.push((await client.publish(topic, '1', 'application/json')).json<Receipt>().id)
    expect(ids.toSorted()).toEqual(ids)
    expect(new Set(ids).size).toBe(5)
  })

  test("the query's key is the ordering key of every form, and of every event that has none", async () => {
    const forms: [string, string | undefined, Record<string, string>][] = [
      [bare, structuredType, {}],
      [`[${bare},{"specversion":"1.0","type":"t","partitionkey":"k 1"}]`, batchType, {}],
      [`${bare}\n${bare}\n`, 'application/x-ndjson', {}],
      ['x', undefined, { 'ce-specversion': '1.0', 'ce-type': 't' }],
      ['x', 'text/plain', {}],
    ]
    for (const [body, type, headers] of forms) {
      const topic = await gateway.topic()
      expect((await client.publish(topic, body, type, { query: '?key=k%201', headers })).status).toBe(200)
      const entries = await entriesOf(client, topic)
      expect(entries.map(({ event }) => event.partitionkey)).toEqual(entries.map(() => 'k 1'))
    }
  })

  test('a key that contradicts the event is refused', async () => {
    const topic = await gateway.topic()
    const keyed = { specversion: '1.0', type: 't', partitionkey: 'a' }
    expect((await client.structured(topic, keyed, '?key=b')).problem).toMatchObject({
      code: 'invalid_argument',
      errors: [{ pointer: '/key' }],
    })
    expect((await client.structured(topic, keyed, '?key=a')).status).toBe(200)
  })

  test('no body and no type is an event without data; an empty body of a type is empty data', async () => {
    const none = await gateway.topic()
    await client.publish(none, undefined, undefined)
    expect(await wireOf(client, none)).not.toContain('data')
    const empty = await gateway.topic()
    await client.publish(empty, '', 'text/plain')
    expect(await onlyEvent(client, empty)).toMatchObject({ datacontenttype: 'text/plain', data: '' })
  })

  test('a media type is read without its case and parameters', async () => {
    const topic = await gateway.topic()
    for (const type of ['Application/CloudEvents+JSON; charset=utf-8', 'application/cloudevents+json;x=y']) {
      expect((await client.publish(topic, bare, type)).status).toBe(200)
    }
    expect((await entriesOf(client, topic)).map(({ event }) => event.type)).toEqual(['t', 't'])
  })

  test('the form is chosen in the order of the contract', async () => {
    const topic = await gateway.topic()
    // A structured content type beats ce- headers, which beat the query.
    const headers = { 'ce-specversion': '1.0', 'ce-type': 'binary' }
    await client.publish(topic, '{"specversion":"1.0","type":"structured"}', structuredType, { headers })
    await client.publish(topic, '{}', 'application/json', { headers })
    await client.publish(topic, '{}', 'application/json', { query: '?type=plain' })
    const entries = await entriesOf(client, topic)
    expect(entries.map(({ event }) => event.type)).toEqual(['structured', 'binary', 'plain'])
  })
})
