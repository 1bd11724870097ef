import {
  type API,
  Base,
  type BaseOptions,
  type Connection,
  ConnectionPool,
  type findCoordinatorV6,
  kGetApi,
  type metadataV12,
  parseBroker,
} from '@platformatic/kafka'
import { GatewayError } from '../../src/core/index.ts'
import {
  answerOf,
  closed,
  hasAnswer,
  hasProtocolError,
  isTransient,
  partitionError,
  refusal,
  translate,
} from './errors.ts'
import { tolerated, toleratedPool } from './failures.ts'

type MetadataArguments = [string[], boolean, boolean]

/** What the cluster says of a topic; its partitions in their order. */
export interface TopicMetadata {
  readonly id: string
  readonly partitionsCount: number
  readonly partitions: readonly PartitionMetadata[]
}

export interface PartitionMetadata {
  /** The leading node; -1 where there is none. */
  readonly leader: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

export type { Connection, ConnectionPool } from '@platformatic/kafka'

interface Node {
  readonly host: string
  readonly port: number
}

const unknownTopic = 3
/** After how long what is known of a topic is asked for again, in the background. */
const freshMs = 30_000
/** How long after a refusal of the credentials no broker is bothered again. */
const holdMs = 5000
const defaultPort = 9092
const firstPauseMs = 50
const longestPauseMs = 1000

/**
 * The one seam to the client library: its connections, its metadata and its encodings of requests, without its retries.
 * What leads where and what is tried again is decided here and above.
 */
export class KafkaClient extends Base {
  readonly #options: BaseOptions
  readonly #apis = new Map<string, unknown>()
  readonly #topics = new Map<string, { metadata: TopicMetadata; at: number }>()
  readonly #refreshing = new Map<string, Promise<TopicMetadata>>()
  readonly #coordinators = new Map<string, number>()
  readonly #pools = new Set<ConnectionPool>()
  /** For whatever answers at once. What may wait at the broker has a pool of its own: a broker answers in order. */
  readonly control: ConnectionPool
  readonly #bootstrap: readonly Node[]
  #nodes: ReadonlyMap<number, Node> = new Map()
  #refused: { error: GatewayError; until: number } | undefined
  #turn = 0
  /** Which node is asked about the cluster. */
  #asked = 0

  constructor(options: BaseOptions) {
    super({ ...options, retries: 0, autocreateTopics: false })
    this.#options = options
    this.#bootstrap = options.bootstrapBrokers.map((broker) => parseBroker(broker, defaultPort))
    tolerated(this)
    this.control = this.pool()
  }

  /** Connections of one purpose, one to each node. */
  pool(): ConnectionPool {
    const { clientId, ...options } = this.#options
    const pool = toleratedPool(new ConnectionPool(clientId, options))
    this.#pools.add(pool)
    return pool
  }

  async release(pool: ConnectionPool): Promise<void> {
    this.#pools.delete(pool)
    await pool.close()
  }

  /** The options that another client of the library needs to reach the same cluster. */
  get reach(): BaseOptions {
    return this.#options
  }

  /** What the cluster says of a topic. At hand while it is fresh; `not_found` where there is none. */
  async topic(name: string): Promise<TopicMetadata> {
    return this.known(name) ?? this.refresh(name)
  }

  /** What is at hand of a topic; where that is not fresh, the cluster is asked in the background. */
  known(name: string): TopicMetadata | undefined {
    const known = this.#topics.get(name)
    if (known !== undefined && Date.now() - known.at > freshMs) this.refresh(name).catch(() => undefined)
    return known?.metadata
  }

  /** Asks first: what is at hand may be of a topic that was deleted since. It serves only where nobody answers. */
  async fresh(name: string): Promise<TopicMetadata> {
    try {
      return await this.refresh(name)
    } catch (error) {
      const known = this.#topics.get(name)
      if (known === undefined || !isTransient(error)) throw error
      return known.metadata
    }
  }

  /** Asks the cluster again. */
  refresh(name: string): Promise<TopicMetadata> {
    const running = this.#refreshing.get(name)
    if (running !== undefined) return running
    const refreshing = this.#refresh(name).finally(() => this.#refreshing.delete(name))
    this.#refreshing.set(name, refreshing)
    return refreshing
  }

  async #refresh(name: string): Promise<TopicMetadata> {
    const { topics } = await this.#ask([name])
    const [topic] = topics
    if (topic === undefined || topic.errorCode !== 0) {
      const refused = partitionError(topic?.errorCode ?? unknownTopic)
      if (hasProtocolError(refused, 'INVALID_TOPIC_EXCEPTION')) throw noName(name, refused)
      const error = translate(refused, 'the look at the topic')
      if (error.code === 'not_found') this.#topics.delete(name)
      throw error
    }
    const partitions: PartitionMetadata[] = []
    for (const { partitionIndex, leaderId, replicaNodes, isrNodes } of topic.partitions) {
      partitions[partitionIndex] = { leader: leaderId, replicas: replicaNodes, isr: isrNodes }
    }
    const metadata = { id: topic.topicId, partitionsCount: partitions.length, partitions }
    this.#topics.set(name, { metadata, at: Date.now() })
    return metadata
  }

