import type { Connection, ConnectionPool } from '@platformatic/kafka'

interface Connecting {
  on(
    event: 'client:broker:connect' | 'client:broker:failed',
    listener: (of: { connection: Connection }) => void,
  ): unknown
}

/**
 * A connection whose credentials were refused fails a second time where the broker then resets it. The library listens
 * once only, and an error that nobody listens to ends the process.
 */
export function tolerated<Client extends Connecting>(client: Client): Client {
  client.on('client:broker:connect', tolerate)
  client.on('client:broker:failed', tolerate)
  return client
}

/** The same of a pool that is no client's. */
export function toleratedPool(pool: ConnectionPool): ConnectionPool {
  pool.on('connect', tolerate)
  pool.on('failed', tolerate)
  return pool
}

function tolerate({ connection }: { connection: Connection }): void {
  connection.on('error', () => undefined)
}
