import type { Finding } from '../checks.ts'
import { Client, type ClientOptions } from '../client.ts'
import { clientOptions, define } from '../define.ts'
import { CliError, exitCode } from '../exit.ts'
import { colours, print, printJson, userPath, wantsJson } from '../io.ts'

interface CheckOptions extends ClientOptions {
  readonly config: string
  readonly json?: boolean
}

export const check = clientOptions(
  define(
    'check',
    'Check a configuration: its fields, the brokers and the store that it connects to, and whether the brokers can do ' +
      'what its topics require. It changes nothing. A broker that a running gateway holds is asked for over HTTP.',
    ['sluice check -c sluice.yaml', 'sluice check -c sluice.yaml --json | jq -r .detail'],
  ),
)
  .requiredOption('-c, --config <file>', 'the configuration: .yaml, .json or .ts')
  .action(async (options: CheckOptions) => {
    const [{ loadConfig }, { findings }, { ConfigError }] = await Promise.all([
      import('../../config/load.ts'),
      import('../checks.ts'),
      import('../../config/problems.ts'),
    ])
    const json = wantsJson(options)
    try {
      const loaded = await loadConfig(userPath(options.config), process.env, { shown: options.config })
      const { host, port } = loaded.config.listen
      const client = new Client({ url: options.url ?? (process.env.SLUICE_URL || `http://${host}:${port}`) })
      let failed = 0
      for await (const finding of findings(loaded, client)) {
        if (!finding.ok) failed++
        if (json) printJson(finding)
        else print(line(finding))
      }
      if (failed > 0) throw new CliError(exitCode.failed, `${failed} of the checks failed.`)
    } catch (error) {
      if (json && error instanceof ConfigError) {
        for (const { path, detail, place } of error.problems) {
          printJson({ check: 'field', name: path.join('.'), ok: false, detail, file: error.file, ...place })
        }
      }
      throw error
    }
  })

function line({ check: what, name, ok, detail }: Finding): string {
  const mark = ok ? colours.green('ok  ') : colours.red('FAIL')
  return `${mark} ${what} ${name}: ${detail}`
}
