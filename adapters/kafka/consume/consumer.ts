import {
  type Batch,
  type Consumer,
  type Delivery,
  GatewayError,
  type PullOptions,
  type Settlement,
  type SettleResult,
  UnsupportedError,
} from '../../../src/core/index.ts'
import { type ConnectionPool, type KafkaClient, pause } from '../client.ts'
import { closed, translate } from '../errors.ts'
import { writePosition } from '../position.ts'
import { decodeEvent } from '../read/event.ts'
import { Feed } from '../read/feed.ts'
import { firstOffsets } from '../read/offsets.ts'
import { Committer } from './committer.ts'
import { Membership, notAMember } from './membership.ts'
import { Owned } from './owned.ts'
import { type Place, readPlaces } from './places.ts'

export interface ConsumerOptions {
  readonly groupId: string
  readonly topic: string
  readonly prefetch: number
  readonly sessionTimeoutMs: number
  readonly instanceId: string | undefined
  readonly onClose: () => void
}

const joinMs = 30_000
const waitMs = 250
const fetchBytes = 1 << 20
const partitionBytes = 256 << 10
const receiptForm = /^([0-9a-f]{8})\.(\d+)\.(\d+)\.(\d+)$/
/** So much of a partition is delivered at the most after an event that is not settled: it is what a crash repeats. */
const spanMax = 10_000
const never = Number.MAX_SAFE_INTEGER

/** One member of a group: pulls from the partitions that are its own, and commits what is settled without a gap. */
export class KafkaConsumer implements Consumer {
  readonly #client: KafkaClient
  readonly #pool: ConnectionPool
  readonly #commits: ConnectionPool
  readonly #options: ConsumerOptions
  readonly #membership: Membership
  readonly #committer: Committer
  readonly #feed: Feed
  readonly #owned = new Map<number, Owned>()
  /** Given up, and still to be committed. */
  readonly #leaving = new Set<Owned>()
  /** Tells this consumer's receipts from those of others. */
  readonly #name = crypto.randomUUID().slice(0, 8)
  /** By partition, the assignment that its place is being looked up for. */
  readonly #terms = new Map<number, number>()
  #term = 0
  #epoch = 0
  #turn = 0
  #fault: GatewayError | undefined
  #arrived = Promise.withResolvers<void>()
  #closing: Promise<void> | undefined

