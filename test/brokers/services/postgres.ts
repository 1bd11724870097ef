import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { Jvm } from './kafka/jvm.ts'
import { freePort } from './ports.ts'
import { run } from './run.ts'
import { needPostgres } from './tool.ts'

/** Against hanging: a start takes a second, and longer where it recovers. */
const startMs = 60_000
const stopMs = 30_000
/** It refuses to run as root. */
const nobody = 65_534
const starts = 5

export interface PostgresServer {
  /** An empty database of its own: its URL. */
  database(): Promise<string>
  /** As after a power cut: nothing is finished. */
  kill(): Promise<void>
  /** Again, on its data and its port. */
  start(): Promise<void>
  /** Ends it and removes the data. */
  stop(): Promise<void>
}

/** A real Postgres on loopback with its data in a folder of its own; it does not outlive this process. */
export async function startPostgres(): Promise<PostgresServer> {
  const program = await needPostgres()
  const root = await mkdtemp(join(tmpdir(), 'sluice-postgres-'))
  const folder = join(root, 'data')
  const user = await unprivileged(root, folder)
  const initdb = [...user, join(dirname(program), 'initdb')]
  await run(
    initdb[0]!,
    [...initdb.slice(1), '-D', folder, ...['-U', 'postgres', '-A', 'trust', '-E', 'UTF8'], '--no-sync'],
    folder,
  )
  let port = await freePort()
  let process: Jvm | undefined

  async function start(): Promise<void> {
    const options = [
      'listen_addresses=127.0.0.1',
      `port=${port}`,
      'unix_socket_directories=',
      'fsync=off',
      'max_connections=200',
    ]
    const command = [...user, program, '-D', folder, ...options.flatMap((option) => ['-c', option])]
    // It writes its lines where errors go.
    process = new Jvm(folder, ['sh', '-c', 'exec "$@" 2>&1', 'sh', ...command])
    await process.line('ready to accept connections', startMs)
  }

  async function startAnywhere(): Promise<void> {
    for (let left = starts; ; left--) {
      try {
        return await start()
      } catch (error) {
        if (left === 1 || !(error instanceof Error && error.message.includes('in use'))) throw error
        port = await freePort()
      }
    }
  }

  async function stop(): Promise<void> {
    await process?.end('SIGINT', stopMs)
    await rm(root, { recursive: true, force: true })
  }

  try {
    await startAnywhere()
  } catch (error) {
    await stop()
    throw error
  }
  const urlOf = (name: string): string => `postgres://postgres@127.0.0.1:${port}/${name}`
  return {
    async database() {
      const name = `test_${randomBytes(6).toString('hex')}`
      const client = new Client(urlOf('postgres'))
      await client.connect()
      await client.query(`CREATE DATABASE ${name}`).finally(() => client.end())
      return urlOf(name)
    },
    kill: async () => process?.end('SIGQUIT', stopMs),
    start,
    stop,
  }
}

/** What a command begins with so that it is not run by root, and the folder that is then its own. */
async function unprivileged(root: string, folder: string): Promise<readonly string[]> {
  await mkdir(folder, { mode: 0o700 })
  if (process.getuid?.() !== 0) return []
  await chmod(root, 0o755)
  await chown(folder, nobody, nobody)
  return ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups']
}
