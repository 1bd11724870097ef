import { type ChannelModel, connect } from 'amqplib'
import { afterAll, beforeAll } from 'vitest'
import { rabbitmq } from '../../../adapters/rabbitmq/index.ts'
import type { Broker } from '../../../src/core/broker.ts'
import { configOf } from '../rabbitmq-target.ts'
import type { RabbitAccess } from '../services/rabbitmq.ts'
import { sharedRabbitmq } from '../services/shared.ts'

const startMs = 180_000

export interface Stage {
  readonly server: RabbitAccess
  /** A client that is not the gateway's. */
  readonly client: ChannelModel
  /** A broker of the adapter, which ends with the file. */
  open(more?: object): Promise<Broker>
}

/** The adapter on the server that the run's files share; call at the top of a file. */
export function stage(): Stage {
  let server: RabbitAccess | undefined
  let client: ChannelModel | undefined
  const opened: Broker[] = []
  beforeAll(async () => {
    server = await sharedRabbitmq()
    client = await connect(server.url)
  }, startMs)
  afterAll(async () => {
    await Promise.all(opened.map((broker) => broker.close()))
    await client?.close()
  })
  return {
    get server() {
      return server!
    },
    get client() {
      return client!
    },
    async open(more = {}) {
      const broker = await rabbitmq.open(configOf(server!.url, more))
      opened.push(broker)
      return broker
    },
  }
}