  constructor(client: KafkaClient, options: ConsumerOptions) {
    this.#client = client
    this.#options = options
    this.#pool = client.pool()
    this.#commits = client.pool()
    this.#membership = new Membership(client, {
      ...options,
      onAssigned: (partitions) => this.#assign(partitions),
      onRevoked: (partitions) => this.#revoke(partitions),
      onLost: (partitions) => this.#lose(partitions),
    })
    this.#committer = new Committer(client, this.#commits, options, this.#membership, () => this.#all())
    this.#feed = new Feed(client, this.#pool, options.topic, {
      maxWaitMs: waitMs,
      maxBytes: fetchBytes,
      partitionBytes,
      wanted: () => this.#credit > 0,
      onFetched: (fetched) => {
        const owned = this.#owned.get(fetched.partition)
        if (owned === undefined) return
        owned.put(fetched)
        if (owned.full) this.#feed.pause(owned.partition)
        if (fetched.records.length > 0) this.#notify()
      },
      onFault: (partition, error) => this.#fail(partition, error),
    })
  }

  /** Resolves once it is a member; its partitions come when the group has agreed. */
  async join(): Promise<void> {
    await this.#membership.join(joinMs)
  }

  get unsettled(): number {
    let unsettled = 0
    for (const owned of this.#all()) unsettled += owned.prefix.unsettled
    return unsettled
  }

  async pull({ max, waitMs, signal }: PullOptions): Promise<Batch> {
    const end = Date.now() + waitMs
    if (this.#closing !== undefined) throw closed()
    while (true) {
      if (this.#fault !== undefined) throw this.#fault
      const owned = this.#next()
      const count = Math.min(max, this.#credit)
      if (owned !== undefined && count > 0) return this.#deliver(owned, count)
      const left = end - Date.now()
      if (left <= 0 || signal.aborted || this.#closing !== undefined) {
        return { deliveries: [], epoch: this.#epoch, revoked: signal }
      }
      await this.#arrival(left, signal)
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    for (const { outcome } of settlements) gate(outcome.kind)
    if (this.#closing !== undefined) throw closed()
    const targets = settlements.map(({ receipt }) => this.#take(receipt))
    this.#feed.wake()
    this.#notify()
    const reached = new Map<Owned, Promise<void>>()
    for (const owned of targets) {
      if (owned === undefined || reached.has(owned)) continue
      reached.set(owned, this.#committer.reach(owned, owned.prefix.place))
    }
    const outcomes = new Map<Owned, SettleResult>()
    await Promise.all(
      [...reached].map(async ([owned, reaching]) => {
        const outcome = await reaching.then((): SettleResult => ({ status: 'ok' }), failed)
        outcomes.set(owned, outcome)
      }),
    )
    return targets.map((owned) => (owned === undefined ? failed(notAMember()) : outcomes.get(owned)!))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Moves the partitions that are this member's: what was delivered of them belongs to nobody then. */
  async seek(offsets: readonly number[], note: (partition: number) => string): Promise<readonly number[]> {
    const moved: number[] = []
    for (const owned of [...this.#owned.values()]) {
      const { partition } = owned
      owned.lose()
      this.#feed.remove(partition)
      this.#fault = undefined
      moved.push(partition)
      this.#begin({ partition, offset: offsets[partition]!, note: note(partition) })
    }
    return moved
  }

  /** The partitions that are this member's now. */
  get partitions(): readonly number[] {
    return [...this.#owned.keys()]
  }

  get member() {
    return this.#membership.member
  }

  async #close(): Promise<void> {
    this.#notify()
    this.#feed.close()
    for (const owned of this.#all()) owned.lose()
    this.#owned.clear()
    await this.#membership.leave()
    await Promise.allSettled([this.#client.release(this.#pool), this.#client.release(this.#commits)])
    this.#options.onClose()
  }

  *#all(): Iterable<Owned> {
    yield* this.#owned.values()
    yield* this.#leaving
  }

  get #credit(): number {
    return this.#options.prefetch - this.unsettled
  }

  /** The next partition in turn that has something. */
  #next(): Owned | undefined {
    const all = [...this.#owned.values()]
    for (let i = 0; i < all.length; i++) {
      const owned = all[(this.#turn + i) % all.length]!
      if (owned.waiting === 0 || owned.prefix.span >= spanMax) continue
      this.#turn = (this.#turn + i + 1) % all.length
      return owned
    }
    return undefined
  }

  #deliver(owned: Owned, count: number): Batch {
    const { topic } = this.#options
    const { partition, epoch } = owned
    const deliveries = owned.take(count).map(
      (raw): Delivery => ({
        event: decodeEvent(raw, topic, partition),
        receipt: `${this.#name}.${epoch}.${partition}.${raw.offset}`,
        attempt: 1,
        expiresAt: never,
        position: writePosition(partition, raw.offset),
      }),
    )
    if (!owned.full) this.#feed.resume(partition)
    return { deliveries, partition: String(partition), epoch, revoked: owned.lost }
  }

  /** Settles one receipt. Undefined where it is of an assignment that is over. */
  #take(receipt: string): Owned | undefined {
    const [, name, epoch, partition, offset] = receiptForm.exec(receipt) ?? []
    if (name !== this.#name) return undefined
    for (const owned of this.#all()) {
      if (owned.partition !== Number(partition) || owned.epoch !== Number(epoch) || owned.lost.aborted) continue
      owned.prefix.settle(Number(offset))
      return owned
    }
    return undefined
  }

  /** Goes on from the group's own places, and nowhere else; a partition that was added later is read from its beginning. */
  async #assign(partitions: readonly number[]): Promise<void> {
    const { groupId, topic } = this.#options
    const term = ++this.#term
    for (const partition of partitions) this.#terms.set(partition, term)
    try {
      const places = await readPlaces(this.#client, this.#commits, groupId, topic, partitions)
      const added = partitions.some((partition) => !places.has(partition))
      const first = added ? await firstOffsets(this.#client, topic) : []
      if (this.#closing !== undefined) return
      for (const partition of partitions) {
        // It may have gone meanwhile, and even have come again: another one moved its place then.
        if (this.#terms.get(partition) !== term) continue
        this.#terms.delete(partition)
        this.#begin(places.get(partition) ?? { partition, offset: first[partition]!, note: '' })
      }
    } catch (error) {
      if (this.#closing !== undefined) return
      this.#fault = translate(error, 'the group')
      this.#notify()
      await pause(1000)
      this.#fault = undefined
      await this.#assign(partitions.filter((partition) => this.#terms.get(partition) === term))
    }
  }

  #begin(place: Place): void {
    this.#owned.set(place.partition, new Owned(place, ++this.#epoch))
    this.#feed.set(place.partition, place.offset)
  }

  /** Waits for what is in flight, up to a deadline, and commits it; then it is fenced. */
  async #revoke(partitions: readonly number[]): Promise<void> {
    const leaving = this.#drop(partitions)
    for (const owned of leaving) {
      owned.revoke()
      this.#leaving.add(owned)
    }
    // No heartbeat is sent meanwhile.
    const end = Date.now() + this.#options.sessionTimeoutMs / 2
    while (Date.now() < end && leaving.some(({ prefix, lost }) => prefix.unsettled > 0 && !lost.aborted)) {
      await this.#arrival(end - Date.now())
    }
    const commits = leaving.map((owned) => this.#committer.reach(owned, owned.prefix.place))
    await Promise.race([Promise.allSettled(commits), pause(Math.max(500, end - Date.now()))])
    for (const owned of leaving) {
      this.#leaving.delete(owned)
      owned.lose()
    }
  }

  #lose(partitions: readonly number[]): void {
    for (const owned of this.#drop(partitions)) owned.lose()
    for (const owned of this.#leaving) owned.lose()
    this.#notify()
  }

  #drop(partitions: readonly number[]): Owned[] {
    return partitions.flatMap((partition) => {
      const owned = this.#owned.get(partition)
      this.#terms.delete(partition)
      this.#owned.delete(partition)
      this.#feed.remove(partition)
      return owned === undefined ? [] : [owned]
    })
  }

  #fail(partition: number, error: unknown): void {
    const translated = translate(error, 'the fetch')
    this.#fault =
      translated.code === 'stale_cursor'
        ? new GatewayError(
            'stale_cursor',
            `The group's place in partition ${partition} is gone: its events are beyond retention. Seek the group to earliest, and what is lost is skipped, or to latest.`,
            { cause: error },
          )
        : translated
    this.#notify()
  }

  #notify(): void {
    this.#arrived.resolve()
    this.#arrived = Promise.withResolvers()
  }

  /** Waits until something changed, or for so long. */
  async #arrival(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    const stop = () => resolve()
    signal?.addEventListener('abort', stop, { once: true })
    await Promise.race([promise, this.#arrived.promise])
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}

function gate(kind: Settlement['outcome']['kind']): void {
  if (kind === 'nack') {
    throw new UnsupportedError('settlement', 'Kafka commits a place: it cannot give one event back (settlement).')
  }
  if (kind === 'reject') throw new UnsupportedError('reject', 'Kafka keeps no dead letters (reject).')
  if (kind === 'extend') throw new UnsupportedError('extend', 'Kafka has no leases that could be extended (extend).')
}

function failed(thrown: unknown): SettleResult {
  return { status: 'failed', error: translate(thrown, 'the commit').toItem() }
}
