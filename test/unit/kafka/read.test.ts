import { createRecord } from '@platformatic/kafka'
import { expect, test } from 'vitest'
import { Batch, type Compression } from '../../../adapters/kafka/produce/batch.ts'
import { Records } from '../../../adapters/kafka/produce/records.ts'
import { decodeEvent } from '../../../adapters/kafka/read/event.ts'
import { readRecords } from '../../../adapters/kafka/read/records.ts'
import type { Event } from '../../../src/core/event.ts'
import { event } from '../../conformance/events.ts'

const stamp = { producerId: 7n, epoch: 0, sequence: 0 }
const compressions: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

function batchOf(events: readonly Event[], compression: Compression): Buffer {
  const records = new Records(64)
  for (const one of events) {
    const { partitionkey } = one.attributes
    records.add(one, partitionkey === undefined ? undefined : Buffer.from(String(partitionkey)))
  }
  return new Batch(records.bytes, records.count, compression, 1_700_000_000_000).stamped(stamp)
}

const varied = [
  event('a', { partitionkey: 'käse', flag: true, count: -42 }, Buffer.from([0, 255, 10])),
  event('b', {}, new Uint8Array(0)),
  event('c', { partitionkey: 'k', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }),
  event('d', { long: 'x'.repeat(300) }, new Uint8Array(70_000).fill(9)),
]

test.each(compressions)('what was written with compression %s is read, byte for byte', (compression) => {
  const bytes = batchOf(varied, compression)
  const { records, next } = readRecords(bytes, 0, [])
  expect(next).toBe(varied.length)
  const read = records.map((record) => decodeEvent(record, 'topic', 0))
  expect(read.map(({ attributes }) => attributes)).toEqual(varied.map(({ attributes }) => attributes))
  expect(read.map(({ data }) => data && [...data])).toEqual(varied.map(({ data }) => data && [...data]))
  expect(records.map(({ timestamp }) => timestamp)).toEqual(varied.map(() => 1_700_000_000_000))
})

test('a batch that begins earlier shows what was asked for only, and one that is cut off nothing', () => {
  const bytes = batchOf(varied, 'none')
  expect(readRecords(bytes, 2, []).records.map(({ offset }) => offset)).toEqual([2, 3])
  expect(readRecords(bytes.subarray(0, bytes.length - 1), 0, [])).toEqual({ records: [], next: 0 })
})

test.each(['gzip', 'zstd'] as const)(
  'a batch that inflates without end (%s) is refused, and fills no memory',
  (kind) => {
    const bomb = new Batch(Buffer.alloc(140 << 20), 1, kind, 0).stamped(stamp)
    expect(bomb.length).toBeLessThan(1 << 20)
    expect(() => readRecords(bomb, 0, [])).toThrow(/inflates to more than/)
  },
)

/** The event of a record as some other producer may write it. */
function foreign(headers: Readonly<Record<string, string>>, key: string | undefined, value: string): Event {
  const pairs = Object.entries(headers).map(([name, text]): [Buffer, Buffer] => [Buffer.from(name), Buffer.from(text)])
  const message = { topic: 't', value: Buffer.from(value), headers: new Map(pairs), timestamp: 0n }
  const record = createRecord({ ...message, ...(key !== undefined && { key: Buffer.from(key) }) }, 0, 0n)
  const bytes = new Batch(record.buffer, 1, 'none', 0).stamped(stamp)
  return decodeEvent(readRecords(bytes, 0, []).records[0]!, 'topic', 0)
}

const cloudEvent = { ce_specversion: '1.0', ce_id: '5', ce_source: '/s', ce_type: 't' }

test('types that another producer forges do not make what no CloudEvent is', () => {
  const sluice_types =
    'id=number,source=number,type=boolean,specversion=number,partitionkey=number,n=number,big=number,__proto__=boolean'
  const { attributes } = foreign({ ...cloudEvent, ce_n: '', ce_big: '99999999999', sluice_types }, '42', '')
  expect(attributes).toEqual({
    specversion: '1.0',
    id: '5',
    source: '/s',
    type: 't',
    big: '99999999999',
    n: '',
    partitionkey: '42',
  })
})

test('headers that no attribute can have are left out, and an event without what it must have is a plain record', () => {
  const odd = {
    ce_subject: 'a\0b',
    ce_time: 'not a time',
    'content-type': 'text/plain\r\nx: y',
    ce_Upper: 'x',
    ce_data: 'x',
  }
  expect(foreign({ ...cloudEvent, ...odd }, undefined, '').attributes).toEqual({
    specversion: '1.0',
    id: '5',
    source: '/s',
    type: 't',
  })
  const plain = foreign({ ...cloudEvent, ce_id: 'a\0b' }, 'k', 'v')
  expect(plain.attributes).toMatchObject({ id: '0-0', source: '/kafka/topic', type: 'topic', partitionkey: 'k' })
})

test('a structured event without a key has that of its record', () => {
  const value = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}'
  const one = foreign({ 'content-type': 'application/cloudevents+json' }, 'k', value)
  expect(one.attributes).toMatchObject({ id: '1', partitionkey: 'k' })
  expect(one.attributesJson).toBeUndefined()
  expect(String(one.data)).toBe('{"a":1}')
})
