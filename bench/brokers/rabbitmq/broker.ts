import { type ChannelModel, connect } from 'amqplib'
import { config } from '../../../adapters/rabbitmq/config.ts'
import { queueArguments } from '../../../adapters/rabbitmq/queues.ts'
import { type RabbitServer, startRabbitmq } from '../../../test/brokers/services/rabbitmq.ts'
import { type Broker, benchGroup, cpuSecondsOf, type Start } from '../broker.ts'
import { queueOf, type RabbitEntry } from './entry.ts'

export const start: Start = async (progress) => {
  const server = await startRabbitmq({ progress })
  return new RabbitBroker(server, await connect(server.url))
}

class RabbitBroker implements Broker {
  readonly type = 'rabbitmq'
  readonly ensure = {}
  readonly isLog = false
  readonly groups = 'many'
  readonly client = new URL('./client.ts', import.meta.url)
  readonly entry: RabbitEntry
  readonly #server: RabbitServer
  readonly #connection: ChannelModel

  constructor(server: RabbitServer, connection: ChannelModel) {
    this.entry = { type: 'rabbitmq', url: server.url }
    this.#server = server
    this.#connection = connection
  }

  async create(topic: string): Promise<void> {
    const channel = await this.#connection.createChannel()
    const queue = queueOf(topic, benchGroup)
    await channel.assertExchange(topic, 'topic', { durable: true })
    await channel.assertQueue(queue, { durable: true, arguments: queueArguments(config.parse(this.entry)) })
    await channel.bindQueue(queue, topic, '#')
    await channel.close()
  }

  async remove(topic: string): Promise<void> {
    const channel = await this.#connection.createChannel()
    await channel.deleteQueue(queueOf(topic, benchGroup))
    await channel.deleteExchange(topic)
    await channel.close()
  }

  stored(topic: string): Promise<number> {
    return this.unsettled(topic, benchGroup)
  }

  /** What a consumer was given has gone back to the queue when the consumer is gone. */
  async unsettled(topic: string, group: string): Promise<number> {
    const channel = await this.#connection.createChannel()
    const { messageCount } = await channel.checkQueue(queueOf(topic, group))
    await channel.close()
    return messageCount
  }

  cpuSeconds(): number | undefined {
    return cpuSecondsOf([this.#server.node.pid])
  }

  async stop(): Promise<void> {
    await this.#connection.close()
    await this.#server.stop()
  }
}
