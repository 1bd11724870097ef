import { nats } from '../../../adapters/nats/index.ts'
import type { Broker } from '../../../src/core/broker.ts'

/** A broker by its configuration, whose requests wait for two seconds where it does not say otherwise. */
export async function openNats(servers: readonly string[], more: object = {}): Promise<Broker> {
  return nats.open(nats.config.parse({ type: 'nats', servers, requestTimeout: '2s', ...more }))
}
