import { GatewayError } from '../../../src/core/index.ts'
import { type ConnectionPool, type KafkaClient, pause } from '../client.ts'
import { isTransient, partitionError, translate } from '../errors.ts'
import { type Fetched, type FetchLimits, fetchFrom } from './fetch.ts'

export interface FeedOptions {
  /** How long a node may wait for the first byte. */
  readonly maxWaitMs: number
  /** How much one request may bring, of all partitions and of one. */
  readonly sizes: Pick<FetchLimits, 'maxBytes' | 'partitionBytes'>
  /** For how long a partition may fail before that is told; elections are over by then. */
  readonly patienceMs: number
  /** Whether more may come of anything now. Where it turns true again, `wake` is to be called. */
  readonly wanted: () => boolean
  /** Called in order for each partition. */
  readonly onFetched: (fetched: Fetched) => void
  /** Nothing more comes of this partition: what is wrong does not pass. */
  readonly onFault: (partition: number, error: unknown) => void
}

interface Place {
  offset: number
  paused: boolean
}

const retryMs = 100
/** Where a node was asked for a part only of what may be wanted next, it is not to wait for long. */
const shortWaitMs = 100
const unknownTopicMs = 3000
const moved = new GatewayError('unavailable', 'The partitions have had no leader that answers for too long.')

/**
 * Fetches partitions of a topic from whoever leads them, one request at a time for each node, and goes on where it was
 * when leaders change. It never moves a place by itself: an offset out of range is a fault.
 */
export class Feed {
  readonly #client: KafkaClient
  readonly #pool: ConnectionPool
  readonly #topic: string
  readonly #options: FeedOptions
  readonly #places = new Map<number, Place>()
  readonly #loops = new Set<number>()
  /** By node, since when it fails; -1 are the partitions that nobody leads. */
  readonly #failing = new Map<number, number>()
  #wake = Promise.withResolvers<void>()
  #turn = 0
  #closed = false

  constructor(client: KafkaClient, pool: ConnectionPool, topic: string, options: FeedOptions) {
    this.#client = client
    this.#pool = pool
    this.#topic = topic
    this.#options = options
  }

  /** Begins with a partition at an offset, or goes on elsewhere in it. */
  set(partition: number, offset: number): void {
    this.#places.set(partition, { offset, paused: false })
    this.wake()
  }

  has(partition: number): boolean {
    return this.#places.has(partition)
  }

  /** What is on its way of it is dropped. */
  remove(partition: number): void {
    this.#places.delete(partition)
  }

  pause(partition: number): void {
    const place = this.#places.get(partition)
    if (place !== undefined) place.paused = true
  }

  resume(partition: number): void {
    const place = this.#places.get(partition)
    if (place === undefined || !place.paused) return
    place.paused = false
    this.wake()
  }

  wake(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
    if (this.#closed) return
    for (const node of this.#leaders().keys()) this.#start(node)
  }

  close(): void {
    this.#closed = true
    this.#places.clear()
    this.wake()
  }

  /** The partitions that are wanted now, by the node that leads them: -1 where none is known to. */
  #leaders(): Map<number, number[]> {
    const metadata = this.#client.known(this.#topic)
    const leaders = new Map<number, number[]>()
    for (const [partition, { paused }] of this.#places) {
      if (paused) continue
      const leader = metadata?.partitions[partition]?.leader ?? -1
      const led = leaders.get(leader)
      if (led === undefined) leaders.set(leader, [partition])
      else led.push(partition)
    }
    return leaders
  }

  #start(node: number): void {
    if (this.#loops.has(node)) return
    this.#loops.add(node)
    this.#run(node).finally(() => this.#loops.delete(node))
  }

  async #run(node: number): Promise<void> {
    while (!this.#closed) {
      const wake = this.#wake.promise
      const partitions = this.#options.wanted() ? this.#leaders().get(node) : undefined
      if (partitions === undefined) {
        if (node < 0) {
          this.#failing.delete(node)
          return
        }
        await wake
        continue
      }
      try {
        if (node < 0) throw new GatewayError('unavailable', `Partition ${partitions.join(', ')} has no leader.`)
        if (await this.#fetch(node, partitions)) this.#failing.delete(node)
        else await this.#lookAgain()
      } catch (error) {
        if (this.#closed) return
        if (this.#isOver(node, error)) {
          for (const partition of partitions) this.#fault(partition, translate(error, 'the fetch'))
        } else await this.#lookAgain()
      }
    }
  }

  /** False where a partition has another leader by now. */
  async #fetch(node: number, partitions: readonly number[]): Promise<boolean> {
    const metadata = await this.#client.topic(this.#topic)
    const asks = partitions.flatMap((partition) => {
      const place = this.#places.get(partition)
      return place === undefined ? [] : [{ partition, offset: place.offset }]
    })
    if (asks.length === 0) return true
    const all = asks.length === this.#places.size || !this.#anyPaused()
    const maxWaitMs = all ? this.#options.maxWaitMs : Math.min(shortWaitMs, this.#options.maxWaitMs)
    const topic = { name: this.#topic, metadata }
    // A node fills an answer in the order of what was asked for: each partition is the first in its turn.
    const first = this.#turn++ % asks.length
    const inTurn = [...asks.slice(first), ...asks.slice(0, first)]
    const limits = { ...this.#options.sizes, maxWaitMs }
    const answers = await fetchFrom(this.#client, this.#pool, node, topic, inTurn, limits)
    let stale = false
    for (const { partition, offset } of asks) {
      const place = this.#places.get(partition)
      // It may be gone, or set elsewhere, since it was asked for.
      if (place === undefined || place.offset !== offset) continue
      const fetched = answers.find((one) => one.partition === partition)
      if (fetched === undefined) continue
      if (fetched.errorCode !== 0) {
        const error = translate(partitionError(fetched.errorCode), 'the fetch')
        if (isTransient(error) || error.code === 'not_found') stale = true
        else this.#fault(partition, error)
        continue
      }
      place.offset = fetched.next
      this.#options.onFetched(fetched)
    }
    if (stale && this.#isOver(node, moved)) throw moved
    return !stale
  }

  #anyPaused(): boolean {
    for (const { paused } of this.#places.values()) if (paused) return true
    return false
  }

  /** Whether what is wrong does not pass, or has not for so long that somebody has to know. */
  #isOver(node: number, error: unknown): boolean {
    const since = this.#failing.get(node) ?? Date.now()
    this.#failing.set(node, since)
    const failingMs = Date.now() - since
    // A topic that was just made, or a node that just started, may not be known everywhere yet.
    if (translate(error, '').code === 'not_found') return failingMs > unknownTopicMs
    return !isTransient(error) || failingMs > this.#options.patienceMs
  }

  #fault(partition: number, error: unknown): void {
    if (this.#places.delete(partition)) this.#options.onFault(partition, error)
  }

  async #lookAgain(): Promise<void> {
    await pause(retryMs)
    if (this.#closed) return
    await this.#client.refresh(this.#topic).catch(() => undefined)
    this.wake()
  }
}
