import { fetchV12, fetchV13, fetchV14, fetchV15, fetchV16, fetchV17, type Reader } from '@platformatic/kafka'
import { GatewayError } from '../../../src/core/index.ts'
import type { ConnectionPool, KafkaClient, TopicMetadata } from '../client.ts'
import { partitionError } from '../errors.ts'
import { type AbortedTransaction, type RawRecord, readRecords } from './records.ts'

export interface Ask {
  readonly partition: number
  /** The first offset that is wanted. */
  readonly offset: number
}

export interface FetchLimits {
  /** How long the node may wait for the first byte. */
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly partitionBytes: number
}

export interface Fetched {
  readonly partition: number
  /** 0, or the protocol's number of what is wrong with this partition. */
  readonly errorCode: number
  /** Committed ones only. */
  readonly records: readonly RawRecord[]
  /** Where to go on: after everything that the answer covers, also what is not shown. */
  readonly next: number
  /** The end of what is committed. */
  readonly end: number
}

const fetchKey = 1
const requests = {
  12: fetchV12.createRequest,
  13: fetchV13.createRequest,
  14: fetchV14.createRequest,
  15: fetchV15.createRequest,
  16: fetchV16.createRequest,
  17: fetchV17.createRequest,
} as const
/** Topics have ids in requests since then. */
const firstWithIds = 13

const readCommitted = 1
const noEpoch = -1
const noSession = { id: 0, epoch: -1 } as const

/** One fetch from one node, without a session: it names all that it wants. Rejects with what the library threw. */
export async function fetchFrom(
  client: KafkaClient,
  pool: ConnectionPool,
  node: number,
  topic: { readonly name: string; readonly metadata: TopicMetadata },
  asks: readonly Ask[],
  limits: FetchLimits,
): Promise<Fetched[]> {
  const { version } = await client.api('Fetch')
  const createRequest = requests[version as keyof typeof requests]
  if (createRequest === undefined) throw new GatewayError('misconfigured', `Fetch ${version} of Kafka is not spoken.`)
  const connection = await client.connect(pool, node)
  const partitions = asks.map(({ partition, offset }) => ({
    partition,
    currentLeaderEpoch: noEpoch,
    fetchOffset: BigInt(offset),
    lastFetchedEpoch: noEpoch,
    partitionMaxBytes: limits.partitionBytes,
  }))
  const topicId = version < firstWithIds ? topic.name : topic.metadata.id
  const wanted = [{ topicId, partitions }]
  const from = new Map(asks.map(({ partition, offset }) => [partition, offset]))
  const { id, epoch } = noSession
  return new Promise((resolve, reject) => {
    connection.send<Fetched[]>(
      fetchKey,
      version,
      () => createRequest(limits.maxWaitMs, 1, limits.maxBytes, readCommitted, id, epoch, wanted, [], ''),
      (_correlation, _key, _version, reader) => parse(reader, version, from),
      true,
      true,
      (error, fetched) => (fetched === undefined ? reject(error) : resolve(fetched)),
    )
  })
}

/** Fetch Response, versions 12 to 17, without what is of no use here. */
function parse(reader: Reader, version: number, from: ReadonlyMap<number, number>): Fetched[] {
  // How long the node was throttled.
  reader.readInt32()
  const errorCode = reader.readInt16()
  if (errorCode !== 0) throw partitionError(errorCode)
  // The session.
  reader.readInt32()
  const fetched: Fetched[] = []
  reader.readArray(() => {
    if (version < firstWithIds) reader.readString()
    else reader.readUUID()
    reader.readArray(() => {
      fetched.push(parsePartition(reader, from))
    })
  })
  return fetched
}

function parsePartition(reader: Reader, from: ReadonlyMap<number, number>): Fetched {
  const partition = reader.readInt32()
  const errorCode = reader.readInt16()
  // The high watermark.
  reader.readInt64()
  const end = Number(reader.readInt64())
  // Where the log begins.
  reader.readInt64()
  const aborted: AbortedTransaction[] = []
  reader.readNullableArray(() => {
    aborted.push({ producerId: reader.readInt64(), firstOffset: Number(reader.readInt64()) })
  })
  // The preferred replica.
  reader.readInt32()
  const bytes = reader.readNullableBytes()
  const offset = from.get(partition) ?? 0
  const read = bytes === null || bytes === undefined ? undefined : readRecords(bytes, offset, aborted)
  return { partition, errorCode, end, records: read?.records ?? [], next: read?.next ?? offset }
}
