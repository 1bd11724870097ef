import { describe, expect, test } from 'vitest'
import { elementsOf, indented, memberOf } from '../../src/cli/raw-json.ts'

const text =
  '{ "a":[1, 2 ,{"b":"}\\",]"}, [] ,{}], "e\\u0076ent" : {"n":12345678901234567890,"n":1.0, "2":1},"z":"x:y" ,"k":null}'

describe('JSON as text', () => {
  test('gives members and elements as they were written', () => {
    expect(memberOf(text, 'event')).toBe('{"n":12345678901234567890,"n":1.0, "2":1}')
    expect(memberOf(text, 'z')).toBe('"x:y"')
    expect(memberOf(text, 'k')).toBe('null')
    expect(memberOf(text, 'n')).toBeUndefined()
    expect(memberOf('{}', 'a')).toBeUndefined()
    expect(elementsOf(memberOf(text, 'a')!)).toEqual(['1', '2', '{"b":"}\\",]"}', '[]', '{}'])
    expect(elementsOf(' [ ] ')).toEqual([])
  })

  test('takes strings of any length and any number of escapes', () => {
    for (const long of ['"'.repeat(2 << 20), 'x'.repeat(2 << 20)]) {
      const event = JSON.stringify({ data: long })
      expect(memberOf(elementsOf(`[{"event":${event}}]`)[0]!, 'event')).toBe(event)
    }
  })

  test('is the same value when it is indented', () => {
    expect(indented('{"a":[],"b":{"c":[1,"x: {y}"]},"d":{}}')).toBe(
      '{\n  "a": [],\n  "b": {\n    "c": [\n      1,\n      "x: {y}"\n    ]\n  },\n  "d": {}\n}',
    )
    expect(indented(text)).toContain('"n": 12345678901234567890,\n    "n": 1.0')
    expect(JSON.parse(indented(text))).toEqual(JSON.parse(text))
  })
})
