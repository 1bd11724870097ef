import { describe, expect, test } from 'vitest'
import { type Envelope, ScanError, scanArray, scanEnvelope, scanValue } from '../../../src/core/scan.ts'
import { Random, seedOfRun } from '../../conformance/random.ts'
import { bytesOf } from './json-corpus.ts'
import { randomJson } from './json-reference.ts'

const decoder = new TextDecoder()

function scan(text: string, depth = 64): Envelope & { data: string | undefined; base64: string | undefined } {
  const bytes = bytesOf(text)
  const found = scanEnvelope(bytes, 0, bytes.length, depth)
  const part = (start: number, end: number): string | undefined =>
    start < 0 ? undefined : decoder.decode(bytes.subarray(start, end))
  return { ...found, data: part(found.dataStart, found.dataEnd), base64: part(found.base64Start, found.base64End) }
}

function elements(text: string, depth = 64): string[] {
  const bytes = bytesOf(text)
  const found: string[] = []
  scanArray(bytes, 0, bytes.length, depth, (start, end) => found.push(decoder.decode(bytes.subarray(start, end))))
  return found
}

describe('where data lies', () => {
  test.each([
    ['{"data":1}', '1'],
    ['{"data" :\t 1.50e+02 }', '1.50e+02'],
    ['{"a":1,"data":{"b":[1, 2]},"c":"data"}', '{"b":[1, 2]}'],
    ['{"data":"a\\"b"}', '"a\\"b"'],
    ['{"data":null}', 'null'],
    ['{"data":{"data":2}}', '{"data":2}'],
    ['{"x":{"data":3},"data":4}', '4'],
    ['{"data":"€😀" }', '"€😀"'],
    ['{"€":1,"data":[ ]}', '[ ]'],
    [' \n{"data":true}\n ', 'true'],
  ])('%s', (text, data) => {
    expect(scan(text).data).toBe(data)
  })

  test.each(['{"d\\u0061ta":7}', '{"\\u0064ata":7}', '{"\\u0064\\u0061\\u0074\\u0061":7}', '{"dat\\u0061":7}'])(
    'a name written with escapes is the same name: %s',
    (text) => {
      expect(scan(text).data).toBe('7')
    },
  )

  test.each(['{"d\\u0061ta_base64":"eA=="}', '{"data\\u005fbase64":"eA=="}', '{"data_base64":"eA=="}'])(
    'and so with data_base64: %s',
    (text) => {
      expect(scan(text)).toMatchObject({ base64: '"eA=="', dataStart: -1 })
    },
  )

  test.each([
    '{"datb":1}',
    '{"Data":1}',
    '{"data_base65":1}',
    '{"dataa":1}',
    '{"d\\u0062ta":1}',
    '{"x":{"data":1}}',
    '{}',
  ])('no other member is taken for it: %s', (text) => {
    expect(scan(text)).toMatchObject({ dataStart: -1, dataEnd: -1, base64Start: -1, base64End: -1 })
  })

  test('members are counted with their duplicates, those inside of data are not', () => {
    expect(scan('{}').members).toBe(0)
    expect(scan('{"a":1,"a":2,"data":{"b":1,"c":2}}').members).toBe(3)
    expect(scan('{"data":1,"d\\u0061ta":2}')).toMatchObject({ members: 2, data: '2' })
  })

  test('the end is after the object, wherever it begins', () => {
    const bytes = bytesOf('[{"data":1} ,{"data":22}]')
    expect(scanEnvelope(bytes, 1, 11, 64)).toMatchObject({ dataStart: 9, dataEnd: 10, end: 11 })
    expect(scanEnvelope(bytes, 13, 24, 64)).toMatchObject({ dataStart: 21, dataEnd: 23, end: 24 })
  })

  test.each([
    ['{"data":{"a":1}}', false],
    ['{"data":{"a": "b\\nc"}}', false],
    ['{"data":{"a":\t1}}', false],
    ['{"data":{"a":\n1}}', true],
    ['{"data":[1,\r2]}', true],
    ['{\n"data":{"a":1}\n}', false],
    ['{"a":[\n],"data":1}', false],
  ])('line breaks between the tokens of data: %j', (text, spaced) => {
    expect(scan(text).dataSpaced).toBe(spaced)
  })

  const seed = seedOfRun()
  test(`the span of random data is exactly that data (SLUICE_SEED=${seed})`, () => {
    const random = new Random(seed)
    for (let round = 0; round < 3000; round++) {
      const data = randomJson(random, 4)
      const text = `{"a": ${randomJson(random, 2)},"data":${data} ,"b":${randomJson(random, 2)}}`
      expect(scan(text)).toMatchObject({ data, dataSpaced: /[\n\r]/.test(data), members: 3 })
    }
  })
})

describe('elements of an array', () => {
  test.each([
    ['[]', []],
    [' [ ] ', []],
    ['[1, "a,b" ,[2,3],{"c":[4]}]', ['1', '"a,b"', '[2,3]', '{"c":[4]}']],
  ])('%s', (text, found) => {
    expect(elements(text)).toEqual(found)
  })

  test.each(['', '{}', '1', '[1', '[1,]', '[,1]', '[1 2]', '[] x', '[]]', '[{]'])('%s is refused', (text) => {
    expect(() => elements(text)).toThrow(ScanError)
  })
})

describe('depth', () => {
  const nested = (levels: number): Uint8Array => bytesOf('['.repeat(levels) + ']'.repeat(levels))

  test('as deep as allowed, and not one level deeper', () => {
    expect(() => scanValue(nested(64), 0, 128, 64)).not.toThrow()
    const tooDeep = () => scanValue(nested(65), 0, 130, 64)
    expect(tooDeep).toThrow(ScanError)
    expect(tooDeep).toThrow(/deeper than 64/)
    expect(() => scanValue(bytesOf('1'), 0, 1, 0)).not.toThrow()
    expect(() => scanValue(bytesOf('{}'), 0, 2, 0)).toThrow(/deeper than 0/)
  })

  test('objects, arrays and the envelope itself count alike', () => {
    expect(() => scan('{"data":{"a":[1]}}', 3)).not.toThrow()
    expect(() => scan('{"data":{"a":[1]}}', 2)).toThrow(/deeper than 2/)
    expect(() => elements('[{"a":[]}]', 3)).not.toThrow()
    expect(() => elements('[{"a":[]}]', 2)).toThrow(/deeper than 2/)
    expect(() => scan('{"a":[[]]}', 2)).toThrow(/deeper than 2/)
  })

  test('a million levels are refused at the bound, and do not exhaust the stack', () => {
    const bytes = new Uint8Array(1_000_000).fill(0x5b)
    expect(() => scanValue(bytes, 0, bytes.length, 64)).toThrow(expect.objectContaining({ offset: 64, depth: true }))
  })
})

test('a refusal says where', () => {
  expect(() => scan('{"a":1,}')).toThrow('unexpected character at byte 7')
  expect(() => scan('{"a"')).toThrow('the JSON value ends too early at byte 4')
  expect(() => scan('{} {}')).toThrow('there is more after the JSON value at byte 3')
  expect(() => scan('[]')).toThrow('a JSON object must begin at byte 0')
})
