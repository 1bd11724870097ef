import { describe, expect, test } from 'vitest'
import { dataForm, type Event } from '../../../src/core/event.ts'
import { bytesOf } from './json-corpus.ts'

function eventOf(type: string | undefined, data: Uint8Array | string | undefined): Event {
  const attributes = {
    specversion: '1.0',
    id: '1',
    source: '/s',
    type: 't',
    ...(type !== undefined && { datacontenttype: type }),
  } as const
  if (data === undefined) return { attributes }
  return { attributes, data: typeof data === 'string' ? bytesOf(data) : data }
}

describe('how data shows', () => {
  test.each([
    ['application/json', '{"a":1}', 'json'],
    ['application/json', ' {"a": "\\n"}\t', 'json'],
    ['application/json', '{"a":\n1}', 'json-spaced'],
    ['application/json', '{"a":1}\n', 'json-spaced'],
    ['application/json; charset=utf-8', '1', 'json'],
    ['application/vnd.x+json', 'null', 'json'],
    ['text/json', '[]', 'json'],
    ['application/json', '{broken', 'binary'],
    ['application/json', '', 'binary'],
    ['application/json', '\ufeff{}', 'binary'],
    [undefined, '{"a":1}', 'json'],
    [undefined, 'no JSON', 'binary'],
    [undefined, '', 'binary'],
    [undefined, undefined, 'json'],
    ['text/plain', 'hello', 'text'],
    ['text/plain; charset=utf-8', 'é😀\n', 'text'],
    ['text/plain', '', 'text'],
    ['application/xml', '<a/>', 'text'],
    ['application/atom+xml', '<a/>', 'text'],
    ['application/x-www-form-urlencoded', 'a=b', 'text'],
    ['application/yaml', 'a: b', 'text'],
    ['application/octet-stream', 'hello', 'binary'],
    ['image/png', '{"a":1}', 'binary'],
  ])('%s, %j: %s', (type, data, form) => {
    expect(dataForm(eventOf(type, data))).toBe(form)
  })

  test('what is not UTF-8 is neither JSON nor text', () => {
    const bytes = Uint8Array.from([0x22, 0xff, 0x22])
    for (const type of ['application/json', 'text/plain', undefined])
      expect(dataForm(eventOf(type, bytes))).toBe('binary')
  })

  test('JSON that is too deep to be shown is binary', () => {
    expect(dataForm(eventOf('application/json', '['.repeat(64) + ']'.repeat(64)))).toBe('json')
    expect(dataForm(eventOf('application/json', '['.repeat(65) + ']'.repeat(65)))).toBe('binary')
    expect(dataForm(eventOf('application/json', '[[]]'), 1)).toBe('binary')
  })

  test('a form that is known is not looked for', () => {
    expect(dataForm({ ...eventOf('application/json', '{broken'), form: 'json' })).toBe('json')
  })
})
