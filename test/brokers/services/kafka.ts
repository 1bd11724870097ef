import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { kafkaClasspath } from './kafka/artifacts.ts'
import { classArchive } from './kafka/classes.ts'
import { joined } from './kafka/members.ts'
import { type Installation, KafkaNode } from './kafka/node.ts'
import { type Ports, serverProperties, users } from './kafka/properties.ts'
import { type Keys, keys } from './kafka/tls.ts'
import { tokensOf } from './kafka/token.ts'
import { freePort } from './ports.ts'
import { needJava } from './tool.ts'

/** What a client needs to know of a cluster; it may cross a process boundary as JSON. */
export interface KafkaDescription {
  /** Without encryption and credentials: host:port of every node, as in the other lists. */
  readonly bootstrap: readonly string[]
  readonly listeners: {
    /** SASL_SSL with PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. */
    readonly sasl: readonly string[]
    /** SSL that requires a client's certificate. */
    readonly mtls: readonly string[]
    /** SASL_SSL with OAUTHBEARER. */
    readonly oauth: readonly string[]
  }
  /** Paths of PEM files: the authority, and a client's certificate and key. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  readonly users: typeof users
  /** Path of the key that signs tokens. */
  readonly signing: string
  /** Of Kafka's jars, for its own tools and clients. */
  readonly classpath: string
}

/** A cluster as a client sees it. */
export interface KafkaAccess extends KafkaDescription {
  /** A signed token that the `oauth` listeners accept, unless `claims` says otherwise. */
  token(claims?: Record<string, unknown>): string
}

export interface KafkaCluster extends KafkaAccess {
  readonly nodes: readonly KafkaNode[]
  /** Ends every node, also a paused one, and removes the data. */
  stop(): Promise<void>
}

interface Options {
  readonly nodes?: 1 | 3
  /** Properties of every node, above those of the testbed. */
  readonly settings?: Readonly<Record<string, string>>
  readonly progress?: (line: string) => void
}

/** Against hanging: a node that says it has started is known to the others at once. */
const joinMs = 30_000

export function kafkaFrom(description: KafkaDescription): KafkaAccess {
  return { ...description, token: tokensOf(description.signing) }
}

async function freePorts(): Promise<Ports> {
  return {
    plaintext: await freePort(),
    sasl: await freePort(),
    mtls: await freePort(),
    oauth: await freePort(),
    controller: await freePort(),
  }
}

interface Launched {
  readonly nodes: readonly KafkaNode[]
  stop(): Promise<void>
}

/** A port that was free may be somebody else's by the time a node listens on it: then others are tried. */
async function launchAnywhere(count: number, how: Installation, made: Keys, settings: object) {
  for (let attempt = 1; ; attempt++) {
    const all = await Promise.all(Array.from({ length: count }, freePorts))
    try {
      return { all, ...(await launch(all, how, made, settings)) }
    } catch (error) {
      if (attempt === 3 || !String(error).includes('Address already in use')) throw error
    }
  }
}

async function launch(all: readonly Ports[], how: Installation, made: Keys, settings: object): Promise<Launched> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-kafka-'))
  const hasJoined = (node: KafkaNode): Promise<void> => {
    const others = nodes.filter((other) => other.running && !other.paused)
    return joined(
      node.id,
      others.map(({ bootstrap }) => bootstrap),
      joinMs,
    )
  }
  const nodes = all.map((ports, at) => new KafkaNode(at + 1, ports, join(folder, `n${at + 1}`), how, hasJoined))
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.remove()))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await Promise.all(nodes.map((node) => node.format(serverProperties(node.id, all, node.folder, made, settings))))
    await Promise.all(nodes.map((node) => node.start()))
    return { nodes, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts real Kafka with its data in a folder of its own. */
export async function startKafka(options: Options = {}): Promise<KafkaCluster> {
  const { nodes: count = 1, settings = {}, progress = () => undefined } = options
  const classpath = await kafkaClasspath(progress)
  const [java, made] = [await needJava(), await keys()]
  const how = { java, classpath, jwks: pathToFileURL(made.jwks).href }
  const classes = await classArchive(java, classpath, async (option) => {
    progress('making later starts faster')
    const { nodes, stop } = await launch([await freePorts()], { ...how, classes: option }, made, {})
    await Promise.all(nodes.map((node) => node.stop())).finally(stop)
  })
  progress(`starting ${count === 1 ? 'one node' : `${count} nodes`}`)
  const { all, nodes, stop } = await launchAnywhere(count, { ...how, classes }, made, settings)
  const at = (name: keyof Ports): string[] => all.map((ports) => `127.0.0.1:${ports[name]}`)
  const description: KafkaDescription = {
    bootstrap: at('plaintext'),
    listeners: { sasl: at('sasl'), mtls: at('mtls'), oauth: at('oauth') },
    tls: { ca: made.ca, cert: made.cert, key: made.key },
    users,
    signing: made.signing,
    classpath,
  }
  return { ...kafkaFrom(description), nodes, stop }
}
