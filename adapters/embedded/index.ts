import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Broker, Clock } from '../../src/core/index.ts'
import { EmbeddedBroker } from './broker.ts'
import { type Config, config } from './config.ts'
import { FileLink } from './thread/file.ts'
import { LocalLink } from './thread/local.ts'

export type { Config } from './config.ts'

async function open({ path, sync = 'full', maxBytes: most }: Config, { clock }: { clock: Clock }): Promise<Broker> {
  const maxBytes = most ?? null
  if (path === undefined) {
    const link = new LocalLink(clock, maxBytes)
    return new EmbeddedBroker(link, [], 'memory', () => {})
  }
  const file = resolve(path)
  mkdirSync(dirname(file), { recursive: true })
  const { link, topics } = await FileLink.open({ path: file, sync, maxBytes })
  return new EmbeddedBroker(link, topics, sync === 'full' ? 'machine' : 'process', () => {})
}

/** The broker that needs no server: a file, or memory, of this process. */
export const embedded = { type: 'embedded', declaringCreates: true, config, open } as const
