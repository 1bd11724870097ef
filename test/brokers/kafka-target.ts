import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Config } from '../../adapters/kafka/config.ts'
import { kafka } from '../../adapters/kafka/index.ts'
import type { Broker, TopicSpec } from '../../src/core/broker.ts'
import type { Target } from '../conformance/index.ts'
import type { KafkaCluster } from './services/kafka.ts'
import { type Passage, passageTo } from './services/passage.ts'

const adapter = resolve(import.meta.dirname, '../../adapters/kafka/index.ts')

/** Settings that let a test see a consumer given up within seconds. */
const quick = { requestTimeout: '1500ms', sessionTimeout: '3s' }

export function configOf(bootstrap: readonly string[], more: object = {}): Config {
  return kafka.config.parse({ type: 'kafka', bootstrap, ...quick, ...more })
}

/** Kafka as the suite runs it: on a single node, whose loss stops everything, as the hooks need it. */
export function singleNode(cluster: () => KafkaCluster): Target {
  const open = (): Promise<Broker> => kafka.open(configOf(cluster().bootstrap))
  const pause = async () => {
    const [node] = cluster().nodes
    await node!.pause()
    return () => node!.resume()
  }
  return {
    name: 'kafka, one node',
    capabilities: {
      settlement: 'cumulative',
      receipt: 'session',
      fencing: 'broker',
      ordering: 'key',
      exclusiveKeys: true,
      replay: true,
      seek: true,
      groups: 'many',
      lag: 'approximate',
      durability: 'process',
      atomicPublishMax: 1000,
    },
    deadlineMs: 30_000,
    open,
    createTopic: async (broker: Broker, topic: string, spec: TopicSpec) => {
      await broker.admin!.ensure(topic, { partitions: 4, ...spec })
    },
    async reopen(broker) {
      await broker.close()
      return open()
    },
    process: () => ({ module: adapter, export: 'kafka', config: configOf(cluster().bootstrap) }),
    holdAck: pause,
    breakBroker: pause,
    badCredentials: () => {
      const { listeners, tls, users } = cluster()
      let passage: Passage | undefined
      return {
        async open() {
          passage ??= await passageTo(listeners.sasl[0]!)
          const sasl = { mechanism: 'scram-sha-512', ...users.scram, password: 'not-the-password' }
          const ca = await readFile(tls.ca, 'utf8')
          return kafka.open(configOf([passage.address], { tls: { ca }, sasl }))
        },
        attempts: async () => passage?.connections ?? 0,
      }
    },
  }
}
