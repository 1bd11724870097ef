import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { sharedKafka } from '../brokers/services/shared-kafka.ts'
import { entriesOf, type ReadEvent } from '../http/events.ts'
import { Group } from '../http/groups.ts'
import { type Capabilities, expectation, type Need, pull, replay } from './expectation.ts'
import { type Ended, Serving } from './process.ts'
import { type Ask, WatchedClient } from './watched-client.ts'

/** What stands after `broker:` in the configuration. */
export type Word = 'local' | 'memory' | 'main'

export const words: readonly Word[] = ['local', 'memory', 'main']

/** What one topic says besides its broker, in the way of YAML. */
export interface TopicLine {
  readonly broker: Word
  readonly more?: string
}

const ensured = 'ensure: { partitions: 4 }'

/** The file that every scenario runs with. Nothing depends on the broker but the word that names it. */
async function configuration(topics: ReadonlyMap<string, TopicLine>, nodes: 1 | 3): Promise<string> {
  const { bootstrap } = await sharedKafka(nodes)
  const lines = [...topics].map(([name, { broker, more = ensured }]) => `  ${name}: { broker: ${broker}, ${more} }`)
  return `brokers:
  local: { type: embedded, path: data/log.db }
  memory: { type: embedded, memory: true }
  main: { type: kafka, bootstrap: [${bootstrap.join(', ')}] }
topics:
${lines.join('\n')}
store: { type: sqlite, path: data/store.db }
`
}

/** A name that no other run has given to a topic of the same cluster. */
export function topicName(word: string): string {
  return `${word}.${randomBytes(5).toString('hex')}`
}

/** A folder with a configuration, and the gateway that runs with it. */
export class Installation {
  readonly #folder: string
  readonly #nodes: 1 | 3
  #serving: Serving | undefined

  private constructor(folder: string, nodes: 1 | 3) {
    this.#folder = folder
    this.#nodes = nodes
  }

