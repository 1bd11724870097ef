import { type Bell, GatewayError } from '../../../src/core/index.ts'
import { type ConnectionPool, type KafkaClient, pause } from '../client.ts'
import { translate } from '../errors.ts'
import { Feed } from '../read/feed.ts'
import { firstOffsets } from '../read/offsets.ts'
import { Owned } from './owned.ts'
import { type Place, readPlaces } from './places.ts'

export interface PartitionsOptions {
  readonly groupId: string
  readonly topic: string
  /** How long a revocation waits for what is in flight. */
  readonly drainMs: number
  /** Whether more may be delivered now. */
  readonly wanted: () => boolean
  /** Resolves when everything of a partition before an offset is committed. */
  readonly reach: (owned: Owned, offset: number) => Promise<void>
}

const waitMs = 250
const sizes = { maxBytes: 1 << 20, partitionBytes: 256 << 10 }
const retryMs = 1000
/** So much of a partition is delivered at the most after an event that is not settled: it is what a crash repeats. */
const spanMax = 10_000

/** The partitions of a member: each goes on from the group's own place, and is given up in order. */
export class Partitions {
  readonly #client: KafkaClient
  readonly #commits: ConnectionPool
  readonly #options: PartitionsOptions
  readonly #bell: Bell
  readonly #feed: Feed
  readonly #owned = new Map<number, Owned>()
  /** Given up, and still to be committed. */
  readonly #leaving = new Set<Owned>()
  /** By partition, the assignment that its place is being looked up for. */
  readonly #terms = new Map<number, number>()
  #term = 0
  #epoch = 0
  #turn = 0
  #lookupFault: GatewayError | undefined
  readonly #faults = new Map<number, GatewayError>()
  #closed = false

