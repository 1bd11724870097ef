import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CheckedAnswer, Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { batchType, cloudEvent, entriesOf, ndjsonType, structuredType } from './events.ts'

let gateway: TestGateway
let client: Client
let topic: string
beforeAll(async () => {
  gateway = await startTestGateway({
    limits: { event: '4KiB', batchBytes: '64KiB', batchEvents: 10, line: '4KiB', depth: 8, delay: '1h' },
  })
  client = gateway.client
  topic = await gateway.topic()
})
// Whatever was refused here, nothing of it may be stored.
afterAll(async () => {
  const entries = await entriesOf(client, topic)
  await gateway.stop()
  expect(entries).toEqual([])
})

const required = '"specversion":"1.0","type":"t"'
const binary = { 'ce-specversion': '1.0', 'ce-type': 't' }
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

/** A refusal with 400 and just these pointers. */
function expectPointers(answer: CheckedAnswer, pointers: readonly string[]): void {
  expect(answer.problem.code, answer.text).toBe('invalid_argument')
  expect((answer.problem.errors ?? []).map(({ pointer }) => pointer)).toEqual(pointers)
}

describe('a structured event', () => {
  test.each([
    ['no JSON', 'nonsense', ''],
    ['nothing', '', ''],
    ['truncated', `{${required}`, ''],
    ['more after it', `{${required}} {}`, ''],
    ['a byte order mark', `\ufeff{${required}}`, ''],
    ['an array', `[{${required}}]`, ''],
    ['null', 'null', ''],
    ['NaN', `{${required},"data":NaN}`, ''],
    ['no specversion', '{"type":"t"}', '/specversion'],
    ['another specversion', '{"specversion":"0.3","type":"t"}', '/specversion'],
    ['no type', '{"specversion":"1.0"}', '/type'],
    ['an empty id', `{${required},"id":""}`, '/id'],
    ['an id that is no string', `{${required},"id":1}`, '/id'],
    ['a source that is no reference', `{${required},"source":"a b"}`, '/source'],
    ['a time that is none', `{${required},"time":"now"}`, '/time'],
    ['an upper-case attribute', `{${required},"myExt":1}`, '/myExt'],
    ['an attribute with a slash', `{${required},"a/b":1}`, '/a~1b'],
    ['an attribute that is an object', `{${required},"ext":{}}`, '/ext'],
    ['an attribute that is a large number', `{${required},"ext":4294967296}`, '/ext'],
    ['__proto__ as an attribute', `{${required},"__proto__":"x"}`, '/__proto__'],
    ['an attribute twice', `{${required},"ext":1,"ext":1}`, ''],
    ['data twice', `{${required},"data":1,"data":1}`, ''],
    ['data twice, once with an escape', `{${required},"data":1,"d\\u0061ta":1}`, ''],
    ['data and data_base64', `{${required},"data":1,"data_base64":"eA=="}`, '/data_base64'],
    ['base64 that is none', `{${required},"data_base64":"%"}`, '/data_base64'],
    ['data of text that is no string', `{${required},"datacontenttype":"text/plain","data":{}}`, '/data'],
    ['nested too deep', `{${required},"data":${nested(8)}}`, ''],
  ])('with %s', async (_, body, pointer) => {
    expectPointers(await client.publish(topic, body, structuredType), [pointer])
    if (body !== '')
      expectPointers(
        await client.publish(topic, `[${body}]`, batchType),
        pointer === '' ? [expect.any(String)] : [`/0${pointer}`],
      )
  })

  test('with invalid UTF-8', async () => {
    for (const [before, after] of [
      [`{${required},"ext":"`, '"}'],
      [`{${required},"data":"`, '"}'],
      [`{${required},"e`, '":1}'],
    ] as const) {
      const body = Buffer.concat([Buffer.from(before), Buffer.from([0xc3, 0x28]), Buffer.from(after)])
      expectPointers(await client.publish(topic, body, structuredType), [''])
    }
  })
})

describe('a binary event', () => {
  test.each([
    [{ 'ce-specversion': '0.3' }, '/specversion'],
    [{ 'ce-type': '' }, '/type'],
    [{ 'ce-id': '' }, '/id'],
    [{ 'ce-time': 'now' }, '/time'],
    [{ 'ce-my-ext': 'x' }, '/my-ext'],
    [{ 'ce-data': 'x' }, '/data'],
    [{ 'ce-data_base64': 'eA==' }, '/data_base64'],
    [{ 'ce-datacontenttype': 'text/plain' }, '/datacontenttype'],
    [{ 'ce-ext': '%C3%28' }, '/ext'],
    [{ 'ce-ext': '%00' }, '/ext'],
  ])('with %j', async (headers, pointer) => {
    expectPointers(await client.publish(topic, 'x', 'text/plain', { headers: { ...binary, ...headers } }), [pointer])
  })

  test('without a type', async () => {
    expectPointers(await client.publish(topic, 'x', 'text/plain', { headers: { 'ce-specversion': '1.0' } }), ['/type'])
  })
})

describe('a plain event', () => {
  test.each([
    ['{broken', 'application/json'],
    ['', 'application/json'],
    ['{} {}', 'application/json; charset=utf-8'],
    ['\ufeff{}', 'application/json'],
    ['nope', 'application/vnd.x+json'],
    [nested(9), 'application/json'],
  ])('%j as %s', async (body, type) => {
    expectPointers(await client.publish(topic, body, type), [''])
  })

  test.each([
    ['?id=', '/id'],
    ['?source=a%20b', '/source'],
    ['?time=now', '/time'],
    ['?type=', '/type'],
    ['?key=', '/key'],
    ['?key=%00', '/key'],
    ['?subject=%00', '/subject'],
  ])('with the query %s', async (query, pointer) => {
    expectPointers(await client.publish(topic, 'x', 'text/plain', { query }), [pointer])
  })
})

