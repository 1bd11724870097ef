import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type NatsCluster, startNats } from '../../../test/brokers/services/nats.ts'
import { type Broker, cpuSecondsOf, type Start } from '../broker.ts'
import { connectOptions, type NatsEntry } from './entry.ts'

export function start(nodes: 1 | 3): Start {
  return async (progress) => {
    const cluster = await startNats({ nodes, progress })
    const { servers, user, password } = cluster
    const entry: NatsEntry = { type: 'nats', servers, user, password }
    const connection = await connect(connectOptions(entry))
    return new NatsBroker(entry, cluster, connection, await jetstreamManager(connection))
  }
}

class NatsBroker implements Broker {
  readonly type = 'nats'
  readonly isLog = true
  readonly groups = 'many'
  readonly client = new URL('./client.ts', import.meta.url)
  readonly entry: NatsEntry
  readonly ensure: { readonly replicas: number }
  readonly #cluster: NatsCluster
  readonly #connection: NatsConnection
  readonly #manager: JetStreamManager

  constructor(entry: NatsEntry, cluster: NatsCluster, connection: NatsConnection, manager: JetStreamManager) {
    this.entry = entry
    this.ensure = { replicas: cluster.nodes.length }
    this.#cluster = cluster
    this.#connection = connection
    this.#manager = manager
  }

  async create(topic: string): Promise<void> {
    const { replicas } = this.ensure
    await this.#manager.streams.add({ name: topic, subjects: [topic], storage: 'file', num_replicas: replicas })
  }

  async remove(topic: string): Promise<void> {
    await this.#manager.streams.delete(topic)
  }

  async stored(topic: string): Promise<number> {
    return (await this.#manager.streams.info(topic)).state.messages
  }

  async unsettled(topic: string, group: string): Promise<number> {
    const { num_pending, num_ack_pending } = await this.#manager.consumers.info(topic, group)
    return num_pending + num_ack_pending
  }

  cpuSeconds(): number | undefined {
    return cpuSecondsOf(this.#cluster.nodes.map(({ pid }) => pid))
  }

  async stop(): Promise<void> {
    await this.#connection.close()
    await this.#cluster.stop()
  }
}