  constructor(
    client: KafkaClient,
    pools: { readonly fetch: ConnectionPool; readonly commit: ConnectionPool },
    bell: Bell,
    options: PartitionsOptions,
  ) {
    this.#client = client
    this.#commits = pools.commit
    this.#options = options
    this.#bell = bell
    this.#feed = new Feed(client, pools.fetch, options.topic, {
      maxWaitMs: waitMs,
      sizes,
      // A member waits for as long as it takes: its other partitions go on.
      patienceMs: Number.POSITIVE_INFINITY,
      wanted: options.wanted,
      onFetched: (fetched) => {
        const owned = this.#owned.get(fetched.partition)
        if (owned === undefined) return
        owned.put(fetched)
        if (owned.full) this.#feed.pause(owned.partition)
        if (fetched.records.length > 0) bell.ring()
      },
      onFault: (partition, error) => this.#fail(partition, error),
    })
  }

  /** Grows with every assignment. */
  get epoch(): number {
    return this.#epoch
  }

  /** What stands in the way of delivering. */
  get fault(): GatewayError | undefined {
    return this.#lookupFault ?? this.#faults.values().next().value
  }

  get numbers(): readonly number[] {
    return [...this.#owned.keys()]
  }

  get unsettled(): number {
    let unsettled = 0
    for (const owned of this.all()) unsettled += owned.prefix.unsettled
    return unsettled
  }

  /** Also those that are being given up. */
  *all(): Iterable<Owned> {
    yield* this.#owned.values()
    yield* this.#leaving
  }

  /** The next one in turn that has something to deliver. */
  next(): Owned | undefined {
    const all = [...this.#owned.values()]
    for (let i = 0; i < all.length; i++) {
      const owned = all[(this.#turn + i) % all.length]!
      if (owned.waiting === 0 || owned.prefix.span >= spanMax) continue
      this.#turn = (this.#turn + i + 1) % all.length
      return owned
    }
    return undefined
  }

  /** Undefined where the assignment is over. */
  find(partition: number, epoch: number): Owned | undefined {
    for (const owned of this.all()) {
      if (owned.partition === partition && owned.epoch === epoch && !owned.lost.aborted) return owned
    }
    return undefined
  }

  /** Some of it was delivered, or settled: more may be fetched. */
  moved(owned?: Owned): void {
    if (owned !== undefined && !owned.full) this.#feed.resume(owned.partition)
    this.#feed.wake()
  }

  /** Goes on from the group's own places, and nowhere else; a partition that was added later is read from its beginning. */
  async assign(partitions: readonly number[]): Promise<void> {
    const { groupId, topic } = this.#options
    const term = ++this.#term
    for (const partition of partitions) this.#terms.set(partition, term)
    for (let left = partitions; left.length > 0 && !this.#closed; ) {
      try {
        const places = await readPlaces(this.#client, this.#commits, groupId, topic, left)
        const added = left.some((partition) => !places.has(partition))
        const first = added ? await firstOffsets(this.#client, topic) : []
        for (const partition of left) {
          // It may have gone meanwhile, and even have come again: another one moved its place then.
          if (this.#closed || this.#terms.get(partition) !== term) continue
          this.#terms.delete(partition)
          this.#begin(places.get(partition) ?? { partition, offset: first[partition]!, note: '' })
        }
        this.#lookupFault = undefined
        return
      } catch (error) {
        this.#lookupFault = translate(error, 'the group')
        this.#bell.ring()
        await pause(retryMs)
        left = left.filter((partition) => this.#terms.get(partition) === term)
      }
    }
    this.#lookupFault = undefined
  }

  #begin(place: Place): void {
    this.#faults.delete(place.partition)
    this.#owned.set(place.partition, new Owned(place, ++this.#epoch))
    this.#feed.set(place.partition, place.offset)
  }

  /** Waits for what is in flight, up to a deadline, and commits it; then it is fenced. */
  async revoke(partitions: readonly number[]): Promise<void> {
    const leaving = this.#drop(partitions)
    for (const owned of leaving) {
      owned.revoke()
      this.#leaving.add(owned)
    }
    const { drainMs, reach } = this.#options
    const end = Date.now() + drainMs
    while (Date.now() < end && leaving.some(({ prefix, lost }) => prefix.unsettled > 0 && !lost.aborted)) {
      await this.#bell.wait(end - Date.now())
    }
    const commits = leaving.map((owned) => reach(owned, owned.prefix.place))
    await Promise.race([Promise.allSettled(commits), pause(Math.max(500, end - Date.now()))])
    for (const owned of leaving) {
      this.#leaving.delete(owned)
      owned.lose()
    }
  }

  /** They may belong to somebody else already. */
  lose(partitions: readonly number[]): void {
    for (const owned of this.#drop(partitions)) owned.lose()
    for (const owned of this.#leaving) owned.lose()
    this.#bell.ring()
  }

  /** Goes on elsewhere in every partition: what was delivered of them belongs to nobody then. Answers which were moved. */
  seek(placeOf: (partition: number) => Place): readonly number[] {
    const moved = this.numbers
    this.lose(moved)
    for (const partition of moved) this.#begin(placeOf(partition))
    return moved
  }

  close(): void {
    this.#closed = true
    this.#feed.close()
    this.lose(this.numbers)
  }

  #drop(partitions: readonly number[]): Owned[] {
    return partitions.flatMap((partition) => {
      const owned = this.#owned.get(partition)
      this.#terms.delete(partition)
      this.#faults.delete(partition)
      this.#owned.delete(partition)
      this.#feed.remove(partition)
      return owned === undefined ? [] : [owned]
    })
  }

  #fail(partition: number, error: unknown): void {
    const translated = translate(error, 'the fetch')
    const detail = `The group's place in partition ${partition} is gone: its events are beyond retention. Seek the group to earliest, and what is lost is skipped, or to latest.`
    const gone = translated.code === 'stale_cursor'
    this.#faults.set(partition, gone ? new GatewayError('stale_cursor', detail, { cause: error }) : translated)
    this.#bell.ring()
  }
}
