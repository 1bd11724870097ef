import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

const sections = {
  publish: ['closed', 'open', 'ndjson', 'batch', 'read', 'start'],
  kafka: ['closed', 'open', 'batch', 'ndjson', 'read', 'memory', 'three'],
  brokers: ['full', 'batch', 'ndjson', 'open', 'consume'],
  fanout: ['one', 'hundred', 'fifty', 'rows', 'log', 'both', 'latency', 'among', 'parked', 'many'],
} as const
/** With three nodes where there is a 3. */
const brokerNames = ['rabbitmq', 'sqs', 'sns', 'nats', 'nats3', 'kafka', 'kafka3'] as const

export type BrokerName = (typeof brokerNames)[number]
export type Section = (typeof sections.publish)[number]
export type KafkaSection = (typeof sections.kafka)[number]
export type BrokersSection = (typeof sections.brokers)[number]
export type FanoutSection = (typeof sections.fanout)[number]

/** What a lab is run with. */
export interface LabOptions {
  readonly rounds: number
  /** Of one round of the closed loop; other rounds follow from it. */
  readonly seconds: number
  readonly quick: boolean
  /** Where the logs under test are written. */
  readonly folder: string
  /** A key that the gateway is to check with every request. */
  readonly token: string | undefined
  /** Whether to wait for others on this machine, and to repeat what they disturbed. */
  readonly calm: boolean
  /** Where the servers write CPU profiles. */
  readonly profile: string | undefined
}

export interface MemoryOptions extends LabOptions {
  readonly command: 'memory'
  readonly minutes: number
  readonly servers: readonly ('memory' | 'durable')[]
  readonly json: boolean
}

export interface MatchOptions extends LabOptions {
  readonly command: 'match'
  readonly json: boolean
}

export interface SectionOptions<C extends keyof typeof sections, S> extends LabOptions {
  readonly command: C
  readonly only: readonly S[]
  readonly json: boolean
}

export interface FanoutOptions extends SectionOptions<'fanout', FanoutSection> {
  readonly store: 'sqlite' | 'postgres'
  /** How many rows wait in the store of the section about them. */
  readonly parked: number
}

export interface BrokersOptions extends SectionOptions<'brokers', BrokersSection> {
  readonly brokers: readonly BrokerName[]
}

export type Options =
  | BrokersOptions
  | FanoutOptions
  | MemoryOptions
  | MatchOptions
  | SectionOptions<'publish', Section>
  | SectionOptions<'kafka', KafkaSection>

export const help = `Measures this gateway against its ceiling: the same HTTP stack that answers without storing.

  npm run bench -- publish [options]   throughput, latency, CPU and memory of publishing, reading and starting
  npm run bench -- memory [options]    resident memory at full rate with retention on
  npm run bench -- kafka [options]     the gateway over a Kafka that is started for it, beside its client library alone
  npm run bench -- brokers [options]   the gateway over each broker, beside its client library alone
  npm run bench -- match [options]     finding the subscriptions of an event among 10 to 10,000
  npm run bench -- fanout [options]    delivering webhooks, beside a bare loop of signed POSTs

publish, kafka, brokers, fanout (match: --quick and --rounds):
  --only LIST      some of ${sections.publish.join(', ')} (comma separated);
                   for kafka of ${sections.kafka.join(', ')};
                   for brokers of ${sections.brokers.join(', ')};
                   for fanout of ${sections.fanout.join(', ')}
  --quick          two short rounds each; for a look, not for figures
  --rounds N       rounds for each server (default 5)
  --seconds N      length of a round (default 1.5)
memory:
  --minutes N      how long, for each server (default 10)
  --server NAME    memory or durable (default: one after the other)
brokers:
  --broker LIST    some of ${brokerNames.join(', ')}
fanout:
  --store NAME     sqlite or postgres, which is started for it (default sqlite)
  --parked N       rows that wait in the store, for the section of that name (default 1000000)
all:
  --json           JSON on stdout instead of tables
  --dir FOLDER     where the logs under test are written (default: ${tmpdir()})
  --calm           for a machine that is not alone: wait before a cycle until it is idle, and repeat cycles in
                   which other processes used more than a quarter of a core (Linux)
  --auth           configure a key, and send it with every request
  --profile DIR    CPU profiles of the servers, one file for each thread
  --help

Examples:
  npm run bench -- publish --only closed,ndjson
  npm run --silent bench -- publish --json > result.json
  npm run bench -- memory --server durable --minutes 3
  npm run bench -- kafka --only closed,three
  npm run bench -- brokers --broker rabbitmq,nats --only consume
  npm run bench -- fanout --only one,hundred
`

