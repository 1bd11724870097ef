import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { compressionsAlgorithmsByBitmask } from '@platformatic/kafka'
import { GatewayError } from '../../../src/core/index.ts'

/** A record as it lies in the log: where its parts are in the bytes that were fetched. */
export interface RawRecord {
  readonly offset: number
  /** When it was stored, or when its producer says that it was sent, as the topic is set. */
  readonly timestamp: number
  readonly bytes: Buffer
  /** [keyAt, keyEnd), absent where `keyEnd` is below `keyAt`; the value alike. */
  readonly keyAt: number
  readonly keyEnd: number
  readonly valueAt: number
  readonly valueEnd: number
  /** Where the headers are, behind their number. */
  readonly headersAt: number
  readonly headers: number
}

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

const batchHead = 61
const format = 2
const isCompressed = 0x07
const isLogAppendTime = 0x08
const isTransactional = 0x10
const isControl = 0x20
const abortMarker = 0

/**
 * The committed records of a partition from `from` on (Apache Kafka, "Record Batch" and "Record"), and where to go on:
 * behind the last whole batch. `aborted` are the transactions of these batches that were aborted (KIP-98).
 */
export function readRecords(
  bytes: Buffer,
  from: number,
  aborted: readonly AbortedTransaction[],
): { readonly records: RawRecord[]; readonly next: number } {
  const records: RawRecord[] = []
  const waiting = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  const aborting = new Set<bigint>()
  let next = from
  for (let at = 0; at + batchHead <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8)
    // The last batch may be cut off.
    if (end > bytes.length) break
    if (bytes[at + 16] !== format) throw new GatewayError('unavailable', 'The log has batches older than Kafka 0.11.')
    const base = offsetAt(bytes, at)
    const last = base + bytes.readInt32BE(at + 23)
    const attributes = bytes.readInt16BE(at + 21)
    while (waiting.length > 0 && waiting[0]!.firstOffset <= last) aborting.add(waiting.shift()!.producerId)
    const transactional = (attributes & isTransactional) !== 0
    const producer = transactional ? bytes.readBigInt64BE(at + 43) : undefined
    if ((attributes & isControl) !== 0) {
      const marker = new Walk(bytes, at + batchHead).record(base, 0, 0)
      if (bytes.readInt16BE(marker.keyAt + 2) === abortMarker) aborting.delete(producer!)
    } else if (producer === undefined || !aborting.has(producer)) {
      readBatch(bytes, at, end, base, attributes, from, records)
    }
    next = Math.max(next, last + 1)
    at = end
  }
  return { records, next }
}

function readBatch(
  bytes: Buffer,
  at: number,
  end: number,
  base: number,
  attributes: number,
  from: number,
  records: RawRecord[],
): void {
  const count = bytes.readInt32BE(at + 57)
  // Where the broker sets the time, it sets that of the batch.
  const first = Number(bytes.readBigInt64BE(at + ((attributes & isLogAppendTime) === 0 ? 27 : 35)))
  const own = (attributes & isLogAppendTime) === 0 ? 1 : 0
  const compression = attributes & isCompressed
  const walk =
    compression === 0
      ? new Walk(bytes, at + batchHead)
      : new Walk(inflate(bytes.subarray(at + batchHead, end), compression), 0)
  for (let i = 0; i < count; i++) {
    const record = walk.record(base, first, own)
    // A node answers with whole batches.
    if (record.offset >= from) records.push(record)
  }
}

/**
 * What a batch may inflate to: who may write to a topic must not be able to fill the memory of its readers. The formats
 * without a bound here cannot grow by more than 255 times.
 */
const maxInflatedBytes = 128 << 20
const gzip = 1
const zstd = 4

function inflate(body: Buffer, compression: number): Buffer {
  if (compression === gzip || compression === zstd) {
    const decompress = compression === gzip ? gunzipSync : zstdDecompressSync
    try {
      return decompress(body, { maxOutputLength: maxInflatedBytes })
    } catch (cause) {
      const detail = `A compressed batch is damaged, or inflates to more than ${maxInflatedBytes} bytes: it is not read.`
      throw new GatewayError('unprocessable', detail, { cause })
    }
  }
  const algorithm = compressionsAlgorithmsByBitmask[compression]
  if (algorithm === undefined)
    throw new GatewayError('unavailable', `The log has an unknown compression: ${compression}.`)
  return algorithm.decompressSync(body)
}

/** An offset fits in a double for the next 285,000 years at a billion a second. */
function offsetAt(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
}

/** Reads record after record. */
class Walk {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  /** `own` is 1 where each record has its own time. */
  record(base: number, first: number, own: 0 | 1): RawRecord {
    const length = this.#varint()
    const end = this.#at + length
    // Its attributes are unused.
    this.#at++
    const delta = this.#varint()
    const offset = base + this.#varint()
    const keyLength = this.#varint()
    const keyAt = this.#at
    if (keyLength > 0) this.#at += keyLength
    const valueLength = this.#varint()
    const valueAt = this.#at
    if (valueLength > 0) this.#at += valueLength
    const headers = this.#varint()
    const headersAt = this.#at
    this.#at = end
    return {
      offset,
      timestamp: first + delta * own,
      bytes: this.#bytes,
      keyAt,
      keyEnd: keyAt + keyLength,
      valueAt,
      valueEnd: valueAt + valueLength,
      headersAt,
      headers,
    }
  }

  headers(count: number, each: (name: string, at: number, end: number) => void): void {
    const bytes = this.#bytes
    for (let i = 0; i < count; i++) {
      const nameLength = this.#varint()
      const nameAt = this.#at
      const nameEnd = nameAt + nameLength
      this.#at = nameEnd
      const length = this.#varint()
      const at = this.#at
      if (length > 0) this.#at += length
      each(bytes.toString('latin1', nameAt, nameEnd), at, at + length)
    }
  }

  /** Zigzag, of up to 64 bits: a double holds what a time or a length can be. */
  #varint(): number {
    const bytes = this.#bytes
    let at = this.#at
    let byte = bytes[at++]!
    let value = byte & 0x7f
    for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
      byte = bytes[at++]!
      value += (byte & 0x7f) * scale
    }
    this.#at = at
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
}

/** Calls `each` with every header: its name, and where its value is; absent where `end` is below `at`. */
export function eachHeader(record: RawRecord, each: (name: string, at: number, end: number) => void): void {
  new Walk(record.bytes, record.headersAt).headers(record.headers, each)
}
