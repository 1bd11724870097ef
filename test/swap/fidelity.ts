import { expect, test } from 'vitest'
import { ndjsonType, type ReadEvent, structuredType } from '../http/events.ts'
import { replay } from './expectation.ts'
import type { Stage } from './stage.ts'

const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte)
const base64 = (bytes: string | Uint8Array): string => Buffer.from(bytes).toString('base64')
/** As deep as data may be in an envelope, which is a level of its own. */
const deep = '['.repeat(63) + ']'.repeat(63)
const numbers = '{"z":9007199254740993,"a":1.0,"e":1E400,"n":-0,"a":[123456789012345678901234567890]}'
const unicode = '{"é€😀":"\\u0000 \\ud83d\\ude00 \u2028"}'

/** A media type (undefined: none), a body, and what of it is read. */
const bodies: readonly [type: string | undefined, body: string | Uint8Array<ArrayBuffer>, shown: Partial<ReadEvent>][] =
  [
    ['application/json', '{"a":1}', { data: { a: 1 } }],
    ['application/json', 'null', { data: null }],
    ['application/json; charset=utf-8', '"x"', { data: 'x' }],
    ['application/vnd.x+json', '[1]', { data: [1] }],
    ['application/json', deep, { data: JSON.parse(deep) }],
    ['application/json', '{broken', { data_base64: base64('{broken') }],
    ['application/json', '', { data_base64: '' }],
    ['application/json', everyByte, { data_base64: base64(everyByte) }],
    ['text/plain', 'a\nb\r\nc\u0000 é€😀', { data: 'a\nb\r\nc\u0000 é€😀' }],
    ['text/plain', '', { data: '' }],
    ['text/plain', everyByte, { data_base64: base64(everyByte) }],
    ['text/csv', 'a,b\r\n1,2\r\n', { data: 'a,b\r\n1,2\r\n' }],
    ['application/octet-stream', everyByte, { data_base64: base64(everyByte) }],
    ['application/octet-stream', '', { data_base64: '' }],
    ['image/png', everyByte, { data_base64: base64(everyByte) }],
    [undefined, '{"a":1}', { data: { a: 1 } }],
    [undefined, 'no JSON', { data_base64: base64('no JSON') }],
    [undefined, '', {}],
  ]

