// npm run brokers [-- kafka postgres] [--nodes 1|3] [--json]
// Starts real brokers, and a Postgres for the store, on loopback, prints a configuration for them and ends them at Ctrl-C.
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { type KafkaCluster, startKafka } from '../test/brokers/services/kafka.ts'
import { natsConfiguration } from '../test/brokers/services/nats/paste.ts'
import { startNats } from '../test/brokers/services/nats.ts'
import { kafkaConfiguration } from '../test/brokers/services/paste.ts'
import { startPostgres } from '../test/brokers/services/postgres.ts'
import { rabbitmqConfiguration } from '../test/brokers/services/rabbitmq/paste.ts'
import { startRabbitmq } from '../test/brokers/services/rabbitmq.ts'
import { sqsConfiguration } from '../test/brokers/services/sqs/paste.ts'
import { startSqs } from '../test/brokers/services/sqs.ts'

interface Options {
  readonly nodes: 1 | 3
  readonly progress: (line: string) => void
}

interface Service {
  /** For people, and for programs. */
  readonly configuration: string
  readonly description: object
  stop(): Promise<void>
}

const services: Readonly<Record<string, (options: Options) => Promise<Service>>> = {
  kafka: async (options) => {
    const cluster: KafkaCluster = await startKafka(options)
    const { nodes: _, ...description } = cluster
    return { configuration: kafkaConfiguration(cluster), description, stop: () => cluster.stop() }
  },
  sqs: async ({ progress }) => {
    progress('starting ElasticMQ for SQS, and fauxqs for SNS')
    const { queues, topics, stop } = await startSqs(progress)
    return { configuration: sqsConfiguration({ queues, topics }), description: { queues, topics }, stop }
  },
  rabbitmq: async ({ progress }) => {
    const { url, tlsUrl, ca, stop } = await startRabbitmq({ progress })
    return { configuration: rabbitmqConfiguration({ url, tlsUrl, ca }), description: { url, tlsUrl, ca }, stop }
  },
  nats: async (options) => {
    const { nodes: _, stop, ...description } = await startNats(options)
    return { configuration: natsConfiguration(description), description, stop }
  },
  postgres: async ({ progress }) => {
    progress('starting one server')
    const server = await startPostgres()
    const url = await server.database()
    const configuration = `store: { type: postgres, url: ${url} }\nencryptionKey: ${randomBytes(32).toString('base64')}\n`
    return { configuration, description: { url }, stop: () => server.stop() }
  },
}

const help = `npm run brokers -- [service …] [options]

Starts real brokers on 127.0.0.1, prints a configuration to paste of each, and ends them at Ctrl-C. Without a name it
starts every service: ${Object.keys(services).join(', ')}.

  --nodes 1|3   how many nodes a cluster has (1)
  --json        one line of JSON a service, once it is ready
  --help        this text
`
const several = `Each is a configuration of its own. In one file all entries go under one brokers:, and a topic names one of them.
`
const usageCode = 2

class UsageError extends Error {}

function parse(words: string[]): { names: string[]; nodes: 1 | 3; json: boolean; help: boolean } {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      nodes: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const unknown = positionals.find((name) => !Object.hasOwn(services, name))
  if (unknown !== undefined) {
    throw new UsageError(`There is no service "${unknown}". Known: ${Object.keys(services).join(', ')}.`)
  }
  if (values.nodes !== '1' && values.nodes !== '3') throw new UsageError('--nodes must be 1 or 3.')
  const names = positionals.length > 0 ? [...new Set(positionals)] : Object.keys(services)
  return { ...values, names, nodes: values.nodes === '1' ? 1 : 3 }
}

const stopped = new Promise<void>((resolve) => {
  // Once: a second signal ends this process at once, and the brokers with it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
})

async function serve(names: readonly string[], nodes: 1 | 3, json: boolean): Promise<void> {
  const started = await Promise.allSettled(
    names.map(async (name) => {
      const progress = (line: string): boolean => process.stderr.write(`${name}: ${line}\n`)
      const service = await services[name]!({ nodes, progress })
      console.log(
        json ? JSON.stringify({ service: name, ...service.description }) : `# ${name}\n${service.configuration}`,
      )
      return service
    }),
  )
  const failed = started.find((result) => result.status === 'rejected')
  if (failed === undefined) {
    if (names.length > 1 && !json) process.stderr.write(several)
    process.stderr.write('ready; Ctrl-C ends it\n')
    await stopped
  }
  await Promise.all(started.map((result) => (result.status === 'fulfilled' ? result.value.stop() : undefined)))
  if (failed !== undefined) throw failed.reason
}

try {
  const options = parse(process.argv.slice(2))
  if (options.help) process.stdout.write(help)
  else await serve(options.names, options.nodes, options.json)
  process.exit(0)
} catch (error) {
  const isUsage =
    error instanceof UsageError ||
    (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(isUsage ? usageCode : 1)
}
