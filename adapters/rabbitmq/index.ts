import { type Broker, GatewayError, UnsupportedError } from '../../src/core/index.ts'
import { RabbitBroker } from './broker.ts'
import { type Config, config } from './config.ts'
import { Link } from './link.ts'

export type { Config } from './config.ts'

/** Connects, and learns what the server is. Wrong credentials are refused at once, and not tried again. */
async function open(parsed: Config): Promise<Broker> {
  const [link, publishing] = [new Link(parsed, 'consumers'), new Link(parsed, 'publisher')]
  try {
    await link.open()
    await publishing.open()
    checkVersion(link.version, parsed)
    return new RabbitBroker({ link, publishing }, parsed)
  } catch (error) {
    await Promise.all([link.close(), publishing.close()])
    throw error
  }
}

/** Quorum queues came with 3.8, and have priorities since 4.0. */
function checkVersion(version: string, { queue, priorities }: Config): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < 3 || (major === 3 && minor < 8)) {
    throw new GatewayError('misconfigured', `RabbitMQ ${version} is too old: 3.8 is the oldest spoken to.`)
  }
  if (queue === 'quorum' && priorities !== undefined && major < 4) {
    const detail = `Quorum queues of RabbitMQ ${version} have no priorities, those of 4.0 do: upgrade, or set queue to classic (priorities).`
    throw new UnsupportedError('priorities', detail)
  }
}

/** The broker for work queues and routing; it keeps nothing that was settled. */
export const rabbitmq = { type: 'rabbitmq', declaringCreates: false, config, open } as const
