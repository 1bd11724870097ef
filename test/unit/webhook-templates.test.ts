import { describe, expect, test } from 'vitest'
import { fill, parseTemplate, type Slot } from '../../src/core/template.ts'
import { providers } from '../../src/webhook/providers/index.ts'
import { payloadOf } from '../../src/webhook/providers/payload.ts'

function filled(text: string, find: (slot: Slot) => string | undefined): string | undefined {
  const template = parseTemplate(text)
  if ('fault' in template) throw new Error(template.fault)
  return fill(template, find)
}

describe('a template', () => {
  test('is filled from what it names', () => {
    const find = (slot: Slot): string => JSON.stringify(slot)
    expect(filled('plain', find)).toBe('plain')
    expect(filled('{header.X-Topic}', find)).toBe('{"from":"header","name":"x-topic"}')
    expect(filled('a.{data.b.0.c}.d', find)).toBe('a.{"from":"data","path":["b","0","c"]}.d')
    expect(filled('{signature}{signature}', () => 'x')).toBe('xx')
  })

  test('is nothing where a part of it is missing or empty', () => {
    expect(filled('a{data.b}', () => undefined)).toBeUndefined()
    expect(filled('a{data.b}', () => '')).toBeUndefined()
  })

  test.each([
    '',
    '{',
    '}',
    'a{data.b',
    'data.b}',
    '{}',
    '{data}',
    '{data.}',
    '{data..b}',
    '{header.}',
    '{header.a b}',
    '{id}',
    '{env.X}',
    '{{data.b}}',
    '{ data.b }',
  ])('%j is refused', (text) => {
    expect(parseTemplate(text)).toHaveProperty('fault')
  })

  test('those of the providers are templates, and the last one of each can always be filled', () => {
    for (const { id, type } of Object.values(providers)) {
      for (const text of [...id, ...type]) expect(parseTemplate(text)).not.toHaveProperty('fault')
      for (const last of [id.at(-1), type.at(-1)]) {
        expect(filled(last ?? '', (slot) => (slot.from === 'signature' ? 'x' : undefined))).toBeTypeOf('string')
      }
    }
  })
})

describe('a payload', () => {
  const find = (type: string | null, body: string, ...path: string[]): string | undefined =>
    payloadOf(type, Buffer.from(body), 4).find(path)

  test('of JSON has texts, numbers as they are written, and booleans', () => {
    const body = '{"a":{"b":["x",{"c":9007199254740993}]},"d":1.50,"e":false,"f":null,"g":"","h.i":"j"}'
    expect(find('application/json', body, 'a', 'b', '0')).toBe('x')
    expect(find('application/json', body, 'a', 'b', '1', 'c')).toBe('9007199254740993')
    expect(find('application/cloudevents+json', body, 'd')).toBe('1.50')
    expect(find(null, body, 'e')).toBe('false')
    for (const path of [['f'], ['a'], ['a', 'b'], ['a', 'b', 'length'], ['z'], ['d', 'z'], ['h', 'i']]) {
      expect(find('application/json', body, ...path), path.join('.')).toBeUndefined()
    }
  })

  test('has nothing of what every object has', () => {
    for (const name of ['constructor', '__proto__', 'toString']) {
      expect(find('application/json', '{}', name)).toBeUndefined()
      expect(find('application/json', '{}', name, 'name')).toBeUndefined()
    }
    expect(find('application/json', '{"__proto__":{"a":"own"}}', '__proto__', 'a')).toBe('own')
    expect(find('application/json', '{"__proto__":{"a":"own"}}', 'a')).toBeUndefined()
  })

  test('of a form has its parameters', () => {
    const type = 'application/x-www-form-urlencoded; charset=UTF-8'
    expect(find(type, 'a=b+c&a=d', 'a')).toBe('b c')
    expect(find(type, 'a=b', 'a', '0')).toBeUndefined()
    expect(payloadOf(type, Uint8Array.of(0x61, 0x3d, 0xff), 4).find(['a'])).toBeUndefined()
  })

  test.each(['{"a":"b"', '\uFEFF{"a":"b"}', '{"a":"b"}x', '{"a":"b","c":[[[[[]]]]]}', ''])(
    'of %j has nothing',
    (body) => {
      expect(find('application/json', body, 'a')).toBeUndefined()
    },
  )

  test('of another type has nothing', () => {
    expect(find('text/plain', '{"a":"b"}', 'a')).toBeUndefined()
  })
})
