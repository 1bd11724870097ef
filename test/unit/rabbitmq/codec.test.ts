import type { ConsumeMessage } from 'amqplib'
import { describe, expect, test } from 'vitest'
import { decodeEvent, encodeEvent, isMessageOf } from '../../../adapters/rabbitmq/codec.ts'
import { checkAttribute } from '../../../src/core/event.ts'
import { assertSameEvent, event } from '../../conformance/events.ts'

const frameMax = 131_072

/** A message as the client gives it. */
function received(headers: object, properties: object = {}, content: Buffer = Buffer.alloc(0)): ConsumeMessage {
  return { content, properties: { headers, ...properties } } as unknown as ConsumeMessage
}

const required = {
  'cloudEvents:specversion': '1.0',
  'cloudEvents:id': 'a',
  'cloudEvents:source': '/s',
  'cloudEvents:type': 't',
}

describe('an event as a message', () => {
  test('is persistent and mandatory, with its attributes as headers and its bytes as they are', () => {
    const data = new Uint8Array(Buffer.from('..{"n":1}..').buffer, 2, 7)
    const one = event('a', { datacontenttype: 'application/json', n: 300, yes: false }, data)
    const { content, options } = encodeEvent(one, frameMax)
    expect(options).toMatchObject({ persistent: true, mandatory: true, contentType: 'application/json' })
    expect(options.headers).toMatchObject({
      'cloudEvents:id': 'a',
      'cloudEvents:n': { '!': 'int', value: 300 },
      'cloudEvents:yes': false,
    })
    expect(content.buffer).toBe(data.buffer)
  })

  test('keeps a content type that is longer than the property', () => {
    const datacontenttype = `text/plain; x=${'y'.repeat(300)}`
    const { options, content } = encodeEvent(event('a', { datacontenttype }, Buffer.from('x')), frameMax)
    expect(options.contentType).toBeUndefined()
    const read = decodeEvent(received(options.headers, {}, content), 'topic')
    expect(read.attributes.datacontenttype).toBe(datacontenttype)
  })

  test.each([
    ['a frame of the server', 8192, 7000, 9000],
    ['the client’s own bound', 1 << 20, 64_000, 66_000],
  ])('fits into %s or is refused', (_, frame, fits, over) => {
    const sized = (bytes: number) => event('a', { big: 'x'.repeat(bytes) })
    expect(() => encodeEvent(sized(fits), frame)).not.toThrow()
    expect(() => encodeEvent(sized(over), frame)).toThrow(expect.objectContaining({ code: 'too_large' }))
  })

  test('is known again when it is given back', () => {
    const one = event('a', { source: '/s' })
    const { headers } = encodeEvent(one, frameMax).options
    expect(isMessageOf({ properties: { headers } }, one)).toBe(true)
    expect(isMessageOf({ properties: { headers } }, event('b', { source: '/s' }))).toBe(false)
    expect(isMessageOf({ properties: { headers } }, event('a', { source: '/t' }))).toBe(false)
    expect(isMessageOf({ properties: {} }, one)).toBe(false)
  })
})

describe('a message as an event', () => {
  test.each([
    [{ 'cloudEvents:BAD': 'x' }],
    [{ 'cloudEvents:data': 'x' }],
    [{ 'cloudEvents:list': ['x'] }],
    [{ 'cloudEvents:table': { a: 1 } }],
    [{ 'cloudEvents:fraction': 1.5 }],
    [{ 'cloudEvents:control': 'a\u0000b' }],
    [{ 'x-delivery-count': 3 }],
  ])('leaves out %j, which no attribute can be', (more) => {
    const { attributes } = decodeEvent(received({ ...required, ...more }), 'topic')
    expect(attributes).toEqual({ specversion: '1.0', id: 'a', source: '/s', type: 't' })
  })

  test('has a time of AMQP as text, and a trace by its plain name', () => {
    const time = { '!': 'timestamp', value: 1_700_000_000 }
    const headers = { ...required, 'cloudEvents:time': time, traceparent: '00-1', tracestate: 'a=b' }
    expect(decodeEvent(received(headers), 'topic').attributes).toMatchObject({
      time: '2023-11-14T22:13:20.000Z',
      traceparent: '00-1',
      tracestate: 'a=b',
    })
  })

  test('is never an error, whatever it says', () => {
    const odd = [
      received({}),
      { content: Buffer.from('x'), properties: {} } as unknown as ConsumeMessage,
      received({ ...required, 'cloudEvents:type': '' }, { contentType: 7, messageId: 7, type: '' }),
      received({}, { timestamp: Number.POSITIVE_INFINITY }),
      // Milliseconds, where AMQP has seconds.
      received({}, { timestamp: 1_700_000_000_000, messageId: 'a\u0000b' }),
      received({}, { contentType: 'application/cloudevents+json' }, Buffer.from([0xff])),
    ]
    for (const message of odd) {
      const { attributes } = decodeEvent(message, 'topic')
      expect(attributes.type).toBe('topic')
      for (const [name, value] of Object.entries(attributes)) checkAttribute(name, value, '')
    }
  })

  test('tells empty data from none', () => {
    for (const one of [event('none'), event('empty', {}, new Uint8Array(0))]) {
      const { content, options } = encodeEvent(one, frameMax)
      assertSameEvent(decodeEvent(received(options.headers, {}, content), 'topic'), one)
    }
  })
})