/** What a broker gives back is what was published, byte for byte and attribute for attribute. */
export function fidelity(at: () => Stage): void {
  test('every kind of body, of every byte', async () => {
    const { client } = at()
    const topic = await at().topic()
    for (const [i, [type, body]] of bodies.entries()) {
      const headers = { 'ce-specversion': '1.0', 'ce-type': 't', 'ce-id': `b${i}`, 'ce-partitionkey': 'k' }
      const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
      const answer = await client.publish(topic, bytes, type, { headers })
      expect(answer.status, answer.text).toBe(200)
    }
    const found = await at().contents(topic, bodies.length)
    if (found === undefined) return
    expect(found.length).toBe(bodies.length)
    for (const [i, [type, , shown]] of bodies.entries()) {
      const { data, data_base64, datacontenttype, id } = found.find((one) => one.id === `b${i}`)!
      const kept = { ...(data !== undefined && { data }), ...(data_base64 !== undefined && { data_base64 }) }
      expect({ id, datacontenttype, ...kept }).toEqual({ id: `b${i}`, datacontenttype: type, ...shown })
    }
  })

  test('attributes of every kind, verbatim', async () => {
    const { client } = at()
    const topic = await at().topic()
    const event = {
      specversion: '1.0',
      id: 'ä/"%\\ 😀',
      source: 'urn:x:ü?a=1#b',
      type: 'π.made',
      subject: 'Ω ',
      time: '2026-01-31T12:00:00.100000001+05:30',
      dataschema: 'https://example.com/schema?x=%20',
      partitionkey: 'k é€😀',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'a=1,b=2',
      sequence: '000000000001',
      flag: true,
      count: -2147483648,
      constructor: 'c',
      tostring: '',
      datacontenttype: 'application/json',
      data: { n: [1, null, '€'] },
    }
    const stored = await client.structured(topic, event)
    expect(stored.status, stored.text).toBe(200)
    expect(stored.json()).toMatchObject({ id: event.id })
    const found = await at().contents(topic, 1)
    if (found !== undefined) expect(found).toEqual([event])
    if (!at().can(replay)) return
    const byKey = await client.get(
      `/v1/topics/${topic}/events?from=earliest&key=${encodeURIComponent(event.partitionkey)}`,
    )
    expect(byKey.json<{ events: unknown[] }>().events.length).toBe(1)
  })

  test('numbers, order and duplicates inside of data, and what means something to an engine', async () => {
    const { client } = at()
    const topic = await at().topic()
    const proto = '{"__proto__":{"polluted":true},"constructor":1,"toString":null}'
    const texts = [numbers, unicode, proto, '"\\"\\\\/\\b"', '123456789012345678901234567890', '1.0', '-0']
    for (const data of texts) {
      const text = `{"specversion":"1.0","type":"t","partitionkey":"k","data":${data}}`
      expect((await client.publish(topic, text, structuredType)).status).toBe(200)
    }
    if (!at().can(replay)) return
    const answer = await client.get(`/v1/topics/${topic}/events?from=earliest`, { accept: ndjsonType })
    const shown = answer.text.split('\n').slice(0, texts.length)
    for (const [i, line] of shown.entries()) expect(line).toContain(`"data":${texts[i]}`)
  })

  test('an event without data has none, and base64 reads as what its bytes are', async () => {
    const { client } = at()
    const topic = await at().topic()
    const event = { specversion: '1.0', type: 't', source: '/s', time: '2026-01-31T12:00:00Z', partitionkey: 'k' }
    const some = [
      { ...event, id: 'none' },
      { ...event, id: 'null', data: null },
      { ...event, id: 'empty', datacontenttype: 'text/plain', data: '' },
      { ...event, id: 'bytes', datacontenttype: 'application/x', data_base64: base64(everyByte) },
    ]
    expect((await client.batch(topic, some)).status).toBe(200)
    const inside = { ...event, id: 'json', datacontenttype: 'application/json', data_base64: base64('{"a":1}') }
    expect((await client.structured(topic, inside)).status).toBe(200)
    const found = await at().contents(topic, some.length + 1)
    if (found === undefined) return
    const { data_base64: _, ...json } = inside
    const [none, isNull, ...rest] = ['none', 'null', 'empty', 'bytes', 'json'].map((id) =>
      found.find((e) => e.id === id),
    )
    expect(found.length).toBe(some.length + 1)
    expect(none).toEqual(some[0])
    expect(isNull).toMatchObject({ id: 'null', data: null })
    expect(rest).toEqual([...some.slice(2), { ...json, data: { a: 1 } }])
  })

  test('what is read can be published again, and stays the same', async () => {
    if (!at().can(replay)) return
    const { client } = at()
    const [from, to] = [await at().topic(), await at().topic()]
    for (const [type, body] of bodies) {
      const headers = { 'ce-specversion': '1.0', 'ce-type': 't', 'ce-ext': '%E2%82%AC', 'ce-partitionkey': 'k' }
      const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
      await client.publish(from, bytes, type, { headers })
    }
    const wire = async (topic: string) => {
      const answer = await client.get(`/v1/topics/${topic}/events?from=earliest`, { accept: ndjsonType })
      return answer.text
        .split('\n')
        .slice(0, -2)
        .map((line) => line.slice(line.indexOf(',"event":') + 9, -1))
    }
    const first = await wire(from)
    expect(first.length).toBe(bodies.length)
    await client.publish(to, first.join('\n'), ndjsonType)
    expect(await wire(to)).toEqual(first)
  })
}
