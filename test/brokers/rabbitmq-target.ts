import { resolve } from 'node:path'
import type { Config } from '../../adapters/rabbitmq/config.ts'
import { rabbitmq } from '../../adapters/rabbitmq/index.ts'
import type { Broker, Capabilities } from '../../src/core/broker.ts'
import type { Target } from '../conformance/index.ts'
import { type Passage, passageTo, through } from './services/passage.ts'
import type { RabbitAccess } from './services/rabbitmq.ts'

const adapter = resolve(import.meta.dirname, '../../adapters/rabbitmq/index.ts')

export function configOf(url: string, more: object = {}): Config {
  return rabbitmq.config.parse({ type: 'rabbitmq', url, ...more })
}

const common: Partial<Capabilities> = {
  settlement: 'individual',
  receipt: 'session',
  fencing: 'broker',
  nackDelayMs: 0,
  reject: true,
  extend: false,
  dedupWindowMs: 0,
  publishDelayMs: 0,
  atomicPublishMax: 0,
  groups: 'many',
  seek: false,
  replay: false,
  lag: 'approximate',
}

interface Mode {
  readonly name: string
  readonly settings: object
  readonly capabilities: Partial<Capabilities>
}

export const modes: readonly Mode[] = [
  {
    name: 'rabbitmq, quorum queues',
    settings: {},
    capabilities: { ordering: 'none', exclusiveKeys: false, attempts: true, durability: 'machine' },
  },
  {
    name: 'rabbitmq, quorum queues with a single active consumer',
    settings: { ordering: 'key' },
    capabilities: { ordering: 'topic', exclusiveKeys: true, attempts: true, durability: 'machine' },
  },
  {
    name: 'rabbitmq, classic queues',
    settings: { queue: 'classic' },
    capabilities: { ordering: 'none', exclusiveKeys: false, attempts: false, durability: 'process' },
  },
]

/** Every broker has a way of its own to the server, so that the scenarios do not disturb each other. */
export function targetOf(server: () => RabbitAccess, mode: Mode, passages: Passage[]): Target {
  const own = new WeakMap<Broker, Passage>()
  const wayTo = async ({ url }: RabbitAccess): Promise<Passage> => {
    const way = await passageTo(new URL(url).host)
    passages.push(way)
    return way
  }
  const open = async (): Promise<Broker> => {
    const way = await wayTo(server())
    const broker = await rabbitmq.open(configOf(through(way, server().url), mode.settings))
    own.set(broker, way)
    const close = broker.close.bind(broker)
    broker.close = () => close().finally(() => way.close())
    return broker
  }
  return {
    name: mode.name,
    capabilities: { ...common, ...mode.capabilities },
    deadlineMs: 30_000,
    open,
    async reopen(broker) {
      await broker.close()
      return open()
    },
    process: () => ({ module: adapter, export: 'rabbitmq', config: configOf(server().url, mode.settings) }),
    async holdAck(broker) {
      const release = own.get(broker)!.hold('server')
      return async () => release()
    },
    async breakBroker(broker) {
      const heal = own.get(broker)!.cut()
      return async () => heal()
    },
    badCredentials() {
      let way: Passage | undefined
      return {
        async open() {
          way ??= await wayTo(server())
          return rabbitmq.open(
            configOf(through(way, server().url), { username: 'guest', password: 'not-the-password' }),
          )
        },
        attempts: async () => way?.connections ?? 0,
      }
    },
  }
}
