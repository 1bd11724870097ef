import { resolve } from 'node:path'
import { sharedKafka, sharedNats, sharedRabbitmq, sharedSqs } from '../brokers/services/shared.ts'

interface BrokerEntry {
  /** What the configuration has under the broker's name, in the way of YAML. */
  entry(nodes: 1 | 3): string | Promise<string>
  /** Whether it has partitions that a topic can ask for. */
  readonly partitions: boolean
  /** What the gateway's process loads before everything else. */
  readonly preload?: string
}

async function rabbitmq(more: string): Promise<string> {
  return `{ type: rabbitmq, url: "${(await sharedRabbitmq()).url}"${more} }`
}

async function nats(nodes: 1 | 3, more: string): Promise<string> {
  const { servers, user, password } = await sharedNats(nodes)
  const urls = servers.map((url) => `"${url}"`).join(', ')
  return `{ type: nats, servers: [${urls}], user: ${user}, password: ${password}${more} }`
}

async function sqs(service: 'queues' | 'topics', more: string): Promise<string> {
  const { [service]: endpoint } = await sharedSqs()
  const credentials = 'credentials: { accessKeyId: swap, secretAccessKey: swap }'
  return `{ type: sqs, region: eu-west-1, endpoint: "${endpoint}", ${credentials}${more} }`
}

const fixture = resolve(import.meta.dirname, 'weak-adapter.ts')

/** Every broker that the suite runs with, by the word that names it in the configuration. */
const brokers = {
  local: { entry: () => '{ type: embedded, path: data/log.db }', partitions: true },
  memory: { entry: () => '{ type: embedded, memory: true }', partitions: true },
  main: {
    entry: async (nodes) => `{ type: kafka, bootstrap: [${(await sharedKafka(nodes)).bootstrap.join(', ')}] }`,
    partitions: true,
  },
  jobs: { entry: () => rabbitmq(''), partitions: false },
  'jobs-in-order': { entry: () => rabbitmq(', ordering: key'), partitions: false },
  queues: { entry: () => sqs('queues', ''), partitions: false },
  aws: { entry: () => sqs('topics', ', sns: true'), partitions: false },
  'aws-in-order': { entry: () => sqs('topics', ', sns: true, fifo: true'), partitions: false },
  fast: { entry: (nodes) => nats(nodes, ''), partitions: false },
  'fast-in-order': { entry: (nodes) => nats(nodes, ', ordering: key'), partitions: false },
  // No product: all that the port lets a broker lack, so that every refusal is seen wherever the suite runs.
  weak: { entry: () => '{ type: fixture, receipt: portable, groups: one }', partitions: false, preload: fixture },
  session: { entry: () => '{ type: fixture, receipt: session, groups: many }', partitions: false, preload: fixture },
} as const satisfies Record<string, BrokerEntry>

/** What stands after `broker:` in the configuration. */
export type Word = keyof typeof brokers

function brokerOf(word: Word): BrokerEntry {
  return brokers[word]
}

/** What a topic asks to be made with, unless it says otherwise: several partitions wherever there are any. */
export function ensured(word: Word): string {
  return brokerOf(word).partitions ? 'ensure: { partitions: 4 }' : 'ensure: {}'
}

export function hasPartitions(word: Word): boolean {
  return brokerOf(word).partitions
}

/** The lines under `brokers:`. `nodes` is how many a cluster has. */
export async function brokerLines(words: readonly Word[], nodes: 1 | 3): Promise<string> {
  const lines = await Promise.all(words.map(async (word) => `  ${word}: ${await brokerOf(word).entry(nodes)}`))
  return lines.join('\n')
}

export function preloads(words: readonly Word[]): readonly string[] {
  return [...new Set(words.flatMap((word) => brokerOf(word).preload ?? []))]
}
