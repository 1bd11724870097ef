import { describe, expect, test } from 'vitest'
import { checkAttribute, eventBytes, isJsonType, isTime, keyOf, utf8Length } from '../../../src/core/event.ts'
import { pointersOf, refusal } from './refusal.ts'

const good: readonly [name: string, value: unknown][] = [
  ['specversion', '1.0'],
  ['id', '1'],
  ['id', 'Ünïcode 😀'],
  ['id', ' '],
  ['source', '/a'],
  ['source', 'urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66'],
  ['source', 'https://example.org/a?b=c#d'],
  ['source', '../x%20y'],
  ['type', 'com.example.made'],
  ['subject', 'a b/c'],
  ['time', '2026-01-31T12:00:00Z'],
  ['time', '2026-01-31t12:00:00.123456789z'],
  ['time', '2026-01-31T12:00:00+23:59'],
  ['time', '2024-02-29T00:00:00-00:00'],
  ['time', '2016-12-31T23:59:60Z'],
  ['datacontenttype', 'application/json'],
  ['datacontenttype', 'text/plain; charset="utf-8"'],
  ['datacontenttype', 'application/vnd.a.b+json;v=1'],
  ['dataschema', 'https://example.org/schema.json'],
  ['dataschema', 'urn:x'],
  ['partitionkey', 'k'],
  ['a', ''],
  ['a', 'any text'],
  ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ['0', 'x'],
  ['constructor', 'x'],
  ['flag', true],
  ['flag', false],
  ['n', 0],
  ['n', 2_147_483_647],
  ['n', -2_147_483_648],
  ['n', 1e2],
]

const bad: readonly [name: string, value: unknown][] = [
  ['specversion', '0.3'],
  ['specversion', 1],
  ['id', ''],
  ['id', 1],
  ['id', null],
  ['type', ''],
  ['type', true],
  ['source', ''],
  ['source', 'a b'],
  ['source', '<a>'],
  ['subject', ''],
  ['subject', 5],
  ['partitionkey', ''],
  ['partitionkey', 7],
  ['time', ''],
  ['time', '2026-01-31'],
  ['time', '2026-01-31 12:00:00Z'],
  ['time', '2026-01-31T12:00:00'],
  ['time', '2026-02-29T12:00:00Z'],
  ['time', '1900-02-29T12:00:00Z'],
  ['time', '2026-13-01T12:00:00Z'],
  ['time', '2026-04-31T12:00:00Z'],
  ['time', '2026-01-31T24:00:00Z'],
  ['time', '2026-01-31T12:60:00Z'],
  ['time', '2026-01-31T12:00:61Z'],
  ['time', '2026-01-31T12:00:00.Z'],
  ['time', '2026-01-31T12:00:00+24:00'],
  ['time', ' 2026-01-31T12:00:00Z'],
  ['time', 1_769_860_800],
  ['datacontenttype', 'json'],
  ['datacontenttype', ''],
  ['datacontenttype', 'a/b c'],
  ['dataschema', '/relative'],
  ['dataschema', ''],
  ['A', 'x'],
  ['a_b', 'x'],
  ['a-b', 'x'],
  ['a.b', 'x'],
  ['', 'x'],
  ['é', 'x'],
  ['__proto__', 'x'],
  ['data', 'x'],
  ['data', 1],
  ['data_base64', 'x'],
  ['n', 1.5],
  ['n', 2_147_483_648],
  ['n', -2_147_483_649],
  ['n', Number.NaN],
  ['n', {}],
  ['n', []],
  ['a b', true],
  // What CloudEvents forbids in a string: controls, noncharacters, half a surrogate pair.
  ['a', '\u0000'],
  ['a', 'x\n'],
  ['a', '\u001f'],
  ['a', '\u007f'],
  ['a', '\u0085'],
  ['a', '\u009f'],
  ['a', '\ufdd0'],
  ['a', '\ufffe'],
  ['a', '\uffff'],
  ['a', '\ud800'],
  ['a', 'x\udc00'],
]

