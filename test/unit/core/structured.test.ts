import { describe, expect, test } from 'vitest'
import type { Event } from '../../../src/core/event.ts'
import { type Defaults, parseStructured, splitBatch, structuredBytes } from '../../../src/core/structured.ts'
import { bytesOf } from './json-corpus.ts'
import { pointersOf, refusal } from './refusal.ts'

const decoder = new TextDecoder()
const defaults: Defaults = { id: () => 'made-id', time: () => '2026-01-31T12:00:00.000Z', source: '/topics/orders' }

function parse(text: string | Uint8Array, pointer = '', depth = 64): Event {
  const bytes = typeof text === 'string' ? bytesOf(text) : text
  return parseStructured(bytes, 0, bytes.length, depth, defaults, pointer)
}

/** An envelope with everything that is required, and `more`. */
function envelope(more = ''): string {
  const tail = more === '' ? '' : `,${more}`
  return `{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-01-01T00:00:00Z"${tail}}`
}

function dataOf(text: string): string | undefined {
  const { data } = parse(text)
  return data === undefined ? undefined : decoder.decode(data)
}

describe('reading an event', () => {
  test('what is missing is filled in; null is the same as missing', () => {
    const filled = { id: 'made-id', source: '/topics/orders', time: '2026-01-31T12:00:00.000Z', type: 't' }
    expect(parse('{"specversion":"1.0","type":"t"}').attributes).toEqual({ specversion: '1.0', ...filled })
    const nulls = '{"specversion":"1.0","type":"t","id":null,"source":null,"time":null,"subject":null,"ext":null}'
    expect(parse(nulls).attributes).toEqual({ specversion: '1.0', ...filled })
  })

  test('what is there is left as it is', () => {
    const text = envelope('"subject":"x","n":5,"flag":false,"ext":"","constructor":"c"')
    expect({ ...parse(text).attributes }).toEqual({
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 't',
      time: '2026-01-01T00:00:00Z',
      subject: 'x',
      n: 5,
      flag: false,
      ext: '',
      constructor: 'c',
    })
  })

  test.each([
    ['{"type":"t"}', '/specversion'],
    ['{"specversion":"0.3","type":"t"}', '/specversion'],
    ['{"specversion":1.0,"type":"t"}', '/specversion'],
    ['{"specversion":"1.0"}', '/type'],
    ['{"specversion":"1.0","type":null}', '/type'],
    ['{"specversion":"1.0","type":""}', '/type'],
    ['{"specversion":"1.0","type":7}', '/type'],
    [envelope('"Bad":1'), '/Bad'],
    [envelope('"__proto__":"x"'), '/__proto__'],
    [envelope('"obj":{}'), '/obj'],
    [envelope('"data":1,"data_base64":"eA=="'), '/data_base64'],
    [envelope('"data_base64":"eA"'), '/data_base64'],
    [envelope('"data_base64":"e*=="'), '/data_base64'],
    [envelope('"data_base64":5'), '/data_base64'],
    [envelope('"datacontenttype":"text/plain","data":5'), '/data'],
    [envelope('"datacontenttype":"text/plain","data":{"a":1}'), '/data'],
    [envelope('"datacontenttype":"text/plain","data":"\\ud800"'), '/data'],
    ['', ''],
    ['null', ''],
    ['[]', ''],
    ['{"specversion":"1.0","type":"t"', ''],
    ['{"specversion":"1.0","type":"t"}x', ''],
    ['\ufeff{"specversion":"1.0","type":"t"}', ''],
    [envelope('"data":NaN'), ''],
  ])('%s is refused at %j', async (text, pointer) => {
    expect(await pointersOf(() => parse(text))).toEqual([pointer])
    expect(await pointersOf(() => parse(text, '/7'))).toEqual([`/7${pointer}`])
  })

  test.each([
    '"id":"2"',
    '"type":"u"',
    '"data":1,"data":2',
    '"data":1,"d\\u0061ta":2',
    '"ext":1,"ext":1',
    '"ext":1,"\\u0065xt":2',
  ])('a member twice is refused: %s', async (more) => {
    const error = await refusal(() => parse(envelope(more)))
    expect(error).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('twice') })
  })

  test('invalid UTF-8 is refused, in an attribute and in data', async () => {
    for (const text of [envelope('"ext":"?"'), envelope('"data":"?"')]) {
      const bytes = bytesOf(text)
      bytes[bytes.lastIndexOf(0x3f)] = 0xff
      const error = await refusal(() => parse(bytes))
      expect(error).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('UTF-8') })
    }
  })

  test('depth counts the envelope', async () => {
    const nested = (levels: number): string => envelope(`"data":${'['.repeat(levels)}${']'.repeat(levels)}`)
    expect(() => parse(nested(63))).not.toThrow()
    expect((await refusal(() => parse(nested(64)))).message).toContain('deeper than 64')
  })

  test('a name written with escapes is the attribute, and data is data', () => {
    const { attributes, data } = parse('{"sp\\u0065cversion":"1.0","\\u0074ype":"t","d\\u0061ta":{"x":1}}')
    expect(attributes).toMatchObject({ specversion: '1.0', type: 't' })
    expect(decoder.decode(data)).toBe('{"x":1}')
  })
})

