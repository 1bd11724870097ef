import { Kafka as Binding, CloudEvent, type CloudEventV1 } from 'cloudevents'
import { describe, expect, test } from 'vitest'
import type { Event } from '../../src/core/event.ts'
import { event, events } from '../conformance/events.ts'
import { gateway, groupOptions } from './kafka/gateway.ts'
import { consumeByConsole, produceByConsole, produceByJava } from './kafka/java.ts'
import { consumeByKafkajs, produceByKafkajs } from './kafka/kafkajs.ts'
import { consumeByKcat, produceByKcat } from './kafka/kcat.ts'
import { type PlainRecord, plainRecord } from './kafka/record.ts'

const gate = gateway(1)
const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
const time = '2026-01-31T12:00:00.125Z'
const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=1;b=2' }

/** What the CloudEvents binding for Kafka says that an event of the helper has as headers. */
const required = (id: string) => ({
  ce_specversion: '1.0',
  ce_id: id,
  ce_source: '/conformance',
  ce_type: 'conformance.made',
  ce_time: time,
})

/** Events, and what they are for whoever is no gateway. */
const written: readonly (readonly [Event, PlainRecord])[] = [
  [
    event('all-bytes', { partitionkey: 'EU-1', datacontenttype: 'application/octet-stream' }, bytes),
    plainRecord('EU-1', bytes, {
      ...required('all-bytes'),
      ce_partitionkey: 'EU-1',
      'content-type': 'application/octet-stream',
    }),
  ],
  [event('no-key', {}, Buffer.from('{}')), plainRecord(null, '{}', required('no-key'))],
  [
    event('empty', { partitionkey: 'ключ-漢字-🎈' }, Buffer.alloc(0)),
    plainRecord('ключ-漢字-🎈', '', { ...required('empty'), ce_partitionkey: 'ключ-漢字-🎈' }),
  ],
  [
    event('tombstone', { partitionkey: 'gone' }),
    plainRecord('gone', null, { ...required('tombstone'), ce_partitionkey: 'gone' }),
  ],
  [
    event('extended', { ...trace, subject: 'ö', urgent: true }, Buffer.from('x')),
    plainRecord(null, 'x', {
      ...required('extended'),
      ...trace,
      ce_traceparent: trace.traceparent,
      ce_tracestate: trace.tracestate,
      ce_subject: 'ö',
      ce_urgent: 'true',
      sluice_types: 'urgent=boolean',
    }),
  ],
  [
    event('numbered', { attempt: -7 }, Buffer.from('x')),
    plainRecord(null, 'x', { ...required('numbered'), ce_attempt: '-7', sluice_types: 'attempt=number' }),
  ],
]

/** Headers in the order of their names, so that records can be compared. */
function ordered(records: readonly PlainRecord[]): PlainRecord[] {
  return records.map(({ headers, ...rest }) => ({ ...rest, headers: headers.toSorted(([a], [b]) => (a < b ? -1 : 1)) }))
}

describe('what the gateway writes', () => {
  const expected = ordered(written.map(([, record]) => record))
  const publish = async (into?: string, options: { atomic?: boolean } = {}): Promise<string> => {
    const topic = into ?? (await gate.topic('written'))
    const publishing = written.map(([one]) => one)
    const results = await gate.broker.publish(topic, publishing, { ...options, signal: AbortSignal.timeout(20_000) })
    expect(results.map(({ status }) => status)).toEqual(written.map(() => 'stored'))
    return topic
  }

  test('is read by kafkajs', async () => {
    const topic = await publish()
    expect(ordered(await consumeByKafkajs(gate.cluster.bootstrap, topic, expected.length))).toEqual(expected)
  })

  test('is read by Kafka’s console consumer, also where it was published atomically', async () => {
    const topic = await publish()
    await publish(topic, { atomic: true })
    const records = await consumeByConsole(gate.cluster, topic, 2 * expected.length)
    expect(ordered(records)).toEqual([...expected, ...expected])
  })

  test('is read by kcat', async () => {
    const topic = await publish()
    expect(ordered(await consumeByKcat(gate.cluster.bootstrap, topic))).toEqual(expected)
  })

  test('is understood by the CloudEvents SDK', async () => {
    const topic = await gate.topic('to-sdk')
    const data = { total: 12.5, name: 'Ümläut' }
    const sent = event(
      'sdk-1',
      { partitionkey: 'EU-1', datacontenttype: 'application/json', ...trace },
      Buffer.from(JSON.stringify(data)),
    )
    await gate.publish(topic, [sent])
    const [record] = await consumeByKafkajs(gate.cluster.bootstrap, topic, 1)
    const headers = Object.fromEntries(record!.headers)
    // The SDK takes a value that was parsed, as bodies of HTTP are.
    const message = { headers, key: String(record!.key), value: JSON.parse(String(record!.value)), body: '' }
    const understood = Binding.toEvent(message)
    expect(JSON.parse(JSON.stringify(understood))).toMatchObject({ ...sent.attributes, data })
  })
})