  /** The nodes of the cluster, as it last told. */
  get nodes(): readonly number[] {
    return [...this.#nodes.keys()]
  }

  /** Reaches the cluster, whatever is known of it; answers how many nodes it has. */
  async ping(): Promise<number> {
    await this.#ask([])
    return this.#nodes.size
  }

  /** Whether every node that answers knows this topic, with so many partitions that each have a leader. */
  async knowsEverywhere(name: string, partitions: number): Promise<boolean> {
    const knows = async (node: number): Promise<boolean> => {
      try {
        const { topics } = await this.call<MetadataArguments, metadataV12.MetadataResponse>(
          this.control,
          node,
          'Metadata',
          [name],
          false,
          false,
        )
        const known = topics[0]?.partitions ?? []
        return known.length >= partitions && known.every(({ leaderId }) => leaderId >= 0)
      } catch (error) {
        return !hasAnswer(error)
      }
    }
    return (await Promise.all(this.nodes.map(knows))).every(Boolean)
  }

  /** What one node says of the cluster and these topics. */
  async #ask(topics: string[]): Promise<metadataV12.MetadataResponse> {
    try {
      const api = await this.api<MetadataArguments, metadataV12.MetadataResponse>('Metadata')
      const all = [...this.#bootstrap, ...this.#nodes.values()]
      const first = this.#asked % all.length
      const nodes = [...all.slice(first), ...all.slice(0, first)]
      const connection = await this.#held(() => this.control.getFirstAvailable(nodes))
      // The library makes an error of an answer in which any partition has one; the others are none the worse for it.
      const response = await api.async(connection, topics, false, false).catch((error: unknown) => {
        const answer = answerOf<metadataV12.MetadataResponse>(error)
        if (answer === undefined) throw error
        return answer
      })
      this.#nodes = new Map(response.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
      return response
    } catch (error) {
      // A node may accept connections and answer nothing: the next question goes to another.
      this.#asked++
      throw error
    }
  }

  /** An API in the highest version that the cluster and the library have both. */
  async api<Arguments extends unknown[], Result>(name: string): Promise<API<Arguments, Result>> {
    const known = this.#apis.get(name)
    if (known !== undefined) return known as API<Arguments, Result>
    const api = await new Promise<API<Arguments, Result>>((resolve, reject) => {
      this[kGetApi]<Arguments, Result>(name, (error, found) => (found === undefined ? reject(error) : resolve(found)))
    })
    this.#apis.set(name, api)
    return api
  }

  async connect(pool: ConnectionPool, node: number): Promise<Connection> {
    const address = this.#nodes.get(node)
    if (address === undefined) throw new GatewayError('unavailable', `Kafka's node ${node} is not known.`)
    return this.#held(() => pool.get(address))
  }

  /** One request to one node, tried once. Rejects with what the library threw. */
  async call<Arguments extends unknown[], Result>(
    pool: ConnectionPool,
    node: number,
    name: string,
    ...args: Arguments
  ): Promise<Result> {
    const api = await this.api<Arguments, Result>(name)
    const connection = await this.connect(pool, node)
    return api.async(connection, ...args)
  }

  /** One request to whichever node, another one with every call. */
  async callAny<Arguments extends unknown[], Result>(name: string, ...args: Arguments): Promise<Result> {
    const api = await this.api<Arguments, Result>(name)
    const nodes = [...this.#nodes.values()]
    const node = nodes[this.#turn++ % nodes.length]
    if (node === undefined) throw new GatewayError('unavailable', 'No broker of Kafka is known.')
    return api.async(await this.#held(() => this.control.get(node)), ...args)
  }

  /** One request to a group's coordinator. What says that it moved is remembered for the next attempt. */
  async callCoordinator<Arguments extends unknown[], Result>(
    pool: ConnectionPool,
    group: string,
    name: string,
    ...args: Arguments
  ): Promise<Result> {
    try {
      const node = this.#coordinators.get(group) ?? (await this.#findCoordinator(group))
      return await this.call<Arguments, Result>(pool, node, name, ...args)
    } catch (error) {
      const moved = hasProtocolError(error, 'NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE')
      if (moved || isTransient(error)) this.#coordinators.delete(group)
      throw error
    }
  }

  async #findCoordinator(group: string): Promise<number> {
    const groupKey = 0
    const { coordinators } = await this.callAny<[number, string[]], findCoordinatorV6.FindCoordinatorResponse>(
      'FindCoordinator',
      groupKey,
      [group],
    )
    const node = coordinators[0]!.nodeId
    if (!this.#nodes.has(node)) await this.ping()
    this.#coordinators.set(group, node)
    return node
  }

  /**
   * Tries until it works, until the error is for good, or until `deadlineMs` are over; then it throws the last error,
   * translated.
   */
  async retry<T>(doing: string, deadlineMs: number, attempt: () => Promise<T>): Promise<T> {
    const end = Date.now() + deadlineMs
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        return await attempt()
      } catch (error) {
        if (this.closed) throw closed()
        if (!isTransient(error) || Date.now() + pauseMs > end) throw translate(error, doing)
      }
      await pause(pauseMs)
    }
  }

  /** Credentials that were refused are not offered again at once, by whoever asks. */
  async #held<T>(connect: () => Promise<T>): Promise<T> {
    if (this.closed) throw closed()
    if (this.#refused !== undefined && Date.now() < this.#refused.until) throw this.#refused.error
    try {
      const result = await connect()
      this.#refused = undefined
      return result
    } catch (thrown) {
      const error = translate(thrown, 'the connection')
      if (refusal(thrown) !== undefined) this.#refused = { error, until: Date.now() + holdMs }
      throw error.code === 'unavailable' ? thrown : error
    }
  }

  async end(): Promise<void> {
    const pools = [...this.#pools]
    this.#pools.clear()
    await Promise.allSettled([this.close(), ...pools.map((pool) => pool.close())])
  }
}

function noName(name: string, cause: unknown): GatewayError {
  const detail = `Kafka cannot call a topic ${JSON.stringify(name)}: its names have at most 249 letters, digits, dots, hyphens and underscores. Give the topic another one there (name).`
  return new GatewayError('invalid_argument', detail, { cause })
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
