import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Config } from '../../config/schema.ts'
import { define } from '../define.ts'
import { greeting } from '../greeting.ts'
import { colours, print, userDirectory, userPath } from '../io.ts'
import type { ServingOptions } from '../serving.ts'

interface DevOptions extends ServingOptions {
  readonly config?: string
  readonly data: string
}

const usualFiles = ['sluice.yaml', 'sluice.yml', 'sluice.json', 'sluice.ts']

export const dev = define(
  'dev',
  'Run a gateway for development. It reads sluice.yaml where there is one, and needs none: events and state are kept ' +
    'under --data. Publishing, reading, subscribing and creating a group make a topic that is not there.',
  ['sluice dev', 'sluice dev --port 0 --data /tmp/try', 'sluice dev -c other.yaml'],
)
  .option('-c, --config <file>', 'the configuration, instead of sluice.yaml')
  .option('--data <folder>', 'where events and state go, unless the configuration says', '.sluice')
  .option('--host <address>', 'listen here instead of listen.host')
  .option('--port <number>', 'listen here instead of listen.port; 0 is any free port')
  .option('--json', 'print one JSON line once it listens, as into a pipe')
  .action(async (options: DevOptions) => {
    const file = options.config === undefined ? usualFile() : userPath(options.config)
    const data = userPath(options.data)
    const [{ builtInConfig, loadConfig }, { serveUntilSignal }] = await Promise.all([
      import('../../config/load.ts'),
      import('../serving.ts'),
    ])
    const complete = (value: unknown): unknown => withDefaults(value, data)
    const loaded =
      file === undefined
        ? builtInConfig(complete({}), userDirectory())
        : await loadConfig(file, process.env, { shown: relative(userDirectory(), file), complete })
    const createOn = developmentBroker(loaded.config)
    const greet = (url: string): void => {
      print(greeting({ url, createOn, keys: loaded.config.keys.length > 0, data: options.data, file }, colours))
    }
    await serveUntilSignal(options, { loaded, file, createOn, allowLoopback: true, greet })
  })

function usualFile(): string | undefined {
  return usualFiles.map((name) => join(userDirectory(), name)).find((path) => existsSync(path))
}

/** A broker and a store under the data folder, where the file names none. */
function withDefaults(value: unknown, data: string): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return {
    brokers: { local: { type: 'embedded', path: join(data, 'log.db') } },
    store: { type: 'sqlite', path: join(data, 'store.db') },
    ...value,
  }
}

/** The embedded broker, `local` where there are several; undefined where there is none, and then topics are declared. */
function developmentBroker({ brokers }: Config): string | undefined {
  const embedded = Object.entries(brokers).flatMap(([name, { type }]) => (type === 'embedded' ? [name] : []))
  return embedded.includes('local') ? 'local' : embedded[0]
}
