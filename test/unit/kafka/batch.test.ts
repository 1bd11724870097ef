import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { Batch, type Compression } from '../../../adapters/kafka/produce/batch.ts'
import { headersOf, Records } from '../../../adapters/kafka/produce/records.ts'
import { event } from '../../conformance/events.ts'

/** CRC-32C (RFC 3720, appendix B.4), bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}

function recordsOf(count: number, size: number): Records {
  // Less room than is needed: it grows.
  const records = new Records(16)
  for (let i = 0; i < count; i++) {
    records.add(event(`e-${i}`, { partitionkey: 'k' }, new Uint8Array(size).fill(i)), Buffer.from('k'))
  }
  return records
}

const stamp = { producerId: 0x0102030405060708n, epoch: 5, sequence: 77 }
const kinds: [Compression, number][] = [
  ['none', 0],
  ['gzip', 1],
  ['snappy', 2],
  ['lz4', 3],
  ['zstd', 4],
]

describe('a record batch', () => {
  test.each(kinds)('compressed by %s has the head that Kafka documents', (kind, bits) => {
    const records = recordsOf(3, 500)
    const bytes = Buffer.from(new Batch(records.bytes, records.count, kind, 1_700_000_000_123).stamped(stamp))
    expect(bytes.readInt32BE(8)).toBe(bytes.length - 12)
    expect(bytes.readInt8(16)).toBe(2)
    expect(bytes.readUInt32BE(17)).toBe(crc32c(bytes.subarray(21)))
    expect(bytes.readInt16BE(21)).toBe(bits)
    expect(bytes.readInt32BE(23)).toBe(2)
    expect([bytes.readBigInt64BE(27), bytes.readBigInt64BE(35)]).toEqual([1_700_000_000_123n, 1_700_000_000_123n])
    expect([bytes.readBigInt64BE(43), bytes.readInt16BE(51), bytes.readInt32BE(53)]).toEqual([stamp.producerId, 5, 77])
    expect(bytes.readInt32BE(57)).toBe(3)
    const body = bytes.subarray(61)
    if (kind === 'none') expect(body).toEqual(records.bytes)
    else expect(body.length).toBeLessThan(records.length / 2)
    if (kind === 'gzip') expect(gunzipSync(body)).toEqual(records.bytes)
    if (kind === 'zstd') expect(zstdDecompressSync(body)).toEqual(records.bytes)
  })

  test('is stamped anew without a trace of the stamp before', () => {
    const records = recordsOf(2, 10)
    const batch = new Batch(records.bytes, records.count, 'none', 1)
    const first = Buffer.from(batch.stamped(stamp))
    expect(Buffer.from(batch.stamped({ ...stamp, sequence: 78 }))).not.toEqual(first)
    expect(Buffer.from(batch.stamped(stamp))).toEqual(first)
  })
})

test('attributes are headers as the binding says, types are kept, and the trace has its plain name too', () => {
  const one = event('e', { datacontenttype: 'text/plain', traceparent: 't', urgent: true, attempt: 3, time: 'T' })
  expect(Object.fromEntries(headersOf(one))).toEqual({
    ce_specversion: '1.0',
    ce_id: 'e',
    ce_source: '/conformance',
    ce_type: 'conformance.made',
    ce_time: 'T',
    'content-type': 'text/plain',
    ce_traceparent: 't',
    traceparent: 't',
    ce_urgent: 'true',
    ce_attempt: '3',
    sluice_types: 'urgent=boolean,attempt=number',
  })
})
