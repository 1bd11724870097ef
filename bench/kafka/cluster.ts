import { Admin, ListOffsetTimestamps } from '@platformatic/kafka'
import { type KafkaCluster, startKafka } from '../../test/brokers/services/kafka.ts'
import type { Lab } from '../measure/lab.ts'
import type { KafkaTopic } from '../server.ts'
import { usageOf } from '../usage.ts'
import { clientOptions } from './library.ts'

const partitions = 12

/** A Kafka of its own for one measurement. */
export class Cluster {
  readonly nodes: 1 | 3
  readonly #kafka: KafkaCluster
  readonly #admin: Admin
  readonly stop: () => Promise<void> | void

  private constructor(lab: Lab, nodes: 1 | 3, kafka: KafkaCluster) {
    this.nodes = nodes
    this.#kafka = kafka
    this.#admin = new Admin(clientOptions([...kafka.bootstrap]))
    this.stop = lab.releases.add(async () => {
      await this.#admin.close()
      await kafka.stop()
    })
  }

  static async start(lab: Lab, nodes: 1 | 3): Promise<Cluster> {
    return new Cluster(lab, nodes, await startKafka({ nodes, progress: (line) => lab.progress(`kafka · ${line}`) }))
  }

  at(topic: string): KafkaTopic {
    return { bootstrap: this.#kafka.bootstrap, topic, partitions }
  }

  /** As the gateway makes its own. */
  async create(topic: string): Promise<void> {
    const configs = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }]
    await this.#admin.createTopics({ topics: [{ topic, partitions, replicas: this.nodes }], configs })
  }

  /** How many records the log has, by its own offsets. */
  async stored(topic: string): Promise<number> {
    const [first, end] = await Promise.all([
      this.#offsets(topic, ListOffsetTimestamps.EARLIEST),
      this.#offsets(topic, ListOffsetTimestamps.LATEST),
    ])
    return end - first
  }

  async #offsets(topic: string, timestamp: bigint): Promise<number> {
    const asked = Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, timestamp }))
    const [answer] = await this.#admin.listOffsets({ topics: [{ name: topic, partitions: asked }] })
    return answer!.partitions.reduce((sum, { offset }) => sum + Number(offset), 0)
  }

  async remove(topic: string): Promise<void> {
    await this.#admin.deleteTopics({ topics: [topic] })
  }

  /** Of all its nodes, up to now. */
  cpuSeconds(): number {
    return this.#kafka.nodes.reduce((sum, { pid }) => sum + (pid === undefined ? 0 : usageOf(pid).cpuSeconds), 0)
  }
}
