import { expect, test } from 'vitest'
import { decodeMessage, encodeEvent, isOurs, type ReceivedMessage } from '../../../adapters/sqs/codec.ts'
import type { Event } from '../../../src/core/event.ts'
import { assertSameEvent, event } from '../../conformance/events.ts'

/** As AWS would give it back, which it checks before: names, values, how many, and the characters of everything. */
function received(one: Event): ReceivedMessage {
  const { body, attributes } = encodeEvent(one)
  expect(body).not.toBe('')
  expect(Object.keys(attributes).length).toBeLessThanOrEqual(10)
  for (const [name, { DataType, StringValue }] of Object.entries(attributes)) {
    expect(name).toMatch(/^[A-Za-z0-9_.-]{1,256}$/)
    expect([DataType, StringValue]).not.toContain('')
    expect(StringValue).toMatch(xml)
  }
  expect(body).toMatch(xml)
  return { MessageId: 'm', Body: body, MessageAttributes: attributes }
}

const xml = /^[\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u
const bytes = (...all: number[]) => Uint8Array.from(all)

test.each([
  ['text', event('a', {}, Buffer.from('{"ü":"😀"}'))],
  [
    'every byte',
    event(
      'b',
      {},
      Uint8Array.from({ length: 256 }, (_, i) => i),
    ),
  ],
  ['no data', event('c')],
  ['empty data', event('d', {}, bytes())],
  ['NUL', event('e', {}, bytes(0))],
  ['a byte order mark', event('f', {}, bytes(0xef, 0xbb, 0xbf, 0x61))],
  ['U+FFFE, which is no character of XML', event('g', {}, bytes(0xef, 0xbf, 0xbe))],
  ['a half of a surrogate pair', event('h', {}, bytes(0xed, 0xa0, 0x80))],
  ['what looks like our own signs', event('i', { datacontenttype: 'text/plain' }, Buffer.from('-'))],
  ['forty attributes', event('j', Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`ext${i}`, `${i}`])))],
  ['empty and typed attributes', event('k', { empty: '', yes: true, no: false, zero: 0, least: -2147483648 })],
  ['a name of 300 letters', event('l', { ['x'.repeat(300)]: 'long' })],
  ['an attribute called sluice', event('m', { sluice: 'mine', ce: 'too' })],
])('%s survives', (_, one) => {
  assertSameEvent(decodeMessage(received(one), 't').event, one)
})

test('numbers and booleans keep their types', () => {
  const { attributes } = decodeMessage(received(event('a', { n: 5, yes: true, text: '5' })), 't').event
  expect(attributes).toMatchObject({ n: 5, yes: true, text: '5' })
})

test('a death is told beside the event, whatever its reason has', () => {
  const one = event('a', {}, Buffer.from('x'))
  const dead = { reason: 'lone \ud800, \ufffe and \u0000', attempts: 3, at: 1_700_000_000_000 }
  const { body, attributes } = encodeEvent(one, dead)
  for (const { StringValue } of Object.values(attributes)) expect(StringValue).toMatch(xml)
  const back = decodeMessage({ Body: body, MessageAttributes: attributes }, 't')
  assertSameEvent(back.event, one)
  expect(back.dead).toEqual(dead)
})

test('its size is what AWS counts: the body, and names, types and values', () => {
  const one = event('ü', { subject: '😀' }, Buffer.from('é'))
  const { body, attributes, bytes } = encodeEvent(one)
  const counted = Object.entries(attributes).map(([name, { DataType, StringValue }]) => name + DataType + StringValue)
  expect(bytes).toBe(Buffer.byteLength(body + counted.join('')))
})

test('a message of somebody else is an event with its body as data', () => {
  const message = {
    MessageId: 'm-1',
    Body: '{"job":1}',
    Attributes: { SentTimestamp: '1700000000000', MessageGroupId: 'customer-7' },
    MessageAttributes: {
      trace: { DataType: 'String', StringValue: 'abc' },
      'Not-A-Name': { DataType: 'String', StringValue: 'x' },
      bad: { DataType: 'String', StringValue: 'a\u0007' },
      sluice: { DataType: 'String', StringValue: 'no JSON' },
    },
  }
  const { event: read, dead } = decodeMessage(message, 'jobs')
  expect(read.attributes).toEqual({
    specversion: '1.0',
    id: 'm-1',
    source: '/sqs/jobs',
    type: 'jobs',
    time: '2023-11-14T22:13:20.000Z',
    trace: 'abc',
    sluice: 'no JSON',
    partitionkey: 'customer-7',
  })
  expect(Buffer.from(read.data!).toString()).toBe('{"job":1}')
  expect(dead).toBeUndefined()
  expect(isOurs({ Body: 'x' })).toBe(false)
  expect(isOurs(received(event('a')))).toBe(true)
})