describe('attributes', () => {
  test.each(good)('%s may be %j', (name, value) => {
    expect(() => checkAttribute(name, value, '')).not.toThrow()
  })

  test.each(bad)('%s may not be %j', async (name, value) => {
    expect(await pointersOf(() => checkAttribute(name, value, '/3'))).toEqual([`/3/${name}`])
  })

  test('a pointer is escaped, also where the value is wrong too', async () => {
    expect(await pointersOf(() => checkAttribute('a/b~c', 'x', '/0'))).toEqual(['/0/a~1b~0c'])
    expect(await pointersOf(() => checkAttribute('a/b', '\u0000', ''))).toEqual(['/a~1b'])
    expect(await pointersOf(() => checkAttribute('a/b', 1.5, ''))).toEqual(['/a~1b'])
  })

  test('a refusal does not echo a name of any length', async () => {
    for (const value of ['x', '\u0000', 1.5, true]) {
      const error = await refusal(() => checkAttribute('A'.repeat(10_000), value, ''))
      expect(error.message.length).toBeLessThan(300)
    }
  })

  test('the ordering key is the partitionkey', () => {
    const attributes = { specversion: '1.0', id: '1', source: '/s', type: 't' } as const
    expect(keyOf({ attributes })).toBeUndefined()
    expect(keyOf({ attributes: { ...attributes, partitionkey: 'k' } })).toBe('k')
  })
})

test.each([
  ['application/json', true],
  ['application/json; charset=utf-8', true],
  ['Application/JSON', true],
  ['text/json', true],
  ['application/vnd.x+json ;v=1', true],
  ['application/cloudevents+json', true],
  ['application/jsonp', false],
  ['application/xml', false],
  ['text/plain', false],
  ['application/octet-stream; x=+json', false],
])('whether %s is JSON: %s', (type, json) => {
  expect(isJsonType(type)).toBe(json)
})

test('leap years and the last days of months', () => {
  for (let month = 1; month <= 12; month++) {
    for (const [year, leap] of [
      [2023, false],
      [2024, true],
      [1900, false],
      [2000, true],
    ] as const) {
      const days = new Date(Date.UTC(year, month, 0)).getUTCDate()
      const text = (day: number): string => `${year}-${String(month).padStart(2, '0')}-${day}T00:00:00Z`
      expect(isTime(text(days)), text(days)).toBe(true)
      expect(isTime(text(days + 1)), text(days + 1)).toBe(false)
      if (month === 2) expect(days).toBe(leap ? 29 : 28)
    }
  }
})

describe('size', () => {
  test('bytes of UTF-8', () => {
    for (const text of ['', 'abc', 'é', '€', '😀', 'a\u007f\u0080\u07ff\u0800\uffff\u{10000}']) {
      expect(utf8Length(text), text).toBe(new TextEncoder().encode(text).length)
    }
  })

  test('an event counts its data and the names and values of its attributes', () => {
    const attributes = { specversion: '1.0', id: 'é', source: '/s', type: 't' } as const
    const names = 'specversion'.length + 'id'.length + 'source'.length + 'type'.length
    expect(eventBytes({ attributes })).toBe(names + '1.0'.length + 2 + 2 + 1)
    const bare = eventBytes({ attributes })
    expect(eventBytes({ attributes, data: new Uint8Array(1000) })).toBe(bare + 1000)
    expect(eventBytes({ attributes: { ...attributes, n: 7 } })).toBe(bare + 1 + 8)
  })

  test('where the attributes are at hand as JSON, those bytes count', () => {
    const attributes = { specversion: '1.0', id: '1', source: '/s', type: 't' } as const
    const attributesJson = new Uint8Array(321)
    expect(eventBytes({ attributes, attributesJson, data: new Uint8Array(9) })).toBe(330)
  })
})
