import type { NatsDescription } from '../nats.ts'

/** A configuration of the gateway for these servers, with their websockets as a comment. */
export function natsConfiguration({ servers, websockets, user, password }: NatsDescription): string {
  const entry = (urls: readonly string[]): string =>
    `{ type: nats, servers: [${urls.map((url) => `'${url}'`).join(', ')}], user: ${user}, password: ${password} }`
  return `brokers:
  fast: ${entry(servers)}
  # websocket: ${entry(websockets)}
topics:
  orders: { broker: fast, ensure: { replicas: ${servers.length} } }
`
}
