import type { listOffsetsV9 } from '@platformatic/kafka'
import { GatewayError } from '../../../src/core/index.ts'
import type { KafkaClient } from '../client.ts'
import { hasProtocolError } from '../errors.ts'

type ListArguments = [number, number, listOffsetsV9.ListOffsetsRequestTopic[]]

const earliest = -2n
const latest = -1n
const consumer = -1
const readCommitted = 1
const noEpoch = -1
const deadlineMs = 10_000

/** The first offset of each partition. */
export function firstOffsets(client: KafkaClient, topic: string): Promise<number[]> {
  return listOffsets(client, topic, earliest)
}

/** The end of what is committed in each partition. */
export function endOffsets(client: KafkaClient, topic: string): Promise<number[]> {
  return listOffsets(client, topic, latest)
}

/** The first offset of each partition that is of this time or later; -1 where there is none. */
export function offsetsAt(client: KafkaClient, topic: string, ms: number): Promise<number[]> {
  return listOffsets(client, topic, BigInt(ms))
}

async function listOffsets(client: KafkaClient, topic: string, timestamp: bigint): Promise<number[]> {
  await client.topic(topic)
  return client.retry('the search for offsets', deadlineMs, async () => {
    try {
      return await listOnce(client, topic, timestamp)
    } catch (error) {
      await client.refresh(topic)
      // There is such a topic: the node that leads a partition of it is the last to hear of that.
      if (!hasProtocolError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw error
      throw new GatewayError('unavailable', `A node does not know yet that it leads ${topic}.`, { cause: error })
    }
  })
}

async function listOnce(client: KafkaClient, topic: string, timestamp: bigint): Promise<number[]> {
  const { partitions } = await client.topic(topic)
  const offsets = new Array<number>(partitions.length)
  const byLeader = Map.groupBy(partitions.keys(), (partition) => partitions[partition]!.leader)
  await Promise.all(
    [...byLeader].map(async ([leader, led]) => {
      if (leader < 0) throw new GatewayError('unavailable', `Partition ${led.join(', ')} of ${topic} has no leader.`)
      const asked = led.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: noEpoch, timestamp }))
      const { topics } = await client.call<ListArguments, listOffsetsV9.ListOffsetsResponse>(
        client.control,
        leader,
        'ListOffsets',
        consumer,
        readCommitted,
        [{ name: topic, partitions: asked }],
      )
      for (const { partitionIndex, offset } of topics[0]!.partitions) offsets[partitionIndex] = Number(offset)
    }),
  )
  return offsets
}