describe('compression', () => {
  const kinds = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
  const many = (kind: string): Event[] =>
    events(50, kind, { partitionkey: 'k' }).map((one) => ({
      ...one,
      data: Buffer.alloc(2000, `${kind} ${one.attributes.id} `),
    }))
  const idsOf = (records: readonly PlainRecord[]) => records.map(({ headers }) => new Map(headers).get('ce_id'))

  test('of every kind that the gateway writes is read by Kafka’s own client, by kcat and by the gateway', async () => {
    const topic = await gate.topic('compressed')
    for (const kind of kinds) await gate.publish(topic, many(kind), await gate.open({ compression: kind }))
    const all = kinds.flatMap(many)
    const byJava = await consumeByConsole(gate.cluster, topic, all.length)
    expect(idsOf(byJava)).toEqual(all.map(({ attributes }) => attributes.id))
    expect(byJava.map(({ value }) => value)).toEqual(all.map(({ data }) => data))
    expect(await consumeByKcat(gate.cluster.bootstrap, topic)).toEqual(byJava)
    expect((await gate.read(topic)).map((record) => record.event)).toEqual(all)
  })

  test('by gzip is read by kafkajs', async () => {
    const topic = await gate.topic('gzip')
    await gate.publish(topic, many('gzip'), await gate.open({ compression: 'gzip' }))
    const records = await consumeByKafkajs(gate.cluster.bootstrap, topic, 50)
    expect(records.map(({ value }) => value)).toEqual(many('gzip').map(({ data }) => data))
  })

  test('by others is read from others', async () => {
    const topic = await gate.topic('from-others')
    const records = (name: string) =>
      Array.from({ length: 40 }, (_, i) => plainRecord(`${name}-${i}`, Buffer.alloc(1000, `${name} `)))
    await produceByKafkajs(gate.cluster.bootstrap, topic, records('js-gzip'), 'gzip')
    await produceByJava(gate.cluster, topic, Object.fromEntries(kinds.map((kind) => [kind, records(`java-${kind}`)])))
    for (const kind of kinds) {
      await produceByKcat(gate.cluster.bootstrap, topic, records(`kcat-${kind}`), {}, kind)
    }
    const read = await gate.read(topic)
    const names = ['js-gzip', ...['java', 'kcat'].flatMap((writer) => kinds.map((kind) => `${writer}-${kind}`))]
    const expected = names.flatMap(records)
    expect(read.map((one) => one.event.attributes.partitionkey)).toEqual(expected.map(({ key }) => String(key)))
    expect(read.map((one) => one.event.data)).toEqual(expected.map(({ value }) => value))
  })
})

/** Records of others, and the attributes and data that they read as; `id` and `time` of plain ones aside. */
const binary = {
  ...required('b-1'),
  ce_urgent: 'true',
  'content-type': 'text/plain; charset=utf-8',
  ...trace,
  other: 'ignored',
}
const structuredJson = {
  specversion: '1.0',
  id: 's-1',
  source: '/elsewhere',
  type: 'made.elsewhere',
  time,
  partitionkey: 'EU-2',
  attempt: 3,
  datacontenttype: 'application/json',
  data: { total: 1 },
}
const attributes = { specversion: '1.0', id: 'b-1', source: '/conformance', type: 'conformance.made', time }
interface Read {
  readonly attributes: Readonly<Record<string, unknown>>
  readonly data?: Buffer
}
const plain = (topic: string, more: object = {}) => ({
  specversion: '1.0',
  id: expect.stringMatching(/^0-\d+$/),
  source: `/kafka/${topic}`,
  type: topic,
  time: expect.stringMatching(/^20\d\d-.*Z$/),
  ...more,
})
const cases = {
  'a CloudEvent in binary mode': (): [PlainRecord, Read] => [
    plainRecord('EU-1', bytes, binary),
    {
      attributes: {
        ...attributes,
        urgent: 'true',
        datacontenttype: 'text/plain; charset=utf-8',
        ...trace,
        partitionkey: 'EU-1',
      },
      data: bytes,
    },
  ],
  'one in structured mode': (): [PlainRecord, Read] => [
    plainRecord('EU-2', JSON.stringify(structuredJson), {
      'content-type': 'application/cloudevents+json; charset=utf-8',
    }),
    {
      attributes: {
        specversion: '1.0',
        id: 's-1',
        source: '/elsewhere',
        type: 'made.elsewhere',
        time,
        partitionkey: 'EU-2',
        attempt: 3,
        datacontenttype: 'application/json',
      },
      data: Buffer.from('{"total":1}'),
    },
  ],
  'a tombstone in binary mode': (): [PlainRecord, Read] => [
    plainRecord('EU-1', null, required('b-1')),
    { attributes: { ...attributes, partitionkey: 'EU-1' } },
  ],
  'a plain record': (topic: string): [PlainRecord, Read] => [
    plainRecord('k', 'just text', { plain: 'kept', 'X-Other': 'not an attribute' }),
    { attributes: plain(topic, { partitionkey: 'k', plain: 'kept' }), data: Buffer.from('just text') },
  ],
  'a plain record without key': (topic: string): [PlainRecord, Read] => [
    plainRecord(null, 'x'),
    { attributes: plain(topic), data: Buffer.from('x') },
  ],
  'a plain empty value': (topic: string): [PlainRecord, Read] => [
    plainRecord('k', ''),
    { attributes: plain(topic, { partitionkey: 'k' }), data: Buffer.alloc(0) },
  ],
  'a plain tombstone': (topic: string): [PlainRecord, Read] => [
    plainRecord('k', null),
    { attributes: plain(topic, { partitionkey: 'k' }) },
  ],
  'a key that is no text': (topic: string): [PlainRecord, Read] => [
    plainRecord(Buffer.from([0xff, 0xfe, 0x80]), 'x'),
    { attributes: plain(topic), data: Buffer.from('x') },
  ],
  'a key that is no text, in binary mode': (): [PlainRecord, Read] => [
    plainRecord(Buffer.from([0xff, 0xfe, 0x80]), 'x', required('b-1')),
    { attributes, data: Buffer.from('x') },
  ],
  'half a CloudEvent': (topic: string): [PlainRecord, Read] => [
    plainRecord(null, 'x', { ce_specversion: '1.0', ce_id: 'half' }),
    { attributes: plain(topic), data: Buffer.from('x') },
  ],
  'what calls itself structured and is not': (topic: string): [PlainRecord, Read] => [
    plainRecord(null, '{"specversion"', { 'content-type': 'application/cloudevents+json' }),
    {
      attributes: plain(topic, { datacontenttype: 'application/cloudevents+json' }),
      data: Buffer.from('{"specversion"'),
    },
  ],
}

