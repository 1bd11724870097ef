import { resolve } from 'node:path'
import type { Config } from '../../adapters/nats/config.ts'
import { nats } from '../../adapters/nats/index.ts'
import type { Broker, TopicSpec } from '../../src/core/broker.ts'
import type { Target } from '../conformance/index.ts'
import type { NatsCluster, NatsDescription } from './services/nats.ts'
import { type Passage, passageTo } from './services/passage.ts'

const adapter = resolve(import.meta.dirname, '../../adapters/nats/index.ts')

export function configOf({ servers, user, password }: NatsDescription, more: object = {}): Config {
  return nats.config.parse({ type: 'nats', servers, user, password, requestTimeout: '2s', ...more })
}

/** Everything stands still while a pause lasts: nothing is acknowledged, and nothing works. */
function pauseOf(cluster: () => NatsCluster): () => Promise<() => Promise<void>> {
  return async () => {
    const { nodes } = cluster()
    await Promise.all(nodes.map((node) => node.pause()))
    return async () => {
      for (const node of nodes) node.resume()
    }
  }
}

/** NATS as the suite runs it: on `nodes` servers, with as many replicas of each topic. */
export function natsTarget(
  name: string,
  cluster: () => NatsCluster,
  nodes: 1 | 3,
  ordering: 'none' | 'key' = 'none',
): Target {
  const isKeyed = ordering === 'key'
  const config = () => configOf(cluster(), { ordering })
  const open = (): Promise<Broker> => nats.open(config())
  const pause = pauseOf(cluster)
  return {
    name,
    capabilities: {
      settlement: 'individual',
      receipt: isKeyed ? 'session' : 'portable',
      fencing: 'deadline',
      reject: true,
      extend: true,
      attempts: true,
      ordering,
      exclusiveKeys: isKeyed,
      replay: true,
      seek: true,
      groups: 'many',
      lag: 'exact',
      durability: nodes === 3 ? 'replicated' : 'process',
      dedupWindowMs: 7 * 86_400_000,
      publishDelayMs: 7 * 86_400_000,
      nackDelayMs: isKeyed ? 0 : 7 * 86_400_000,
      atomicPublishMax: 1000,
    },
    deadlineMs: 20_000,
    open,
    createTopic: async (broker: Broker, topic: string, asked: TopicSpec) => {
      await broker.admin!.ensure(topic, { replicas: nodes, ...asked })
    },
    async reopen(broker) {
      await broker.close()
      return open()
    },
    process: () => ({ module: adapter, export: 'nats', config: config() }),
    holdAck: pause,
    breakBroker: pause,
    badCredentials: () => {
      let passage: Passage | undefined
      return {
        async open() {
          passage ??= await passageTo(cluster().servers[0]!.slice('nats://'.length))
          return nats.open(configOf({ ...cluster(), servers: [`nats://${passage.address}`] }, { password: 'wrong' }))
        },
        attempts: async () => passage?.connections ?? 0,
      }
    },
  }
}
