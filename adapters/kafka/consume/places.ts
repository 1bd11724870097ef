import type { offsetCommitV9, offsetFetchV9 } from '@platformatic/kafka'
import type { ConnectionPool, KafkaClient } from '../client.ts'

type CommitArguments = [string, number, string, string | null, offsetCommitV9.OffsetCommitRequestTopic[]]
type FetchArguments = [offsetFetchV9.OffsetFetchRequestGroup[], boolean]

/** A group's place in a partition: the next offset, and a note that is kept with it. */
export interface Place {
  readonly partition: number
  readonly offset: number
  readonly note: string
}

/** In whose name places are committed. The broker takes them from the newest generation only. */
export interface Member {
  readonly memberId: string
  readonly generation: number
}

/** Nobody: taken only while the group has no members. */
export const nobody: Member = { memberId: '', generation: -1 }

const unknownLeaderEpoch = -1
const deadlineMs = 10_000

/** A topic's group, as Kafka calls it: no topic or group has a colon in its name. */
export function groupIdOf(topic: string, group: string): string {
  return `${topic}:${group}`
}

/** The committed places of a group, by partition. Partitions without one are left out. */
export async function readPlaces(
  client: KafkaClient,
  pool: ConnectionPool,
  groupId: string,
  topic: string,
  partitions: readonly number[],
): Promise<Map<number, Place>> {
  const asked = [
    { groupId, memberId: null, memberEpoch: -1, topics: [{ name: topic, partitionIndexes: [...partitions] }] },
  ]
  const { groups } = await client.retry('the search for the places of a group', deadlineMs, () =>
    client.callCoordinator<FetchArguments, offsetFetchV9.OffsetFetchResponse>(
      pool,
      groupId,
      'OffsetFetch',
      asked,
      // What a transaction is about to commit is waited for.
      true,
    ),
  )
  const places = new Map<number, Place>()
  for (const { partitionIndex: partition, committedOffset, metadata } of groups[0]?.topics[0]?.partitions ?? []) {
    if (committedOffset < 0n) continue
    places.set(partition, { partition, offset: Number(committedOffset), note: metadata ?? '' })
  }
  return places
}

/** Commits places, tried once. Rejects with what the library threw. */
export async function commitPlaces(
  client: KafkaClient,
  pool: ConnectionPool,
  groupId: string,
  topic: string,
  { memberId, generation }: Member,
  instanceId: string | null,
  places: readonly Place[],
): Promise<void> {
  const partitions = places.map(({ partition, offset, note }) => ({
    partitionIndex: partition,
    committedOffset: BigInt(offset),
    committedLeaderEpoch: unknownLeaderEpoch,
    committedMetadata: note,
  }))
  await client.callCoordinator<CommitArguments, offsetCommitV9.OffsetCommitResponse>(
    pool,
    groupId,
    'OffsetCommit',
    groupId,
    generation,
    memberId,
    instanceId,
    [{ name: topic, partitions }],
  )
}
