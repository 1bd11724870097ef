import { describe, expect, test } from 'vitest'
import type { AttributeValue, Event } from '../../src/core/event.ts'
import type { Filter } from '../../src/core/filter.ts'
import { Matcher, matches } from '../../src/delivery/match/matcher.ts'

const utf8 = new TextEncoder()

function event(attributes: Record<string, AttributeValue> = {}, data?: string | Uint8Array): Event {
  const core = { specversion: '1.0', id: '1', source: '/shop', type: 'com.github.push' } as const
  const bytes = typeof data === 'string' ? utf8.encode(data) : data
  return { attributes: { ...core, ...attributes }, ...(bytes && { data: bytes }) }
}

/** Both ways must agree on every single case. */
function matching(filter: Filter | readonly Filter[], wanted: Event): boolean {
  const filters = Array.isArray(filter) ? filter : [filter as Filter]
  const answer = matches(filters, wanted)
  expect(new Matcher([{ filters, value: 1 }]).match(wanted)).toEqual(answer ? [1] : [])
  return answer
}

describe('the examples of the CloudEvents Subscriptions API', () => {
  const spec = event({ subject: 'https://github.com/cloudevents/spec' })
  const other = event({ subject: 'https://github.com/cloudevents/sdk' })

  test('exact', () => {
    const filter = { exact: { type: 'com.github.push', subject: 'https://github.com/cloudevents/spec' } }
    expect(matching(filter, spec)).toBe(true)
    expect(matching(filter, other)).toBe(false)
    expect(matching({ exact: { type: 'com.GitHub.push' } }, spec)).toBe(false)
  })

  test('prefix', () => {
    const filter = { prefix: { type: 'com.github.', subject: 'https://github.com/cloudevents' } }
    expect(matching(filter, spec)).toBe(true)
    expect(matching(filter, event({ subject: 'https://github.com/nodejs' }))).toBe(false)
    expect(matching(filter, event({ ...spec.attributes, type: 'com.github' }))).toBe(false)
  })

  test('suffix', () => {
    const filter = { suffix: { type: '.created', subject: '/cloudevents/spec' } }
    expect(matching(filter, event({ ...spec.attributes, type: 'order.created' }))).toBe(true)
    expect(matching(filter, spec)).toBe(false)
    expect(matching(filter, event({ ...spec.attributes, type: 'created' }))).toBe(false)
  })

  test('all and any', () => {
    const both: Filter[] = [
      { exact: { type: 'com.github.push' } },
      { exact: { subject: 'https://github.com/cloudevents/spec' } },
    ]
    expect([spec, other].map((each) => matching({ all: both }, each))).toEqual([true, false])
    expect([spec, other].map((each) => matching({ any: both }, each))).toEqual([true, true])
    expect(matching({ any: both }, event({ type: 'x' }))).toBe(false)
  })

  test('not', () => {
    expect(matching({ not: { exact: { type: 'com.github.push' } } }, spec)).toBe(false)
    expect(matching({ not: { exact: { type: 'com.github.pull' } } }, spec)).toBe(true)
  })
})

test('no filters match everything, a list is an all, an any of nothing matches nothing', () => {
  expect(matching([], event())).toBe(true)
  expect(matching([{ exact: { id: '1' } }, { exact: { source: '/shop' } }], event())).toBe(true)
  expect(matching([{ exact: { id: '1' } }, { exact: { source: '/' } }], event())).toBe(false)
  expect(matching({ all: [] }, event())).toBe(true)
  expect(matching({ any: [] }, event())).toBe(false)
  expect(matching({ not: { any: [] } }, event())).toBe(true)
  expect(matching({ exact: {} }, event())).toBe(true)
})

test('an attribute that is absent matches nothing, and its not everything', () => {
  for (const filter of [{ exact: { subject: 'a' } }, { prefix: { subject: '' } }, { suffix: { subject: '' } }]) {
    expect(matching(filter, event())).toBe(false)
    expect(matching({ not: filter }, event())).toBe(true)
  }
  expect(matching({ prefix: { subject: '' } }, event({ subject: 'a' }))).toBe(true)
  expect(matching({ exact: { subject: 'undefined' } }, event())).toBe(false)
})

test('booleans and integers compare in their canonical string form', () => {
  const typed = event({ retried: true, count: -42 })
  expect(matching({ exact: { retried: 'true', count: '-42' } }, typed)).toBe(true)
  expect(matching({ prefix: { count: '-4' } }, typed)).toBe(true)
  expect(matching({ suffix: { retried: 'rue' } }, typed)).toBe(true)
  expect(matching({ exact: { count: '-42.0' } }, typed)).toBe(false)
})

test('long prefixes and suffixes are told apart beyond what is looked up', () => {
  const long = 'x'.repeat(300)
  expect(matching({ prefix: { subject: `${long}a` } }, event({ subject: `${long}ab` }))).toBe(true)
  expect(matching({ prefix: { subject: `${long}b` } }, event({ subject: `${long}ab` }))).toBe(false)
  expect(matching({ suffix: { subject: `a${long}` } }, event({ subject: `ba${long}` }))).toBe(true)
  expect(matching({ suffix: { subject: `b${long}` } }, event({ subject: `ba${long}` }))).toBe(false)
})