describe('the query', () => {
  test.each(['', structuredType, batchType, ndjsonType])('names every unknown parameter (%s)', async (type) => {
    const body = type === batchType ? `[{${required}}]` : `{${required}}`
    const answer = await client.publish(topic, body, type || 'text/plain', { query: '?bogus=1&other=2' })
    expectPointers(answer, ['/bogus', '/other'])
    expect(answer.problem.detail).toContain('bogus')
  })

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('names %s too', async (name) => {
    expectPointers(await client.publish(topic, 'x', 'text/plain', { query: `?${name}=1` }), [`/${name}`])
  })

  test.each(['type', 'subject', 'source', 'id', 'time'])('has no %s where the event has attributes', async (name) => {
    for (const [body, type, headers] of [
      [`{${required}}`, structuredType, {}],
      [`[{${required}}]`, batchType, {}],
      [`{${required}}`, ndjsonType, {}],
      ['x', 'text/plain', binary],
    ] as const) {
      expectPointers(await client.publish(topic, body, type, { query: `?${name}=x`, headers }), [`/${name}`])
    }
  })

  test.each([
    ['?delay=1', '/delay'],
    ['?delay=-1s', '/delay'],
    ['?delay=1w', '/delay'],
    ['?delay=2h', '/delay'],
    ['?atomic=yes', '/atomic'],
    ['?atomic=', '/atomic'],
    ['?key=a&key=b', '/key'],
    ['?delay=1s&delay=1s', '/delay'],
    ['?key=%ff', '/key'],
    ['?type=a%C3%28', '/type'],
    ['?subject=%ED%A0%80', '/subject'],
  ])('%s is wrong', async (query, pointer) => {
    expectPointers(await client.publish(topic, 'x', 'text/plain', { query }), [pointer])
  })
})

describe('what is not taken at all', () => {
  test.each([
    'application/cloudevents',
    'application/cloudevents+xml',
    'application/cloudevents-batch',
    'application/cloudevents+avro',
  ])('the media type %s', async (type) => {
    const answer = await client.publish(topic, `{${required}}`, type)
    expect(answer.problem.code).toBe('unsupported_media_type')
  })

  test.each(['gzip', 'br', 'deflate', 'identity, gzip'])(
    'the content encoding %s, whatever the form',
    async (encoding) => {
      for (const type of [structuredType, batchType, ndjsonType, 'application/json']) {
        const answer = await client.publish(topic, '{}', type, { headers: { 'content-encoding': encoding } })
        expect(answer.problem.code, type).toBe('unsupported_media_type')
      }
    },
  )

  test('an empty batch, and one that is no array', async () => {
    for (const body of ['[]', '{}', 'null', '', '[{}', `{${required}}`]) {
      expectPointers(await client.publish(topic, body, batchType), [''])
    }
  })

  test('a batch of too many', async () => {
    const answer = await client.batch(
      topic,
      Array.from({ length: 11 }, (_, i) => cloudEvent(`e-${i}`)),
    )
    expect(answer.problem.code).toBe('too_large')
    expect(answer.problem.detail).toContain('10')
  })

  test.each([
    ['structured', structuredType, (size: number) => JSON.stringify(cloudEvent('x', { data: 'a'.repeat(size) }))],
    ['plain', 'text/plain', (size: number) => 'a'.repeat(size)],
    [
      'structured, over the bytes of the body',
      structuredType,
      (size: number) => JSON.stringify({ a: 'a'.repeat(size * 3) }),
    ],
  ])('an event that is too large: %s', async (_, type, body) => {
    expect((await client.publish(topic, body(4096), type)).problem.code).toBe('too_large')
  })

  test('one event of a batch that is too large, by its place', async () => {
    const events = [cloudEvent('a'), cloudEvent('b', { data: 'a'.repeat(4096) })]
    const { problem } = await client.batch(topic, events)
    expect(problem).toMatchObject({ code: 'too_large', errors: [{ pointer: '/1' }] })
  })

  test('one invalid event of a batch, by its place, and nothing is stored', async () => {
    const events = [cloudEvent('a'), cloudEvent('b'), cloudEvent('c'), { specversion: '1.0', id: 'd' }]
    expectPointers(await client.batch(topic, events), ['/3/type'])
    expectPointers(await client.batch(topic, [...events.slice(0, 3), cloudEvent('d', { 'a/b': 1 })]), ['/3/a~1b'])
    expectPointers(await client.publish(topic, `[{${required}},{${required},"x":1,"x":2}]`, batchType), ['/1'])
  })

  test('a topic whose name is none', async () => {
    for (const name of ['Orders', 'a..b', '.a', 'a%20b', 'x'.repeat(129), '%ff', '%2e%2e%2fx', '__proto__']) {
      expectPointers(await client.publish(name, 'x', 'text/plain'), ['/topic'])
    }
  })

  test('a topic that is not there', async () => {
    for (const name of ['nowhere', 'constructor', 'tostring']) {
      expect((await client.publish(name, 'x', 'text/plain')).problem.code).toBe('not_found')
    }
  })
})
