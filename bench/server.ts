import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Releases } from './release.ts'
import { type Usage, usageOf } from './usage.ts'

/** As `type` in the gateway's configuration says it. */
export type BrokerType = 'kafka' | 'rabbitmq' | 'sqs' | 'nats'

/**
 * `dev` is the gateway as a newcomer starts it; only its start is measured. Over a broker the gateway is called as that is;
 * `one` is the server that sends a record for each request, `client` the client library alone, and `port` the adapter
 * without HTTP.
 */
export type ServerKind =
  | 'ceiling'
  | 'memory'
  | 'durable'
  | 'dev'
  | BrokerType
  | 'one'
  | 'client'
  | 'port'
  /** Delivering: the bare loops that it is compared to, the gateway, and the gateway among trouble. */
  | 'request'
  | 'dispatch'
  | 'fanout'
  | 'troubled'

/** A topic of a broker: what the configuration has under both. */
interface BrokerTopic {
  readonly entry: object
  readonly topic: string
  readonly ensure: object
}

export interface Server {
  readonly kind: ServerKind
  readonly port: number
  readonly pid: number
  /** By performance.now(). */
  readonly spawnedAt: number
  usage(): Usage
  /** Also removes its data. */
  stop(): Promise<void>
}

export interface ServerOptions {
  /** Where the folders for data are made. */
  readonly dataIn: string
  readonly token: string | undefined
  readonly retention?: string
  /** Where the gateway publishes to, instead of its own log. */
  readonly broker?: BrokerTopic
  /** The words for node of the server `one`. */
  readonly one?: readonly string[]
  /** The URL of a Postgres database, where that is the store. */
  readonly database?: string
  /** Called with the folder of its data before it starts. */
  readonly prepare?: (folder: string) => Promise<void>
  /** More options for its node, such as --cpu-prof. */
  readonly nodeOptions?: readonly string[]
}

/** Of the secrets in a store that keeps no key beside it. */
export const benchKey = Buffer.alloc(32, 'bench').toString('base64')
const root = resolve(import.meta.dirname, '..')
const startWithinMs = 30_000
const stopWithinMs = 35_000

export async function startServer(kind: ServerKind, options: ServerOptions, releases: Releases): Promise<Server> {
  const folder = releases.folder(options.dataIn)
  await options.prepare?.(folder.path)
  const words = commandOf(kind, folder.path, options)
  // As `npm start` runs it; the ceiling gets the same.
  const node = ['--max-semi-space-size=4', ...(options.nodeOptions ?? [])]
  const env = { ...process.env, MALLOC_ARENA_MAX: '1' }
  const spawnedAt = performance.now()
  // A line for each delivery is no work for this process.
  const lines = isDelivering(kind) ? openSync(join(folder.path, 'gateway.log'), 'w') : undefined
  const stdio: StdioOptions = ['pipe', 'pipe', lines ?? 'pipe']
  const child = spawn(process.execPath, [...node, ...words], { cwd: root, env, stdio })
  if (lines !== undefined) closeSync(lines)
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = releases.add(async () => {
    await end(child, exited)
    await folder.remove()
  })
  try {
    const url = await listening(kind, child)
    return {
      kind,
      port: Number(new URL(url).port),
      pid: child.pid!,
      spawnedAt,
      usage: () => usageOf(child.pid!),
      stop: async () => stop(),
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function isDelivering(kind: ServerKind): boolean {
  return kind === 'fanout' || kind === 'troubled'
}

function commandOf(kind: ServerKind, folder: string, options: ServerOptions): string[] {
  if (kind === 'ceiling') return ['bench/ceiling.ts']
  if (options.one !== undefined) return [...options.one]
  const cli = 'src/cli/main.ts'
  if (kind === 'dev') return [cli, 'dev', '--data', folder, '--port', '0', '--json']
  const file = join(folder, 'sluice.json')
  writeFileSync(file, JSON.stringify(configurationOf(kind, folder, options)))
  return [cli, 'serve', '-c', file, '--port', '0', '--json']
}

function configurationOf(
  kind: ServerKind,
  folder: string,
  { token, retention, broker, database }: ServerOptions,
): object {
  const hash = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`
  const place = kind === 'memory' ? { memory: true } : { path: join(folder, 'log.db') }
  return {
    ...(broker === undefined ? embedded(place, retention) : overBroker(broker)),
    store:
      database === undefined ? { type: 'sqlite', path: join(folder, 'store.db') } : { type: 'postgres', url: database },
    ...(database !== undefined && { encryptionKey: benchKey }),
    ...(isDelivering(kind) && { outbound: { allowPrivate: ['127.0.0.0/8'] } }),
    keys: token === undefined ? [] : [{ name: 'bench', hash: hash(token), scopes: ['publish', 'consume'] }],
  }
}

function embedded(place: object, retention: string | undefined): object {
  return {
    brokers: { log: { type: 'embedded', ...place } },
    topics: { bench: { broker: 'log', ...(retention !== undefined && { ensure: { retention } }) } },
  }
}

function overBroker({ entry, topic, ensure }: BrokerTopic): object {
  return { brokers: { log: entry }, topics: { bench: { broker: 'log', name: topic, ensure } } }
}

function listening(kind: ServerKind, child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    let errors = ''
    const fail = (reason: string): void => reject(new Error(`The server (${kind}) ${reason}\n${errors.slice(-2000)}`))
    const late = setTimeout(() => fail(`did not listen within ${startWithinMs / 1000} s.`), startWithinMs)
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-10_000)
    })
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text
      const line = /^\{"event":"listening".*\}$/m.exec(output)
      if (line === null) return
      clearTimeout(late)
      child.stdout!.removeAllListeners('data').resume()
      resolve((JSON.parse(line[0]) as { url: string }).url)
    })
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code, signal) => {
      clearTimeout(late)
      fail(`ended with ${signal ?? code}.`)
    })
  })
}

async function end(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
  await exited
  clearTimeout(kill)
}