const commands = [
  'publish',
  'memory',
  'kafka',
  'brokers',
  'match',
  'fanout',
] as const satisfies readonly Options['command'][]

/** Wrong use of the command line. */
export class UsageError extends Error {}

/** Undefined where help is wanted. Throws UsageError. */
export function parseOptions(words: readonly string[]): Options | undefined {
  const { values, positionals } = parse(words)
  if (values.help === true) return undefined
  const [command, ...more] = positionals
  if (!isCommand(command) || more.length > 0) {
    throw new UsageError(`Say what to measure: ${commands.slice(0, -1).join(', ')} or ${commands.at(-1)}. See --help.`)
  }
  const json = values.json === true
  const lab = {
    quick: values.quick === true,
    rounds: positive('rounds', values.rounds, values.quick ? 2 : 5),
    seconds: positive('seconds', values.seconds, values.quick ? 0.4 : 1.5),
    folder: resolve(values.dir ?? tmpdir()),
    token: values.auth === true ? `slk_bench_${crypto.randomUUID()}` : undefined,
    calm: values.calm === true,
    profile: values.profile === undefined ? undefined : resolve(values.profile),
  }
  if (command === 'publish') return { ...lab, command, json, only: listOf('only', values.only, sections.publish) }
  if (command === 'kafka') return { ...lab, command, json, only: listOf('only', values.only, sections.kafka) }
  if (command === 'brokers') {
    const brokers = listOf('broker', values.broker, brokerNames)
    return { ...lab, command, json, only: listOf('only', values.only, sections.brokers), brokers }
  }
  if (command === 'match') return { ...lab, command, json }
  if (command === 'fanout') {
    const parked = positive('parked', values.parked, lab.quick ? 20_000 : 1_000_000)
    const only = listOf('only', values.only, sections.fanout)
    return { ...lab, command, json, only, store: storeOf(values.store), parked }
  }
  const minutes = positive('minutes', values.minutes, 10)
  return { ...lab, command, json, minutes, servers: serversOf(values.server) }
}

function isCommand(word: string | undefined): word is Options['command'] {
  return commands.some((command) => command === word)
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        only: { type: 'string' },
        broker: { type: 'string' },
        quick: { type: 'boolean' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        minutes: { type: 'string' },
        server: { type: 'string' },
        store: { type: 'string' },
        parked: { type: 'string' },
        json: { type: 'boolean' },
        dir: { type: 'string' },
        calm: { type: 'boolean' },
        auth: { type: 'boolean' },
        profile: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function listOf<S extends string>(name: string, text: string | undefined, known: readonly S[]): readonly S[] {
  if (text === undefined) return known
  const wanted = text.split(',')
  const stray = wanted.find((word) => !known.some((one) => one === word))
  if (stray !== undefined) throw new UsageError(`--${name} knows ${known.join(', ')}, not ${stray}.`)
  return known.filter((one) => wanted.includes(one))
}

function serversOf(text: string | undefined): readonly ('memory' | 'durable')[] {
  if (text === undefined) return ['durable', 'memory']
  if (text === 'memory' || text === 'durable') return [text]
  throw new UsageError(`--server knows memory and durable, not ${text}.`)
}

function storeOf(text = 'sqlite'): 'sqlite' | 'postgres' {
  if (text === 'sqlite' || text === 'postgres') return text
  throw new UsageError(`--store knows sqlite and postgres, not ${text}.`)
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!(value > 0)) throw new UsageError(`--${name} takes a number above 0, not ${text}.`)
  return value
}
