import type { fetchV17, KafkaRecord, RecordsBatch } from '@platformatic/kafka'
import type { ConnectionPool, KafkaClient, TopicMetadata } from '../client.ts'

type FetchArguments = [number, number, number, number, number, number, fetchV17.FetchRequestTopic[], [], string]

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

/** A record as it lies in the log. */
export interface RawRecord {
  readonly offset: number
  /** When it was stored, or when its producer says that it was sent, as the topic is set. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: KafkaRecord['headers']
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

const readCommitted = 1
const isControl = 0x20
const isTransactional = 0x10
const isLogAppendTime = 0x08
const noEpoch = -1
const abortMarker = 0

/** One fetch from one node, without a session: it names all that it wants. Rejects with what the library threw. */
export async function fetchFrom(
  client: KafkaClient,
  pool: ConnectionPool,
  node: number,
  topic: { readonly name: string; readonly metadata: TopicMetadata },
  asks: readonly Ask[],
  limits: FetchLimits,
): Promise<Fetched[]> {
  const api = await client.api<FetchArguments, fetchV17.FetchResponse>('Fetch')
  const connection = await client.connect(pool, node)
  const partitions = asks.map(({ partition, offset }) => ({
    partition,
    currentLeaderEpoch: noEpoch,
    fetchOffset: BigInt(offset),
    lastFetchedEpoch: noEpoch,
    partitionMaxBytes: limits.partitionBytes,
  }))
  // Topics have ids in requests since version 13.
  const topicId = api.version <= 12 ? topic.name : topic.metadata.id
  const wanted = [{ topicId, partitions }]
  let response: fetchV17.FetchResponse
  try {
    response = await api.async(connection, limits.maxWaitMs, 1, limits.maxBytes, readCommitted, 0, -1, wanted, [], '')
  } catch (error) {
    // The library makes an error of an answer in which any partition has one; the answer says which.
    const answered = (error as { response?: fetchV17.FetchResponse }).response
    if (answered === undefined || answered.errorCode !== 0) throw error
    response = answered
  }
  const from = new Map(asks.map(({ partition, offset }) => [partition, offset]))
  return response.responses.flatMap((one) => one.partitions.map((part) => read(part, from.get(part.partitionIndex)!)))
}

function read(part: fetchV17.FetchResponsePartition, from: number): Fetched {
  const records: RawRecord[] = []
  let next = from
  // Transactions that were aborted, by where they begin: their records are in the log too (KIP-98).
  const aborted = [...(part.abortedTransactions ?? [])].sort((a, b) => Number(a.firstOffset - b.firstOffset))
  const aborting = new Set<bigint>()
  for (const batch of part.records ?? []) {
    const last = Number(batch.firstOffset) + batch.lastOffsetDelta
    while (aborted.length > 0 && aborted[0]!.firstOffset <= BigInt(last)) aborting.add(aborted.shift()!.producerId)
    if ((batch.attributes & isControl) !== 0) {
      if (batch.records[0]?.key?.readInt16BE(2) === abortMarker) aborting.delete(batch.producerId)
    } else if ((batch.attributes & isTransactional) === 0 || !aborting.has(batch.producerId)) {
      readBatch(batch, from, records)
    }
    next = Math.max(next, last + 1)
  }
  return {
    partition: part.partitionIndex,
    errorCode: part.errorCode,
    records,
    next,
    end: Number(part.lastStableOffset),
  }
}

function readBatch(batch: RecordsBatch, from: number, records: RawRecord[]): void {
  const base = Number(batch.firstOffset)
  const stored = (batch.attributes & isLogAppendTime) !== 0
  const first = Number(batch.firstTimestamp)
  for (const record of batch.records) {
    const offset = base + record.offsetDelta
    // A node answers with whole batches.
    if (offset < from) continue
    const timestamp = stored ? Number(batch.maxTimestamp) : first + Number(record.timestampDelta)
    records.push(raw(record, offset, timestamp))
  }
}

function raw({ key, value, headers }: KafkaRecord, offset: number, timestamp: number): RawRecord {
  return { offset, timestamp, key, value, headers }
}
