import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, headers, type NatsConnection } from 'nats'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Broker } from '../../src/core/broker.ts'
import type { Event } from '../../src/core/event.ts'
import { structuredBytes } from '../../src/core/structured.ts'
import { scratch, sluice } from '../cli/sluice.ts'
import { assertSameEvent, event } from '../conformance/events.ts'
import { openNats } from './nats/open.ts'
import { sharedNats } from './services/shared.ts'
import { nameOf, publish, pull, topicOn } from './work.ts'

let broker: Broker
/** A client that is not the gateway's: the one before it, which gets no new features. */
let client: NatsConnection
beforeAll(async () => {
  const { servers, user, password } = await sharedNats()
  broker = await openNats(servers, { user, password })
  client = await connect({ servers: [...servers], user, pass: password })
}, 300_000)
afterAll(async () => {
  await broker?.close()
  await client?.close()
})

const text = new TextEncoder()
const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte)
const bytesOf = (data: Uint8Array | undefined): number[] => [...(data ?? [])]

const full = event(
  'full',
  {
    datacontenttype: 'application/json; charset=utf-8',
    subject: 'ünïcode 😀 "100%"',
    partitionkey: 'k',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    count: -7,
    yes: true,
  },
  text.encode('{"n":9007199254740993}'),
)
/** As the CloudEvents NATS binding has them: percent-encoded, but for the content type. */
const ceHeaders: Record<string, string> = {
  'ce-specversion': '1.0',
  'ce-id': 'full',
  'ce-source': '/conformance',
  'ce-type': 'conformance.made',
  'ce-time': '2026-01-31T12:00:00.125Z',
  'ce-subject': '%C3%BCn%C3%AFcode%20%F0%9F%98%80%20%22100%25%22',
  'ce-partitionkey': 'k',
  'ce-traceparent': '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  'ce-count': '-7',
  'ce-yes': 'true',
  'content-type': 'application/json; charset=utf-8',
}

test.each(['a b', 'a.*', '>', 'a/b', 'a\\b', 'a\r\nPUB b 0', 'x'.repeat(251)])(
  'no stream is called %j, which is said',
  async (wanted) => {
    const refused = {
      code: 'invalid_argument',
      message: expect.stringMatching(/^NATS cannot call a stream .*\(name\)/),
    }
    await expect(broker.admin!.diff(wanted, {})).rejects.toMatchObject(refused)
    await expect(broker.admin!.ensure(wanted, {})).rejects.toMatchObject(refused)
    await expect(broker.admin!.describe(wanted)).rejects.toMatchObject(refused)
  },
)

test('a stream may be called what is left beside its dead letters', async () => {
  const topic = 'x'.repeat(250)
  await broker.admin!.ensure(topic, {})
  expect(await broker.admin!.diff(topic, {})).toEqual([])
})

test('what the server refuses only when it makes a stream is told by topic and broker', async () => {
  const { servers, user, password } = await sharedNats()
  const cwd = scratch()
  const configuration = {
    brokers: { fast: { type: 'nats', servers, user, password } },
    topics: { three: { broker: 'fast', name: nameOf('three'), ensure: { replicas: 3 } } },
  }
  writeFileSync(join(cwd, 'sluice.json'), JSON.stringify(configuration))
  expect(await sluice(['topics', 'apply', '-c', 'sluice.json'], { cwd })).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^sluice: Topic three on broker fast: .*too few.*\(capability replicas\)\n$/),
  })
})

