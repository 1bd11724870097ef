import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { AdapterRegistry, BrokerAdapter } from '../config/adapters.ts'

type Loader = (directory: string) => Promise<BrokerAdapter>

/** Every adapter that runs on Node, each loaded with its client only where the configuration names it. */
const loaders: Readonly<Record<string, Loader>> = {
  async embedded(directory) {
    const { embedded } = await import('../../adapters/embedded/index.ts')
    type Config = Parameters<typeof embedded.open>[0]
    const placed = (config: Config): Config =>
      config.path === undefined ? config : { ...config, path: resolve(directory, config.path) }
    return {
      type: embedded.type,
      config: embedded.config,
      declaringCreates: embedded.declaringCreates,
      open: (config, context) => embedded.open(placed(config as Config), context),
      async rehearse(parsed) {
        const config = placed(parsed as Config)
        if (config.path === undefined || existsSync(config.path)) return undefined
        const folder = await mkdtemp(join(tmpdir(), 'sluice-check-'))
        return {
          config: { ...config, path: join(folder, 'log.db') },
          done: () => rm(folder, { recursive: true, force: true }),
        }
      },
    }
  },
  async kafka() {
    const { kafka } = await import('../../adapters/kafka/index.ts')
    return { ...kafka, open: (config) => kafka.open(config as Parameters<typeof kafka.open>[0]) }
  },
  async sqs() {
    const { sqs } = await import('../../adapters/sqs/index.ts')
    return { ...sqs, open: (config) => sqs.open(config as Parameters<typeof sqs.open>[0]) }
  },
  async rabbitmq() {
    const { rabbitmq } = await import('../../adapters/rabbitmq/index.ts')
    return { ...rabbitmq, open: (config) => rabbitmq.open(config as Parameters<typeof rabbitmq.open>[0]) }
  },
  async nats() {
    const { nats } = await import('../../adapters/nats/index.ts')
    return { ...nats, open: (config) => nats.open(config as Parameters<typeof nats.open>[0]) }
  },
}

export const nodeAdapters: AdapterRegistry = {
  types: Object.keys(loaders),
  load: (type, directory) => loaders[type]!(directory),
}
