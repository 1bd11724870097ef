import type { Broker, GroupState, TopicState } from '../../core/broker.ts'
import { define } from '../define.ts'
import { CliError, exitCode } from '../exit.ts'
import { colours, print, printJson, userPath, wantsJson } from '../io.ts'
import { type DeclaredTopics, withTopics } from '../topics.ts'

interface TopicOptions {
  readonly config: string
  readonly json?: boolean
}

interface ApplyOptions extends TopicOptions {
  readonly diff?: boolean
}

const apply = define(
  'apply',
  'Make the topics of a configuration, or bring them to what it says. Nothing is ever deleted or shrunk.',
  ['sluice topics apply -c sluice.yaml', 'sluice topics apply -c sluice.yaml --diff'],
)
  .requiredOption('-c, --config <file>', 'the configuration: .yaml, .json or .ts')
  .option('--diff', 'only show what would change')
  .option('--json', 'JSON lines, as into a pipe')
  .action((options: ApplyOptions) =>
    withTopics(userPath(options.config), options.config, async (topics, { refusals, ensureTopic }) => {
      const faults = await refusals(topics)
      if (faults.length > 0) throw new CliError(exitCode.failed, faults.join('\n'))
      for (const topic of topics) {
        const { name, brokerName, brokerTopic, broker, spec } = topic
        const diff = async () => (spec === undefined ? [] : ((await broker.admin?.diff(brokerTopic, spec)) ?? []))
        const changes = options.diff === true ? await diff() : await ensureTopic(topic)
        if (wantsJson(options)) printJson({ topic: name, broker: brokerName, changes })
        else {
          const said = changes.length === 0 ? colours.dim('as it should be') : changes.map(show).join(', ')
          print(`${name} on ${brokerName}: ${said}`)
        }
      }
    }),
  )

const describe = define(
  'describe',
  'Show what the brokers say of the topics of a configuration: settings, leaders, replicas, and the lag of their groups.',
  ['sluice topics describe -c sluice.yaml', 'sluice topics describe orders -c sluice.yaml'],
)
  .argument('[topic]', 'only this one')
  .requiredOption('-c, --config <file>', 'the configuration: .yaml, .json or .ts')
  .option('--json', 'JSON lines, as into a pipe')
  .action((wanted: string | undefined, options: TopicOptions) =>
    withTopics(userPath(options.config), options.config, async (topics) => {
      const chosen = topics.filter(({ name }) => wanted === undefined || name === wanted)
      if (chosen.length === 0) throw new CliError(exitCode.failed, `The configuration has no topic ${wanted}.`)
      for (const topic of chosen) await showTopic(topic, wantsJson(options))
    }),
  )

async function showTopic({ name, brokerName, brokerTopic, broker }: DeclaredTopics[number], json: boolean) {
  const state = await broker.admin?.describe(brokerTopic)
  const groups = await groupsOf(broker, brokerTopic)
  if (json) {
    printJson({ topic: name, broker: brokerName, ...state, groups })
    return
  }
  print(`${colours.bold(name)} on ${brokerName}${state === undefined ? '' : `: ${settingsOf(state)}`}`)
  for (const { partition, leader, replicas, inSync } of state?.placement ?? []) {
    const led = leader === undefined ? colours.red('no leader') : `leader ${leader}`
    const behind = replicas.filter((replica) => !inSync.includes(replica))
    const missing = behind.length === 0 ? '' : colours.red(`, not in sync: ${behind.join(' ')}`)
    print(`  partition ${partition}: ${led}, replicas ${replicas.join(' ')}${missing}`)
  }
  for (const { group, lag } of groups) print(`  group ${group}: lag ${lag === undefined ? 'unknown' : lag.events}`)
}

async function groupsOf(broker: Broker, topic: string): Promise<({ group: string } & GroupState)[]> {
  const names = await broker.groups.list(topic)
  return Promise.all(names.map(async (group) => ({ group, ...(await broker.groups.describe(topic, group)) })))
}

function settingsOf({ partitions, replicas, minInsyncReplicas, compaction, durability }: TopicState): string {
  const settings = [`${partitions} partitions`, `${replicas} replicas`]
  if (minInsyncReplicas !== undefined) settings.push(`at least ${minInsyncReplicas} in sync`)
  if (compaction === true) settings.push('compacted')
  if (durability !== undefined) settings.push(`durability ${durability}`)
  return settings.join(', ')
}

function show({ field, from, to }: { field: string; from?: string; to: string }): string {
  return from === undefined ? `${field} ${colours.green(to)}` : `${field} ${from} → ${colours.green(to)}`
}

export const topics = define('topics', 'Make and show the topics of a configuration.', [
  'sluice topics apply -c sluice.yaml',
  'sluice topics describe -c sluice.yaml',
])
  .addCommand(apply)
  .addCommand(describe)
