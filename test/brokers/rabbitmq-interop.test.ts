import { describe, expect, test } from 'vitest'
import { structuredBytes } from '../../src/core/structured.ts'
import { assertSameEvent, event } from '../conformance/events.ts'
import { type PikaMessage, publishByPika, takeByPika } from './rabbitmq/pika.ts'
import { stage } from './rabbitmq/stage.ts'
import { publish, pull, topicOn } from './work.ts'

const at = stage()
const text = new TextEncoder()
const hex = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('hex')
const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte)

const full = event(
  'full',
  {
    datacontenttype: 'application/json; charset=utf-8',
    subject: 'ünïcode 😀',
    partitionkey: 'k',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    count: -7,
    large: 2147483647,
    yes: true,
  },
  text.encode('{"n":9007199254740993}'),
)

describe('what the gateway publishes, read with pika', () => {
  test('is the binary mode of the CloudEvents AMQP binding', async () => {
    const broker = await at.open()
    const topic = await topicOn(broker)
    const bytes = event('bytes', { datacontenttype: 'application/octet-stream' }, everyByte)
    await publish(broker, topic, [full, bytes, event('empty', {}, new Uint8Array(0)), event('none')])
    const [one, two, empty, none] = await takeByPika(at.server.url, `${topic}:g`, 4)
    const { datacontenttype, ...attributes } = full.attributes
    const { traceparent } = attributes
    expect(one).toEqual({
      contentType: datacontenttype,
      bodyHex: hex(full.data!),
      headers: {
        ...Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`cloudEvents:${name}`, value])),
        traceparent,
      },
    })
    expect(two).toMatchObject({ contentType: 'application/octet-stream', bodyHex: hex(everyByte) })
    expect(empty).toMatchObject({ bodyHex: '', headers: { sluice_empty: true } })
    expect(none).toMatchObject({ bodyHex: '' })
    expect(none!.headers).not.toHaveProperty('sluice_empty')
  })
})

describe('what pika publishes, read by the gateway', () => {
  async function readOf(...messages: readonly PikaMessage[]) {
    const broker = await at.open()
    const topic = await topicOn(broker)
    await publishByPika(at.server.url, topic, messages)
    const deliveries = await pull(broker, topic, messages.length)
    return { topic, events: deliveries.map((delivery) => delivery.event) }
  }

  test.each(['cloudEvents:', 'cloudEvents_'])('an event in binary mode with %s', async (prefix) => {
    const { datacontenttype, ...attributes } = full.attributes
    const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`${prefix}${name}`, value]))
    const { events } = await readOf({ headers, contentType: String(datacontenttype), bodyHex: hex(full.data!) })
    assertSameEvent(events[0]!, full)
    expect(events[0]!.attributes).toEqual(full.attributes)
  })

  test('an event in structured mode', async () => {
    const contentType = 'application/cloudevents+json; charset=utf-8'
    const { events } = await readOf({ headers: {}, contentType, bodyHex: hex(structuredBytes(full)) })
    assertSameEvent(events[0]!, full)
  })

  test('a message that is no event, with what it says of itself', async () => {
    const { topic, events } = await readOf(
      {
        headers: { region: 'eu', 'X-Odd': 'left out' },
        contentType: 'text/plain',
        messageId: 'm-1',
        type: 'job',
        bodyHex: hex('hello'),
      },
      { headers: {}, bodyHex: hex(everyByte) },
    )
    const { time, ...attributes } = events[0]!.attributes
    expect(attributes).toEqual({
      specversion: '1.0',
      id: 'm-1',
      source: `/rabbitmq/${topic}`,
      type: 'job',
      datacontenttype: 'text/plain',
      region: 'eu',
    })
    expect(Date.parse(String(time))).toBeGreaterThan(Date.now() - 60_000)
    expect(Buffer.from(events[0]!.data!).toString()).toBe('hello')
    expect(events[1]!.attributes).toMatchObject({ type: topic, id: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    expect(Buffer.from(events[1]!.data!)).toEqual(Buffer.from(everyByte))
  })

  test('what calls itself an event and is none is read as what it is', async () => {
    const { events } = await readOf(
      { headers: { 'cloudEvents:specversion': '1.0', 'cloudEvents:id': 'x' }, messageId: 'm', bodyHex: hex('a') },
      { headers: {}, contentType: 'application/cloudevents+json', messageId: 'n', bodyHex: hex('{"no": "event"') },
    )
    expect(events.map(({ attributes, data }) => [attributes.id, Buffer.from(data!).toString()])).toEqual([
      ['m', 'a'],
      ['n', '{"no": "event"'],
    ])
  })
})