/** What the log and a group both give of everything in a topic. */
async function readBoth(topic: string, count: number): Promise<Read[]> {
  const read = (await gate.read(topic)).map((record) => asRead(record.event))
  await gate.broker.groups.create(topic, 'all', groupOptions)
  const pulled = await gate.pull(topic, 'all', count)
  expect(pulled.map((delivery) => asRead(delivery.event))).toEqual(read)
  return read
}

function asRead({ attributes, data }: Event): Read {
  return { attributes, ...(data !== undefined && { data: Buffer.from(data) }) }
}

describe('what others write', () => {
  const writers = {
    kafkajs: (topic: string, records: readonly PlainRecord[]) =>
      produceByKafkajs(gate.cluster.bootstrap, topic, records),
    'Kafka’s own client': (topic: string, records: readonly PlainRecord[]) =>
      produceByJava(gate.cluster, topic, { none: records }),
  }

  describe.each(Object.entries(writers))('with %s', (name, write) => {
    test('reads as events, by the log and by a group', async () => {
      const topic = await gate.topic('foreign')
      const pairs = Object.values(cases).map((make) => make(topic))
      await write(
        topic,
        pairs.map(([record]) => record),
      )
      const read = await readBoth(topic, pairs.length)
      for (const [i, what] of Object.keys(cases).entries()) expect(read[i], `${what}, by ${name}`).toEqual(pairs[i]![1])
      expect(read).toHaveLength(pairs.length)
    })
  })

  test('with Kafka’s console producer reads as events', async () => {
    const topic = await gate.topic('console')
    const text = ['one in structured mode', 'a tombstone in binary mode', 'a plain record'] as const
    const pairs = text.map((name) => cases[name](topic))
    await produceByConsole(
      gate.cluster,
      topic,
      pairs.map(([record]) => record),
    )
    expect(await readBoth(topic, pairs.length)).toEqual(pairs.map(([, read]) => read))
  })

  test('with kcat reads as events', async () => {
    const topic = await gate.topic('kcat')
    const pairs = Object.values(cases).map((make) => make(topic))
    // kcat has no empty value beside a null one.
    const some = pairs.filter(([{ value }]) => value?.length !== 0)
    for (const [{ headers, ...record }] of some) {
      await produceByKcat(gate.cluster.bootstrap, topic, [record], Object.fromEntries(headers))
    }
    expect(await readBoth(topic, some.length)).toEqual(some.map(([, read]) => read))
  })

  test.each(['binary', 'structured'] as const)('with the CloudEvents SDK in %s mode reads as it was', async (mode) => {
    const topic = await gate.topic(`from-${mode}`)
    const data = { total: 12.5, name: 'Ümläut' }
    const sent: CloudEventV1<object> = new CloudEvent({
      ...attributes,
      id: 'sdk-2',
      partitionkey: 'EU-1',
      datacontenttype: 'application/json',
      subject: 'ö',
      data,
    })
    const { headers, key, value } = Binding[mode](sent as never) as {
      headers: Record<string, string>
      key: string
      value: unknown
    }
    const body = typeof value === 'string' ? value : JSON.stringify(value)
    const given = Object.fromEntries(Object.entries(headers).filter(([, text]) => text !== undefined))
    await produceByKafkajs(gate.cluster.bootstrap, topic, [plainRecord(key, body, given)])
    const [read] = await readBoth(topic, 1)
    expect(read!.attributes).toEqual({
      ...attributes,
      id: 'sdk-2',
      partitionkey: 'EU-1',
      subject: 'ö',
      datacontenttype: expect.stringMatching(/^application\/json/),
    })
    expect(JSON.parse(String(read!.data))).toEqual(data)
  })
})
