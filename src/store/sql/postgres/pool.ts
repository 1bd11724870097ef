import { Client, type ClientConfig, Pool, type PoolClient, types } from 'pg'
import { GatewayError } from '../../../core/errors.ts'
import { postgresError } from './errors.ts'

const connectMs = 5000
/** Inside of the server's own limit there is one for a server that does not answer at all. */
const statementMs = 30_000
const lockMs = 5000
const connections = 10

/** What the server names by number: BIGINT and NUMERIC hold whole numbers that are exact, BYTEA are plain bytes. */
const parsers = new Map<number, (text: string) => unknown>([
  [20, Number],
  [1700, Number],
  [17, (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex'))],
])

const settings: ClientConfig = {
  application_name: 'sluice',
  connectionTimeoutMillis: connectMs,
  statement_timeout: statementMs,
  query_timeout: statementMs + connectMs,
  lock_timeout: lockMs,
  idle_in_transaction_session_timeout: statementMs,
  keepAlive: true,
  types: {
    getTypeParser: (oid: number, format?: 'text' | 'binary') => parsers.get(oid) ?? types.getTypeParser(oid, format),
  } as ClientConfig['types'],
}

export function clientConfig(url: string): ClientConfig {
  const config = { connectionString: url, ...settings }
  try {
    new Client(config)
    return config
  } catch (error) {
    // What pg says of a URL holds parts of it.
    const detail = 'store.url cannot be used: it is no URL of Postgres, or names a file that cannot be read.'
    throw new GatewayError('misconfigured', detail, { cause: error })
  }
}

export function openPool(url: string): Pool {
  const pool = new Pool({ ...clientConfig(url), max: connections })
  // A connection that breaks while nobody uses it: the next one is made anew.
  pool.on('error', () => {})
  return pool
}

export async function connect(pool: Pool, where: string): Promise<PoolClient> {
  try {
    return await pool.connect()
  } catch (error) {
    throw postgresError(error, where)
  }
}

/** Server and database: what a message may say of a URL. */
export function placeOf(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url)
    return `${hostname}${port === '' ? '' : `:${port}`}${decodeURIComponent(pathname)}`
  } catch {
    return 'in store.url'
  }
}