describe('what the gateway publishes, read with the client', () => {
  /** As a consumer of the stream gets them. */
  async function taken(topic: string, count: number) {
    const consumer = await client.jetstream().consumers.get(topic)
    const messages = []
    for await (const message of await consumer.fetch({ max_messages: count, expires: 10_000 })) messages.push(message)
    return messages
  }

  test('is the binary mode of the CloudEvents NATS binding', async () => {
    const topic = await topicOn(broker)
    const bytes = event('bytes', { datacontenttype: 'application/octet-stream' }, everyByte)
    await publish(broker, topic, [full])
    await publish(broker, topic, [bytes])
    await publish(broker, topic, [event('none')])
    const [one, two, none] = await taken(topic, 3)
    const read = Object.fromEntries([...one!.headers!].map(([name, [value]]) => [name, value]))
    expect(read).toMatchObject({ ...ceHeaders, traceparent: ceHeaders['ce-traceparent'] })
    const others = Object.keys(read).filter((name) => !(name in ceHeaders) && name !== 'traceparent')
    expect(others.sort()).toEqual(['Nats-Expected-Stream', 'Nats-Msg-Id', 'sluice-types'])
    expect(one!.subject).toBe(topic)
    expect(bytesOf(one!.data)).toEqual(bytesOf(full.data))
    expect(two!.headers!.get('content-type')).toBe('application/octet-stream')
    expect(bytesOf(two!.data)).toEqual(bytesOf(everyByte))
    expect(bytesOf(none!.data)).toEqual([])
  })
})

describe('what the client publishes, read by the gateway', () => {
  type Foreign = { readonly data: Uint8Array; readonly headers?: Record<string, string> }

  async function readOf(...messages: readonly Foreign[]): Promise<{ topic: string; events: Event[] }> {
    const topic = await topicOn(broker)
    const stream = client.jetstream()
    for (const one of messages) {
      const written = headers()
      for (const [name, value] of Object.entries(one.headers ?? {})) written.set(name, value)
      await stream.publish(topic, one.data, one.headers === undefined ? {} : { headers: written })
    }
    const deliveries = await pull(broker, topic, messages.length)
    return { topic, events: deliveries.map((delivery) => delivery.event) }
  }

  test('an event in binary mode, also with names in other letters', async () => {
    const other = Object.fromEntries(Object.entries(ceHeaders).map(([name, value]) => [name.toUpperCase(), value]))
    const data = full.data!
    const { events } = await readOf({ headers: ceHeaders, data }, { headers: other, data })
    for (const one of events) assertSameEvent(one, full)
  })

  test('an event in structured mode', async () => {
    const contentType = { 'content-type': 'application/cloudevents+json; charset=utf-8' }
    const { events } = await readOf({ headers: contentType, data: structuredBytes(full) })
    expect(events[0]!.attributes).toEqual(full.attributes)
    assertSameEvent(events[0]!, full)
  })

  test('a message without headers: its bytes are the data, its place the id', async () => {
    const { topic, events } = await readOf({ data: everyByte }, { data: new Uint8Array(0) })
    const { time, ...attributes } = events[0]!.attributes
    expect(attributes).toEqual({ specversion: '1.0', id: '1', source: `/nats/${topic}`, type: topic, subject: topic })
    expect(Date.parse(String(time))).toBeGreaterThan(Date.now() - 60_000)
    expect(bytesOf(events[0]!.data)).toEqual(bytesOf(everyByte))
    expect(events[1]!.attributes.id).toBe('2')
    expect(bytesOf(events[1]!.data)).toEqual([])
  })

  test('a message that is no event keeps the headers that can be attributes', async () => {
    const own = { 'content-type': 'text/plain', region: 'eu', 'X-Odd': 'left out' }
    const { topic, events } = await readOf({ headers: own, data: text.encode('hello') })
    const { time: _, ...attributes } = events[0]!.attributes
    expect(attributes).toEqual({
      specversion: '1.0',
      id: '1',
      source: `/nats/${topic}`,
      type: topic,
      subject: topic,
      datacontenttype: 'text/plain',
      region: 'eu',
    })
    expect(Buffer.from(events[0]!.data!).toString()).toBe('hello')
  })

  test('what calls itself an event and is none is read as what it is', async () => {
    const { events } = await readOf(
      { headers: { 'ce-specversion': '1.0', 'ce-id': 'x' }, data: text.encode('a') },
      { headers: { 'content-type': 'application/cloudevents+json' }, data: text.encode('{"no": "event"') },
    )
    expect(events.map(({ attributes, data }) => [attributes.id, Buffer.from(data!).toString()])).toEqual([
      ['1', 'a'],
      ['2', '{"no": "event"'],
    ])
  })
})
