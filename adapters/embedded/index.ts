import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Broker, type Clock, GatewayError } from '../../src/core/index.ts'
import { EmbeddedBroker } from './broker.ts'
import { type Config, config } from './config.ts'
import { cannotOpen } from './engine/open.ts'
import { lock } from './lock.ts'
import { FileLink } from './thread/file.ts'

export { check } from './check.ts'
export type { Config } from './config.ts'

async function open({ path, sync = 'full', maxBytes: most }: Config, { clock }: { clock: Clock }): Promise<Broker> {
  const maxBytes = most ?? null
  if (path === undefined) {
    // Loaded where it is used: with a file the engine runs in its own thread, and not here.
    const { LocalLink } = await import('./thread/local.ts')
    const link = new LocalLink(clock, maxBytes)
    return new EmbeddedBroker(link, [], 'memory', () => {})
  }
  const { file, release } = claim(path)
  try {
    const { link, topics } = await FileLink.open({ path: file, sync, maxBytes })
    return new EmbeddedBroker(link, topics, sync === 'full' ? 'machine' : 'process', release)
  } catch (thrown) {
    release()
    throw thrown
  }
}

/** Makes the file's folders and takes its lock. */
function claim(path: string): { file: string; release: () => void } {
  try {
    mkdirSync(dirname(resolve(path)), { recursive: true })
    const file = existsSync(path) ? realpathSync(path) : resolve(path)
    return { file, release: lock(file) }
  } catch (thrown) {
    throw thrown instanceof GatewayError ? thrown : cannotOpen(path, thrown)
  }
}

/** The broker that needs no server: a file, or memory, of this process. */
export const embedded = { type: 'embedded', declaringCreates: true, config, open } as const
