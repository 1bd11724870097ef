import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

const sections = ['closed', 'open', 'ndjson', 'batch', 'read', 'start'] as const
export type Section = (typeof sections)[number]

export interface Options {
  readonly command: 'publish' | 'memory'
  readonly only: readonly Section[]
  readonly rounds: number
  /** Of one round of the closed loop; other rounds follow from it. */
  readonly seconds: number
  readonly minutes: number
  readonly servers: readonly ('memory' | 'durable')[]
  readonly json: boolean
  /** Where the logs under test are written. */
  readonly folder: string
  /** A key that the gateway is to check with every request. */
  readonly token: string | undefined
  /** Whether to wait for others on this machine, and to repeat what they disturbed. */
  readonly calm: boolean
  /** Where the servers write CPU profiles. */
  readonly profile: string | undefined
}

export const help = `Measures this gateway against its ceiling: the same HTTP stack that answers without storing.

  npm run bench -- publish [options]   throughput, latency, CPU and memory of publishing, reading and starting
  npm run bench -- memory [options]    resident memory at full rate with retention on

publish:
  --only LIST      some of ${sections.join(', ')} (comma separated)
  --quick          two short rounds each, under a minute; for a look, not for figures
  --rounds N       rounds for each server (default 5)
  --seconds N      length of a round (default 1.5)
memory:
  --minutes N      how long, for each server (default 10)
  --server NAME    memory or durable (default: one after the other)
both:
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
`

/** Wrong use of the command line. */
export class UsageError extends Error {}

/** Undefined where help is wanted. Throws UsageError. */
export function parseOptions(words: readonly string[]): Options | undefined {
  const { values, positionals } = parse(words)
  if (values.help === true) return undefined
  const [command, ...more] = positionals
  if ((command !== 'publish' && command !== 'memory') || more.length > 0) {
    throw new UsageError(`Say what to measure: publish or memory. See --help.`)
  }
  return {
    command,
    only: sectionsOf(values.only),
    rounds: positive('rounds', values.rounds, values.quick ? 2 : 5),
    seconds: positive('seconds', values.seconds, values.quick ? 0.4 : 1.5),
    minutes: positive('minutes', values.minutes, 10),
    servers: serversOf(values.server),
    json: values.json === true,
    folder: resolve(values.dir ?? tmpdir()),
    token: values.auth === true ? `slk_bench_${crypto.randomUUID()}` : undefined,
    calm: values.calm === true,
    profile: values.profile === undefined ? undefined : resolve(values.profile),
  }
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        only: { type: 'string' },
        quick: { type: 'boolean' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        minutes: { type: 'string' },
        server: { type: 'string' },
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

function sectionsOf(text: string | undefined): readonly Section[] {
  if (text === undefined) return sections
  const wanted = text.split(',')
  const stray = wanted.find((name) => !sections.some((section) => section === name))
  if (stray !== undefined) throw new UsageError(`--only knows ${sections.join(', ')}, not ${stray}.`)
  return sections.filter((section) => wanted.includes(section))
}

function serversOf(text: string | undefined): readonly ('memory' | 'durable')[] {
  if (text === undefined) return ['durable', 'memory']
  if (text === 'memory' || text === 'durable') return [text]
  throw new UsageError(`--server knows memory and durable, not ${text}.`)
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!(value > 0)) throw new UsageError(`--${name} takes a number above 0, not ${text}.`)
  return value
}