describe('data', () => {
  const order = event({}, '{"a":{"b/c":1,"m~n":"x","":true},"l":["p",{"q":null}],"n":1.0,"e":[],"o":{},"~1":7}')

  test.each<[string, unknown, boolean]>([
    ['/a/b~1c', 1, true],
    ['/a/m~0n', 'x', true],
    ['/a/', true, true],
    ['/~01', 7, true],
    ['/l/0', 'p', true],
    ['/l/1/q', null, true],
    ['/n', 1, true],
    ['/n', '1', false],
    ['/n', true, false],
    ['/a/', 'true', false],
    ['/a/', 1, false],
    ['/l/1/q', 'null', false],
    ['/l/1/q', 0, false],
    ['/l/00', 'p', false],
    ['/l/-', 'p', false],
    ['/l/length', 2, false],
    ['/l/0/0', 'p', false],
    ['/l/0/length', 1, false],
    ['/missing', null, false],
    ['/e', '', false],
    ['/o', null, false],
    ['/n', [2, 1], true],
    ['/n', ['1', 2], false],
    ['/n', [], false],
    ['n', 1, false],
    ['/a/m~n', 'x', false],
    ['', null, false],
  ])('%s is %j: %s', (pointer, value, expected) => {
    const filter = { data: { [pointer]: value } } as Filter
    expect(matching(filter, order)).toBe(expected)
    expect(matching({ not: filter }, order)).toBe(!expected)
  })

  test('the whole document may be a scalar', () => {
    expect(matching({ data: { '': null } }, event({}, 'null'))).toBe(true)
    expect(matching({ data: { '': 'a' } }, event({}, '"a"'))).toBe(true)
    expect(matching({ data: { '': 0 } }, event({}, '-0'))).toBe(true)
    expect(matching({ data: { '': null } }, event({}, '1e999'))).toBe(false)
  })

  test('every pointer must match', () => {
    expect(matching({ data: { '/n': 1, '/l/0': 'p' } }, order)).toBe(true)
    expect(matching({ data: { '/n': 1, '/l/0': 'q' } }, order)).toBe(false)
  })

  test('data that is absent, no JSON, or not called JSON matches nothing', () => {
    const filter = { data: { '/a': 1 } }
    const json = '{"a":1}'
    expect(matching(filter, event())).toBe(false)
    expect(matching(filter, event({}, '{"a":1'))).toBe(false)
    expect(matching(filter, event({}, new Uint8Array(0)))).toBe(false)
    expect(matching(filter, event({}, Uint8Array.of(...utf8.encode('{"a":1,"b":"'), 0xff, 0x22, 0x7d)))).toBe(false)
    expect(matching(filter, event({}, `\u{feff}${json}`))).toBe(false)
    expect(matching(filter, event({ datacontenttype: 'text/plain' }, json))).toBe(false)
    expect(matching(filter, { ...event({}, json), form: 'binary' })).toBe(false)
    expect(matching({ not: filter }, event({ datacontenttype: 'text/plain' }, json))).toBe(true)
    for (const datacontenttype of ['application/json; charset=utf-8', 'text/json', 'application/vnd.x+json']) {
      expect(matching(filter, event({ datacontenttype }, json))).toBe(true)
    }
  })

  test('what is wrongly said to be JSON is none', () => {
    const invalid = Uint8Array.of(...utf8.encode('{"a":1,"b":"'), 0xff, 0x22, 0x7d)
    for (const data of ['{"a":1', '\u{feff}{"a":1}', invalid]) {
      expect(matching({ data: { '/a': 1 } }, { ...event({}, data), form: 'json' })).toBe(false)
    }
  })
})

test('names that every object inherits are harmless', () => {
  const plain = event({}, '{"a":{}}')
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
    const own = (value: unknown) => JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`)
    for (const dialect of ['exact', 'prefix', 'suffix']) {
      expect(matching({ [dialect]: own('') } as Filter, plain)).toBe(false)
      expect(matching({ [dialect]: own(String(Object.prototype)) } as Filter, plain)).toBe(false)
    }
    const pointers = [`/${name}`, `/a/${name}`, `/a/${name}/name`, `/${name}/${name}`]
    for (const pointer of pointers) expect(matching({ data: { [pointer]: ['Object', null] } }, plain)).toBe(false)
    expect(matching({ data: { [`/${name}`]: 1 } }, event({}, `{${JSON.stringify(name)}:1}`))).toBe(true)
    expect(matching({ data: own('x') }, plain)).toBe(false)
    expect(matching({ exact: { type: name } }, event({ type: name }))).toBe(true)
    expect(matching({ exact: { type: name } }, plain)).toBe(false)
    expect(matching({ data: { '/a': name } }, event({}, `{"a":"${name}"}`))).toBe(true)
    const attributes = { ...event().attributes }
    Object.defineProperty(attributes, name, { value: 'v', enumerable: true })
    expect(matching({ exact: own('v') }, { attributes })).toBe(true)
  }
  expect(Object.keys(Object.prototype)).toEqual([])
})
