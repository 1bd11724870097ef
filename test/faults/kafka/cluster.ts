import type { Broker, PartitionPlacement } from '../../../src/core/broker.ts'
import type { KafkaNode } from '../../brokers/services/kafka/node.ts'
import type { KafkaCluster } from '../../brokers/services/kafka.ts'
import { until } from '../../conformance/waiting.ts'

/** Against hanging: what an election and a log's catching up may take on a slow machine. */
const placedMs = 60_000

export const partitions = 6

export async function createTopic(broker: Broker, topic: string): Promise<void> {
  await broker.admin!.ensure(topic, { partitions, replicas: 3, minInsyncReplicas: 2 })
}

export async function placement(broker: Broker, topic: string): Promise<readonly PartitionPlacement[]> {
  return (await broker.admin!.describe(topic)).placement ?? []
}

export function nodeOf(cluster: KafkaCluster, id: number): KafkaNode {
  const node = cluster.nodes.find((one) => one.id === id)
  if (node === undefined) throw new Error(`The cluster has no node ${id}.`)
  return node
}

/** The node that leads the most partitions: its loss hurts the most. */
export async function leaderOf(cluster: KafkaCluster, broker: Broker, topic: string): Promise<KafkaNode> {
  const led = Map.groupBy(await placement(broker, topic), ({ leader }) => leader ?? -1)
  const [most] = [...led].filter(([leader]) => leader > 0).sort(([, a], [, b]) => b.length - a.length)
  return nodeOf(cluster, most![0])
}

/** Waits until every partition of the topic looks so; what cannot be asked does not. */
export async function placed(
  broker: Broker,
  topic: string,
  what: string,
  holds: (partition: PartitionPlacement) => boolean,
): Promise<void> {
  await until(
    placedMs,
    what,
    async () => {
      const all = await placement(broker, topic).catch(() => [])
      return all.length > 0 && all.every(holds)
    },
    100,
  )
}

/** Every replica has everything. */
export function inSync(broker: Broker, topic: string): Promise<void> {
  return placed(broker, topic, 'all replicas are in sync', ({ inSync }) => inSync.length === 3)
}

/** Whatever a test left behind: every node runs again. */
export async function heal(cluster: KafkaCluster): Promise<void> {
  await Promise.all(cluster.nodes.filter(({ paused }) => paused).map((node) => node.resume()))
  await Promise.all(cluster.nodes.filter(({ running }) => !running).map((node) => node.start()))
}
