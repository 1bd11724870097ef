import { describe, expect, test } from 'vitest'
import { formatDuration, parseDuration } from '../../../src/core/duration.ts'
import { errorCodes, GatewayError, toGatewayError } from '../../../src/core/errors.ts'
import { escapePointer } from '../../../src/core/event.ts'
import { checkGroupName, checkTopicName, isTopicName } from '../../../src/core/topic-name.ts'
import { pointersOf } from './refusal.ts'

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['0s', 0],
    ['30s', 30_000],
    ['5m', 300_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
    ['007s', 7000],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each([
    '',
    '5',
    's',
    '1.5s',
    '-1s',
    '+1s',
    '1 s',
    ' 1s',
    '1s ',
    '1S',
    '1w',
    '1s1s',
    '1e3ms',
    '1s\n',
    '9'.repeat(13),
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })

  test.each([
    [0, '0s'],
    [1, '1ms'],
    [999, '999ms'],
    [1000, '1s'],
    [1500, '1500ms'],
    [60_000, '1m'],
    [90_000, '90s'],
    [3_600_000, '1h'],
    [86_400_000, '1d'],
    [604_800_000, '7d'],
    [129_600_000, '36h'],
  ])('%i ms is written %s, and read back', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
    expect(parseDuration(text)).toBe(ms)
  })
})

describe('names', () => {
  test.each(['a', '0', 'orders', 'orders.created', 'a-b_c.d', 'a1.2b', 'x'.repeat(128)])('%s is a topic', (name) => {
    expect(isTopicName(name)).toBe(true)
    expect(() => checkTopicName(name)).not.toThrow()
  })

  const bad = [
    '',
    'A',
    'é',
    'a b',
    '.a',
    'a.',
    'a..b',
    'a.-b',
    '-a',
    'a_',
    'a/b',
    'a%20b',
    'a\n',
    '*',
    '__proto__',
    '..',
  ]
  test.each([...bad, 'x'.repeat(129)])('%j is none', async (name) => {
    expect(isTopicName(name)).toBe(false)
    expect(await pointersOf(() => checkTopicName(name))).toEqual(['/topic'])
  })

  test('groups are the same, up to 64 characters', async () => {
    expect(() => checkGroupName('x'.repeat(64))).not.toThrow()
    for (const name of [...bad, 'x'.repeat(65)]) {
      expect(await pointersOf(() => checkGroupName(name)), name).toEqual(['/group'])
    }
  })
})

describe('errors', () => {
  test('only what may pass by itself is worth a retry', () => {
    const retryable = errorCodes.filter((code) => new GatewayError(code, '').retryable)
    expect(retryable).toEqual(['throttled', 'unavailable', 'unknown_outcome'])
  })

  test('what nobody foresaw is internal, and its text stays inside', () => {
    const known = new GatewayError('conflict', 'x')
    expect(toGatewayError(known)).toBe(known)
    for (const thrown of [new TypeError('secret'), 'secret', undefined, null, { code: 'conflict', secret: 1 }]) {
      const error = toGatewayError(thrown)
      expect(error).toMatchObject({ code: 'internal', retryable: false })
      expect(JSON.stringify(error.toItem())).not.toContain('secret')
      expect(error.cause).toBe(thrown)
    }
  })

  test('pointers are escaped as RFC 6901 has it', () => {
    expect(escapePointer('a')).toBe('a')
    expect(escapePointer('a/b')).toBe('a~1b')
    expect(escapePointer('~1')).toBe('~01')
  })
})
