import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { natsServer } from './nats/install.ts'
import { NatsNode, type Ports } from './nats/node.ts'
import { freePort } from './ports.ts'

/** What a client needs to know; it may cross a process boundary as JSON. */
export interface NatsDescription {
  /** Of every node, as in the other list. */
  readonly servers: readonly string[]
  readonly websockets: readonly string[]
  readonly user: string
  readonly password: string
}

export interface NatsCluster extends NatsDescription {
  readonly nodes: readonly NatsNode[]
  /** Ends every node, also a paused one, and removes the data. */
  stop(): Promise<void>
}

interface Options {
  readonly nodes?: 1 | 3
  /** What takes the place of the one user, in the server's configuration language. */
  readonly accounts?: string
  /** More of that language, such as a `tls` block. */
  readonly more?: string
  readonly jetstream?: boolean
  readonly progress?: (line: string) => void
}

const user = { user: 'app', password: 'app' }
const oneUser = `accounts {
  $SYS { users: [{ user: sys, password: sys }] }
  APP { jetstream: enabled, users: [{ user: ${user.user}, password: ${user.password} }] }
}`

async function freePorts(): Promise<Ports> {
  return { client: await freePort(), websocket: await freePort(), monitor: await freePort(), route: await freePort() }
}

function configuration(
  node: NatsNode,
  all: readonly Ports[],
  { accounts = oneUser, more = '', jetstream = true }: Options,
): string {
  const { client, websocket, monitor, route } = node.ports
  const others = all.map((ports) => `"nats://127.0.0.1:${ports.route}"`).join(', ')
  const cluster = `cluster { name: testbed, listen: "127.0.0.1:${route}", no_advertise: true, routes: [${others}] }`
  return `server_name: ${node.name}
host: 127.0.0.1
port: ${client}
http: "127.0.0.1:${monitor}"
websocket { host: 127.0.0.1, port: ${websocket}, no_tls: true }
${jetstream ? `jetstream { store_dir: "${join(node.folder, 'js')}", max_mem: 256MB, max_file: 8GB }` : ''}
${accounts}
${all.length > 1 ? cluster : ''}
${more}
`
}

/** A port that was free may be somebody else's by the time a server listens on it: then others are tried. */
async function launch(program: string, options: Options): Promise<{ nodes: NatsNode[]; stop: () => Promise<void> }> {
  for (let attempt = 1; ; attempt++) {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-nats-'))
    const all = await Promise.all(Array.from({ length: options.nodes ?? 1 }, freePorts))
    const nodes = all.map((ports, i) => new NatsNode(`n${i + 1}`, ports, join(folder, `n${i + 1}`), program))
    const stop = async (): Promise<void> => {
      await Promise.all(nodes.map((node) => node.remove()))
      await rm(folder, { recursive: true, force: true })
    }
    try {
      await Promise.all(nodes.map((node) => node.configure(configuration(node, all, options))))
      await Promise.all(nodes.map((node) => node.start()))
      await Promise.all(nodes.map((node) => node.ready()))
      return { nodes, stop }
    } catch (error) {
      await stop()
      if (attempt === 3 || !String(error).includes('address already in use')) throw error
    }
  }
}

/** Starts a real nats-server, or a cluster of three, with its data in a folder of its own. */
export async function startNats(options: Options = {}): Promise<NatsCluster> {
  const { nodes: count = 1, progress = () => undefined } = options
  const program = await natsServer(progress)
  progress(`starting ${count === 1 ? 'one server' : `${count} servers`}`)
  const { nodes, stop } = await launch(program, options)
  return {
    servers: nodes.map(({ url }) => url),
    websockets: nodes.map(({ ports }) => `ws://127.0.0.1:${ports.websocket}`),
    ...user,
    nodes,
    stop,
  }
}
