import { describe, expect, test } from 'vitest'
import { parseBinary } from '../../../src/core/binary.ts'
import type { Event } from '../../../src/core/event.ts'
import type { Defaults } from '../../../src/core/structured.ts'
import { pointersOf } from './refusal.ts'

const defaults: Defaults = { id: () => 'made-id', time: () => '2026-01-31T12:00:00.000Z', source: '/topics/orders' }
const none = new Uint8Array(0)

function parse(headers: Record<string, string>, body: Uint8Array = none): Event {
  return parseBinary(Object.entries({ 'ce-specversion': '1.0', 'ce-type': 't', ...headers }), body, defaults)
}

/** What an attribute is after its header was decoded. */
function decoded(value: string): unknown {
  return parse({ 'ce-subject': value }).attributes.subject
}

describe('binary mode', () => {
  test('headers are attributes, the content type too, others are not', () => {
    const { attributes } = parse({
      'ce-id': '1',
      'ce-source': '/s',
      'ce-time': '2026-01-01T00:00:00Z',
      'ce-subject': 'x',
      'ce-ext': 'e',
      'content-type': 'text/plain',
      'x-other': 'no',
      accept: '*/*',
    })
    expect(attributes).toEqual({
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 't',
      time: '2026-01-01T00:00:00Z',
      subject: 'x',
      ext: 'e',
      datacontenttype: 'text/plain',
    })
  })

  test('what is missing is filled in', () => {
    expect(parse({}).attributes).toEqual({
      specversion: '1.0',
      id: 'made-id',
      source: '/topics/orders',
      type: 't',
      time: '2026-01-31T12:00:00.000Z',
    })
  })

  test('the body is the data, byte for byte; no body and no type is no data', () => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    expect(parse({}, all).data).toEqual(all)
    expect(parse({ 'content-type': 'application/json' }, all).data).toEqual(all)
    expect(parse({}).data).toBeUndefined()
    expect(parse({ 'content-type': 'text/plain' }).data).toEqual(none)
  })

  test.each([
    ['plain', 'plain'],
    ['a%20b', 'a b'],
    ['%E2%82%AC', '€'],
    ['%e2%82%ac', '€'],
    ['%F0%9F%98%80', '😀'],
    ['Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
    // The example of the HTTP binding, section 3.1.3.2: one round only.
    ['%2541', '%41'],
    ['100%', '100%'],
    ['%zz', '%zz'],
    ['%4', '%4'],
    ['a%', 'a%'],
    // Bytes that a sender put there raw arrive as one character each.
    ['\u00c3\u00a9', 'é'],
    ['"quoted"', 'quoted'],
    ['"a \\"b\\" \\\\ c"', 'a "b" \\ c'],
    ['"%22"', '"'],
    ['"', '"'],
    ['a"b', 'a"b'],
  ])('a header %j is %j', (header, value) => {
    expect(decoded(header)).toBe(value)
  })

  test.each([
    [{ 'ce-specversion': '0.3' }, '/specversion'],
    [{ 'ce-type': '' }, '/type'],
    [{ 'ce-time': 'yesterday' }, '/time'],
    [{ 'ce-id': '' }, '/id'],
    [{ 'ce-data': 'x' }, '/data'],
    [{ 'ce-data_base64': 'eA==' }, '/data_base64'],
    [{ 'ce-a-b': 'x' }, '/a-b'],
    [{ 'ce-datacontenttype': 'text/plain' }, '/datacontenttype'],
    [{ 'content-type': 'nonsense' }, '/datacontenttype'],
    [{ 'ce-ext': '%ff' }, '/ext'],
    [{ 'ce-ext': '%C3' }, '/ext'],
    [{ 'ce-ext': '%00' }, '/ext'],
    [{ 'ce-ext': '%ED%A0%80' }, '/ext'],
    [{ 'ce-ext': 'a\u00e9' }, '/ext'],
  ])('%j is refused at %s', async (headers, pointer) => {
    expect(await pointersOf(() => parse(headers))).toEqual([pointer])
  })

  test('specversion and type are required', async () => {
    expect(await pointersOf(() => parseBinary([['ce-type', 't']], none, defaults))).toEqual(['/specversion'])
    expect(await pointersOf(() => parseBinary([['ce-specversion', '1.0']], none, defaults))).toEqual(['/type'])
  })
})
