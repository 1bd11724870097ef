import type { JetStreamAccountStats } from '@nats-io/jetstream'
import { type Broker, GatewayError } from '../../src/core/index.ts'
import { NatsBroker } from './broker.ts'
import { canPin, checkVersion, type Server } from './capabilities.ts'
import { NatsClient } from './client.ts'
import { type Config, config } from './config.ts'
import { isNoResponders, translate } from './errors.ts'

export type { Config } from './config.ts'

/** Connects, and learns what the server can do. Wrong credentials are refused at once, and not tried again. */
async function open(parsed: Config): Promise<Broker> {
  let client: NatsClient | undefined
  try {
    client = await NatsClient.connect(parsed)
    const server = await learn(client)
    if (parsed.ordering === 'key' && !canPin(server)) {
      throw new GatewayError(
        'misconfigured',
        'ordering: key needs nats-server 2.11 or newer: leave it out, or upgrade.',
      )
    }
    return new NatsBroker(client, parsed, server)
  } catch (thrown) {
    await client?.close()
    const error = translate(thrown, 'the connection')
    const detail = `${error.message} It was asked at ${parsed.servers.join(', ')}.`
    throw new GatewayError(error.code, detail, { cause: error.cause ?? error })
  }
}

async function learn(client: NatsClient): Promise<Server> {
  const { version, max_payload, cluster } = client.server
  checkVersion(version)
  try {
    const { api } = await client.ask<JetStreamAccountStats>('INFO')
    return { level: api.level ?? 0, maxPayload: max_payload, clustered: cluster !== undefined }
  } catch (error) {
    if (!isNoResponders(error)) throw error
    const detail =
      'JetStream is not enabled on the server: start it with -js, or with a jetstream block in its configuration.'
    throw new GatewayError('misconfigured', detail, { cause: error })
  }
}

/** The broker for low latency, with a history that can be read again. */
export const nats = { type: 'nats', declaringCreates: false, config, open } as const
