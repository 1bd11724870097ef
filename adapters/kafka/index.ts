import { Admin, ConfigResourceTypes } from '@platformatic/kafka'
import { type Broker, GatewayError } from '../../src/core/index.ts'
import { KafkaBroker } from './broker.ts'
import { KafkaClient } from './client.ts'
import { type Config, config } from './config.ts'
import { connectionOf } from './connection.ts'
import { whyHungUp } from './diagnosis.ts'
import { isHandshakeBroken, isHungUp, translate } from './errors.ts'
import { tolerated } from './failures.ts'

export type { Config } from './config.ts'

const openMs = 10_000
const defaultMaxMessageBytes = 1_048_588

/** Connects, and learns what the cluster can do. Wrong credentials are refused at once, and not tried again. */
async function open(parsed: Config): Promise<Broker> {
  const client = new KafkaClient(connectionOf(parsed))
  const admin = tolerated(new Admin({ ...client.reach, retries: 0 }))
  try {
    const nodes = await client.retry('the connection', openMs, () => client.ping().catch(explained(parsed)))
    await checkVersion(client)
    const cluster = { nodes, maxMessageBytes: await maxMessageBytes(client, admin) }
    return new KafkaBroker(client, admin, parsed, cluster)
  } catch (thrown) {
    await Promise.allSettled([admin.close(), client.end()])
    const error = translate(thrown, 'the connection')
    const servers = parsed.bootstrap.join(', ')
    const hint = parsed.sasl === undefined && isHungUp(thrown) ? ' Where it asks for credentials, set sasl.' : ''
    const detail = `${error.message} It was asked at ${servers}.${hint}`
    throw new GatewayError(error.code, detail, { cause: error.cause ?? error })
  }
}

/** Throws what was thrown, or why the broker hung up, where that can be told; it is asked once. */
function explained(parsed: Config): (thrown: unknown) => Promise<never> {
  let asked = false
  return async (thrown) => {
    const broken = isHandshakeBroken(thrown)
    if (asked || !(broken || isHungUp(thrown))) throw thrown
    asked = true
    const why = await whyHungUp(parsed)
    if (why !== undefined) throw why
    if (!broken) throw thrown
    const detail = 'The broker does not speak TLS, or asks for a certificate (tls).'
    throw new GatewayError('misconfigured', detail, { cause: thrown })
  }
}

/** The oldest whose requests this adapter speaks: with topic ids, and places of several groups (OffsetFetch 8). */
async function checkVersion(client: KafkaClient): Promise<void> {
  const { version } = await client.retry('the connection', openMs, () => client.api('OffsetFetch'))
  if (version < 8)
    throw new GatewayError('misconfigured', 'The brokers are too old: Kafka 3.0 is the oldest spoken to.')
}

/** `message.max.bytes` of a node; its default where the credentials may not see it. */
async function maxMessageBytes(client: KafkaClient, admin: Admin): Promise<number> {
  const [node] = client.nodes
  try {
    const name = 'message.max.bytes'
    const resource = { resourceType: ConfigResourceTypes.BROKER, resourceName: String(node), configurationKeys: [name] }
    const [described] = await admin.describeConfigs({ resources: [resource] })
    return Number(described?.configs.find((one) => one.name === name)?.value ?? defaultMaxMessageBytes)
  } catch {
    return defaultMaxMessageBytes
  }
}

/** The broker for throughput and replay, on a replicated cluster. */
export const kafka = { type: 'kafka', declaringCreates: false, config, open } as const
