import { fileURLToPath } from 'node:url'
import { Admin, ListOffsetTimestamps } from '@platformatic/kafka'
import { type KafkaCluster, startKafka } from '../../../test/brokers/services/kafka.ts'
import { type Broker, cpuSecondsOf, type Start } from '../broker.ts'
import { clientOptions, type KafkaEntry } from './library.ts'

const partitions = 12

export function start(nodes: 1 | 3): Start {
  return async (progress) => new KafkaBroker(nodes, await startKafka({ nodes, progress }))
}

class KafkaBroker implements Broker {
  readonly type = 'kafka'
  readonly ensure = { partitions }
  readonly isLog = true
  readonly groups = 'many'
  readonly client = new URL('./client.ts', import.meta.url)
  readonly entry: KafkaEntry
  readonly #replicas: number
  readonly #kafka: KafkaCluster
  readonly #admin: Admin

  constructor(nodes: 1 | 3, kafka: KafkaCluster) {
    this.#replicas = nodes
    this.entry = { type: 'kafka', bootstrap: kafka.bootstrap }
    this.#kafka = kafka
    this.#admin = new Admin(clientOptions([...kafka.bootstrap]))
  }

  one(topic: string): string[] {
    return [fileURLToPath(new URL('./one-record.ts', import.meta.url)), this.entry.bootstrap.join(), topic]
  }

  async create(topic: string): Promise<void> {
    const configs = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }]
    await this.#admin.createTopics({ topics: [{ topic, partitions, replicas: this.#replicas }], configs })
  }

  async remove(topic: string): Promise<void> {
    await this.#admin.deleteTopics({ topics: [topic] })
  }

  /** By the log's own offsets. */
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

  cpuSeconds(): number | undefined {
    return cpuSecondsOf(this.#kafka.nodes.map(({ pid }) => pid))
  }

  async stop(): Promise<void> {
    await this.#admin.close()
    await this.#kafka.stop()
  }
}
