import { basename } from 'node:path'
import { define } from '../define.ts'
import { colours, print, userPath } from '../io.ts'
import type { ServingOptions } from '../serving.ts'

interface ServeOptions extends ServingOptions {
  readonly config: string
}

export const serve = define('serve', 'Run the gateway of a configuration. Topics are those that it declares.', [
  'sluice serve -c sluice.yaml',
  'sluice serve -c sluice.yaml --host 0.0.0.0 --port 8080',
])
  .requiredOption('-c, --config <file>', 'the configuration: .yaml, .json or .ts')
  .option('--host <address>', 'listen here instead of listen.host')
  .option('--port <number>', 'listen here instead of listen.port; 0 is any free port')
  .option('--json', 'print one JSON line once it listens, as into a pipe')
  .action(async (options: ServeOptions) => {
    const file = userPath(options.config)
    const [{ loadConfig }, { serveUntilSignal }] = await Promise.all([
      import('../../config/load.ts'),
      import('../serving.ts'),
    ])
    const loaded = await loadConfig(file, process.env, { shown: options.config })
    const greet = (url: string): void =>
      print(`${colours.bold('sluice')} serves ${basename(file)} at ${colours.cyan(url)}`)
    await serveUntilSignal(options, { loaded, file, createOn: undefined, allowLoopback: false, greet })
  })
