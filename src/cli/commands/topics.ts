import { define } from '../define.ts'
import { CliError, exitCode } from '../exit.ts'
import { colours, print, printJson, userPath, wantsJson } from '../io.ts'

interface ApplyOptions {
  readonly config: string
  readonly json?: boolean
}

const apply = define(
  'apply',
  'Make the topics of a configuration, or bring them to what it says. Nothing is ever deleted.',
  ['sluice topics apply -c sluice.yaml'],
)
  .requiredOption('-c, --config <file>', 'the configuration: .yaml, .json or .ts')
  .option('--json', 'JSON lines, as into a pipe')
  .action(async (options: ApplyOptions) => {
    const [
      { loadConfig },
      { prepareBrokers, openBrokers },
      { declaredTopics, refusals },
      { nodeAdapters },
      { systemClock },
    ] = await Promise.all([
      import('../../config/load.ts'),
      import('../../config/brokers.ts'),
      import('../../config/topics.ts'),
      import('../../runtime/adapters.ts'),
      import('../../core/clock.ts'),
    ])
    const loaded = await loadConfig(userPath(options.config), process.env, { shown: options.config })
    const opened = await openBrokers(await prepareBrokers(loaded, nodeAdapters), systemClock)
    try {
      const topics = declaredTopics(loaded.config.topics, new Map(opened.map((entry) => [entry.name, entry])))
      const faults = await refusals(topics)
      if (faults.length > 0) throw new CliError(exitCode.failed, faults.join('\n'))
      for (const { name, brokerName, brokerTopic, broker, spec } of topics) {
        const changes = spec === undefined ? [] : ((await broker.admin?.ensure(brokerTopic, spec)) ?? [])
        if (wantsJson(options)) printJson({ topic: name, broker: brokerName, changes })
        else
          print(
            `${name} on ${brokerName}: ${changes.length === 0 ? colours.dim('as it should be') : changes.map(show).join(', ')}`,
          )
      }
    } finally {
      await Promise.allSettled(opened.map(({ broker }) => broker.close()))
    }
  })

function show({ field, from, to }: { field: string; from?: string; to: string }): string {
  return from === undefined ? `${field} ${colours.green(to)}` : `${field} ${from} → ${colours.green(to)}`
}

export const topics = define('topics', 'Make the topics of a configuration.', [
  'sluice topics apply -c sluice.yaml',
]).addCommand(apply)