describe('data', () => {
  test('absent, null and empty differ', () => {
    expect(parse(envelope()).data).toBeUndefined()
    expect(dataOf(envelope('"data":null'))).toBe('null')
    expect(dataOf(envelope('"data_base64":""'))).toBe('')
    expect(parse(envelope('"data_base64":null')).data).toBeUndefined()
  })

  test('JSON is kept byte for byte', () => {
    const data =
      '{"b":9007199254740993,"a" : [1.0,1e2, -0],"b":2,"__proto__":{"x":1},"constructor":{},"s":"\\u00e9é\\/"}'
    expect(dataOf(envelope(`"data": ${data} `))).toBe(data)
    expect(dataOf(envelope(`"datacontenttype":"application/vnd.x+json","data":${data}`))).toBe(data)
  })

  test('a string under another type is its text', () => {
    expect(dataOf(envelope('"datacontenttype":"text/plain","data":"a\\n\\u00e9😀\\ud83d\\ude00"'))).toBe('a\né😀😀')
    expect(dataOf(envelope('"datacontenttype":"application/xml","data":""'))).toBe('')
  })

  test('base64 is its bytes', () => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const text = Buffer.from(all).toString('base64')
    expect(parse(envelope(`"data_base64":"${text}"`)).data).toEqual(all)
  })

  test('prototypes are as they were', () => {
    parse(envelope('"data":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}},"constructor":"c"'))
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })
})

describe('a batch', () => {
  test('is cut into its elements', () => {
    const bytes = bytesOf(' [ {"a":1} ,{"b":[2]}] ')
    expect(splitBatch(bytes, 64).map(([from, to]) => decoder.decode(bytes.subarray(from, to)))).toEqual([
      '{"a":1}',
      '{"b":[2]}',
    ])
    expect(splitBatch(bytesOf('[]'), 64)).toEqual([])
  })

  test('that is no array is refused', async () => {
    for (const text of ['{}', '', '[{}', '[{}],', 'null']) {
      expect(await pointersOf(() => splitBatch(bytesOf(text), 64)), text).toEqual([''])
    }
  })

  test('allows each element the depth that one alone has', () => {
    const bytes = bytesOf(`[${envelope(`"data":${'['.repeat(63)}${']'.repeat(63)}`)}]`)
    const [[from, to]] = splitBatch(bytes, 64) as [[number, number]]
    expect(() => parseStructured(bytes, from, to, 64, defaults)).not.toThrow()
  })
})

describe('writing an event', () => {
  test.each([
    envelope(),
    envelope('"data":{"b":9007199254740993,"a":1,"a":2,"__proto__":null,"z":"\\u00e9"}'),
    envelope('"data":null'),
    envelope('"datacontenttype":"application/json","data":[1.50,1e2,-0]'),
    envelope('"datacontenttype":"text/plain","data":"a\\nb\\"é😀"'),
    envelope('"datacontenttype":"application/octet-stream","data_base64":"AAEC/w=="'),
    envelope('"n":-5,"flag":true,"ext":"é"'),
  ])('gives back what was read, byte for byte: %s', (text) => {
    expect(decoder.decode(structuredBytes(parse(text)))).toBe(text)
  })

  test('line breaks between the tokens of data are left out, other white space stays', () => {
    const written = decoder.decode(structuredBytes(parse(envelope('"data":{\r\n "a": "x\\ny",\n\t"b":[ 1 ]}'))))
    expect(written).toBe(envelope('"data":{ "a": "x\\ny",\t"b":[ 1 ]}'))
  })

  test('is one line, whatever the data', () => {
    for (const [type, data] of [
      ['application/json', '{\n"a":\r1}'],
      ['text/plain', 'a\r\nb\u2028'],
      ['text/html', '\n'],
      ['application/octet-stream', '\n\n'],
    ] as const) {
      const { attributes } = parse(envelope(`"datacontenttype":"${type}"`))
      const written = structuredBytes({ attributes, data: bytesOf(data) })
      expect(written.includes(0x0a) || written.includes(0x0d), type).toBe(false)
      const again = parseStructured(written, 0, written.length, 64, defaults)
      const expected = type === 'application/json' ? '{"a":1}' : data
      expect(decoder.decode(again.data)).toBe(expected)
    }
  })

  test('bytes of every length and value come back', () => {
    const { attributes } = parse(envelope('"datacontenttype":"application/octet-stream"'))
    for (const length of [0, 1, 2, 3, 4, 255, 0x6000 - 1, 0x6000, 0x6000 + 1, 100_000]) {
      const data = Uint8Array.from({ length }, (_, i) => i * 7)
      const written = structuredBytes({ attributes, data })
      expect(Buffer.compare(parse(written).data ?? bytesOf('absent'), data), `${length} bytes`).toBe(0)
    }
  })

  test('attributes that are at hand as JSON are copied', () => {
    const attributesJson = bytesOf('"specversion":"1.0","id":"1"')
    const event = { ...parse(envelope('"data":1')), attributesJson }
    expect(decoder.decode(structuredBytes(event))).toBe('{"specversion":"1.0","id":"1","data":1}')
  })
})