  /** `nodes` is how many the cluster has that the configuration names. */
  static async create(nodes: 1 | 3 = 1): Promise<Installation> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-swap-'))
    await mkdir(join(folder, 'data'))
    return new Installation(folder, nodes)
  }

  /** Starts with these topics; answers the client of the gateway that listens. */
  async start(topics: ReadonlyMap<string, TopicLine>): Promise<WatchedClient> {
    await writeFile(join(this.#folder, 'sluice.yaml'), await configuration(topics, this.#nodes))
    this.#serving = new Serving(this.#folder)
    return new WatchedClient(await this.#serving.url)
  }

  /** Starts with topics that cannot be; answers what it says. */
  async refused(topics: ReadonlyMap<string, TopicLine>): Promise<string> {
    await writeFile(join(this.#folder, 'sluice.yaml'), await configuration(topics, this.#nodes))
    const serving = new Serving(this.#folder)
    this.#serving = serving
    serving.url.then(
      () => serving.stop('SIGTERM'),
      () => undefined,
    )
    const { code, stdout, stderr } = await serving.ended
    expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' })
    return stderr
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<Ended | undefined> {
    const serving = this.#serving
    this.#serving = undefined
    return serving?.stop(signal)
  }

  async remove(): Promise<void> {
    await this.stop('SIGKILL')
    await rm(this.#folder, { recursive: true, force: true })
  }
}

interface Described {
  readonly broker: string
  readonly epoch: number
  readonly dedupWindow: string
  readonly groups: readonly string[]
  readonly capabilities: Readonly<Record<string, { readonly value: unknown; readonly by: string }>>
}

export async function describeTopic(client: WatchedClient, topic: string): Promise<Described> {
  return (await client.get(`/v1/topics/${topic}`)).json<Described>()
}

export function capabilitiesIn({ capabilities }: Pick<Described, 'capabilities'>): Capabilities {
  const values = Object.entries(capabilities).map(([name, { value }]) => [name, value])
  return Object.fromEntries(values) as Capabilities
}

/** The same of a broker by itself: what a topic may require. */
async function describeBroker(client: WatchedClient, name: string): Promise<Pick<Described, 'capabilities'>> {
  const { items } = (await client.get('/v1/brokers')).json<{
    items: (Pick<Described, 'capabilities'> & { name: string })[]
  }>()
  const found = items.find((broker) => broker.name === name)
  if (found === undefined) throw new Error(`There is no broker ${name}.`)
  return found
}

/** A running gateway all of whose topics have one word after `broker:`, and what is said that they can do. */
export class Stage {
  readonly word: Word
  /** What a topic can do, the gateway's part and the broker's. */
  readonly capabilities: Capabilities
  /** What the broker can do by itself. */
  readonly own: Capabilities
  /** All topics, sorted. */
  readonly topics: readonly string[]
  readonly #installation: Installation
  readonly #lines: ReadonlyMap<string, TopicLine>
  readonly #unused: string[]
  /** What a witness pulled, by topic. */
  readonly #pulled = new Map<string, ReadEvent[]>()
  client: WatchedClient

  private constructor(
    installation: Installation,
    client: WatchedClient,
    word: Word,
    described: Described,
    own: Capabilities,
    lines: ReadonlyMap<string, TopicLine>,
  ) {
    this.#installation = installation
    this.client = client
    this.word = word
    this.capabilities = capabilitiesIn(described)
    this.own = own
    this.#lines = lines
    this.topics = [...lines.keys()].sort()
    this.#unused = [...this.topics]
  }

  static async create(word: Word, topics: number): Promise<Stage> {
    const name = topicName('swap')
    const lines = new Map(Array.from({ length: topics }, (_, i) => [`${name}.${i}`, { broker: word }]))
    const installation = await Installation.create()
    try {
      const client = await installation.start(lines)
      const described = await describeTopic(client, `${name}.0`)
      const own = capabilitiesIn(await describeBroker(client, word))
      return new Stage(installation, client, word, described, own, lines)
    } catch (error) {
      await installation.remove()
      throw error
    }
  }

  can(...needs: readonly Need[]): boolean {
    return expectation(this.capabilities, needs).works
  }

  /** A topic that nothing was published to. */
  async topic(): Promise<string> {
    const topic = this.#unused.pop()
    if (topic === undefined) throw new Error('The configuration declares too few topics for these scenarios.')
    // Where nothing can be read again, a group that is there before the first event sees them all.
    if (!this.can(replay) && this.can(pull)) {
      await this.#witness(topic).create()
      this.#pulled.set(topic, [])
    }
    return topic
  }

  #witness(topic: string): Group {
    return new Group(this.client, topic, 'witness')
  }

  /** Everything in a topic, in the order of its keys; undefined where the broker gives no way to look. */
  async contents(topic: string): Promise<readonly ReadEvent[] | undefined> {
    if (this.can(replay)) return (await entriesOf(this.client, topic)).map(({ event }) => event)
    const seen = this.#pulled.get(topic)
    if (seen === undefined) return undefined
    const witness = this.#witness(topic)
    for (;;) {
      const deliveries = await witness.pull(1000)
      if (deliveries.length === 0) return seen
      seen.push(...deliveries.map(({ event }) => event))
      await witness.settle(...deliveries.map(({ lease }) => ({ lease, outcome: 'ack' })))
    }
  }

  /** Asserts what is in a topic, where the broker lets one look, in no order. */
  async holds(topic: string, ids: readonly string[]): Promise<void> {
    const found = await this.contents(topic)
    if (found !== undefined) expect(found.map(({ id }) => id).sort()).toEqual([...ids].sort())
  }

  /**
   * A step that works where the capabilities say so, and is refused everywhere else: then each of `asks` must name the
   * capability that lacks, and have changed nothing.
   */
  async step(topic: string, needs: readonly Need[], asks: readonly Ask[], works: () => Promise<void>): Promise<void> {
    const expected = expectation(this.capabilities, needs)
    if (expected.works) return works()
    const look = async () => ({
      groups: (await describeTopic(this.client, topic)).groups,
      contents: await this.contents(topic),
    })
    const before = await look()
    for (const ask of asks) await this.client.refused(expected.capability, ask)
    expect(await look()).toEqual(before)
  }

  /** Ends the gateway and starts it again with the same configuration. */
  async restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<Ended | undefined> {
    const ended = await this.#installation.stop(signal)
    this.client = await this.#installation.start(this.#lines)
    // What is in memory is gone, and so is who watched it.
    const gone = this.capabilities.durability === 'memory' ? [...this.#pulled.keys()] : []
    for (const topic of gone) {
      await this.#witness(topic).create()
      this.#pulled.set(topic, [])
    }
    return ended
  }

  remove(): Promise<void> {
    return this.#installation.remove()
  }
}
