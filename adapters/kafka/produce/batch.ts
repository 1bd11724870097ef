import { compressionsAlgorithms, crc32c, Writer } from '@platformatic/kafka'
import type { Config } from '../config.ts'

export type Compression = Config['compression']

const headBytes = 61
const version = 2
/** The CRC covers everything from the attributes on. */
const attributesAt = 21

/** Whoever appends in order to one partition: the broker drops what it has seen already of (id, epoch, sequence). */
export interface Stamp {
  readonly producerId: bigint
  readonly epoch: number
  readonly sequence: number
}

/** One record batch (Apache Kafka, "Record Batch"), that is stamped when it is sent. */
export class Batch {
  readonly count: number
  readonly #bytes: Buffer

  constructor(records: Buffer, count: number, compression: Compression, timestamp: number) {
    const algorithm = compressionsAlgorithms[compression]
    const body = compression === 'none' ? records : algorithm.compressSync(records)
    const bytes = Buffer.allocUnsafeSlow(headBytes + body.length)
    bytes.writeBigInt64BE(0n, 0)
    bytes.writeInt32BE(bytes.length - 12, 8)
    bytes.writeInt32BE(-1, 12)
    bytes.writeInt8(version, 16)
    bytes.writeInt16BE(compression === 'none' ? 0 : algorithm.bitmask, attributesAt)
    bytes.writeInt32BE(count - 1, 23)
    bytes.writeBigInt64BE(BigInt(timestamp), 27)
    bytes.writeBigInt64BE(BigInt(timestamp), 35)
    bytes.writeInt32BE(count, 57)
    bytes.set(body, headBytes)
    this.count = count
    this.#bytes = bytes
  }

  get length(): number {
    return this.#bytes.length
  }

  /** The bytes to send. Stamped alike they are alike. */
  stamped({ producerId, epoch, sequence }: Stamp): Buffer {
    const bytes = this.#bytes
    bytes.writeBigInt64BE(producerId, 43)
    bytes.writeInt16BE(epoch, 51)
    bytes.writeInt32BE(sequence, 53)
    // The library copies a plain buffer before it hashes it, and not its own kind.
    const covered = Writer.create().append(bytes.subarray(attributesAt)).dynamicBuffer
    bytes.writeUInt32BE(crc32c(covered), 17)
    return bytes
  }
}
