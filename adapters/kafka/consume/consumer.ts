import {
  type Batch,
  Bell,
  type Consumer,
  type Delivery,
  type PullOptions,
  type Settlement,
  type SettleResult,
  UnsupportedError,
} from '../../../src/core/index.ts'
import type { ConnectionPool, KafkaClient } from '../client.ts'
import { closed, translate } from '../errors.ts'
import { writePosition } from '../position.ts'
import { decodeEvent } from '../read/event.ts'
import { Committer } from './committer.ts'
import { Membership, notAMember } from './membership.ts'
import type { Owned } from './owned.ts'
import { Partitions } from './partitions.ts'
import type { Member, Place } from './places.ts'

export interface ConsumerOptions {
  readonly groupId: string
  readonly topic: string
  readonly prefetch: number
  readonly sessionTimeoutMs: number
  readonly instanceId: string | undefined
  readonly onClose: () => void
}

const joinMs = 30_000
const receiptForm = /^([0-9a-f]{8})\.(\d+)\.(\d+)\.(\d+)$/
const never = Number.MAX_SAFE_INTEGER

/** One member of a group: pulls from the partitions that are its own, and commits what is settled without a gap. */
export class KafkaConsumer implements Consumer {
  readonly #client: KafkaClient
  readonly #pools: { readonly fetch: ConnectionPool; readonly commit: ConnectionPool }
  readonly #options: ConsumerOptions
  readonly #bell = new Bell()
  readonly #partitions: Partitions
  readonly #membership: Membership
  readonly #committer: Committer
  /** Tells this consumer's receipts from those of others. */
  readonly #name = crypto.randomUUID().slice(0, 8)
  #closing: Promise<void> | undefined

  constructor(client: KafkaClient, options: ConsumerOptions) {
    const { groupId, topic, sessionTimeoutMs } = options
    this.#client = client
    this.#options = options
    this.#pools = { fetch: client.pool(), commit: client.pool() }
    this.#partitions = new Partitions(client, this.#pools, this.#bell, {
      groupId,
      topic,
      // No heartbeat is sent meanwhile.
      drainMs: sessionTimeoutMs / 2,
      wanted: () => this.#credit > 0,
      reach: (owned, offset) => this.#committer.reach(owned, offset),
    })
    this.#membership = new Membership(client, {
      ...options,
      onAssigned: (partitions) => this.#partitions.assign(partitions),
      onRevoked: (partitions) => this.#partitions.revoke(partitions),
      onLost: (partitions) => this.#partitions.lose(partitions),
    })
    const { commit } = this.#pools
    this.#committer = new Committer(client, commit, options, this.#membership, () => this.#partitions.all())
  }

  /** Resolves once it is a member; its partitions come when the group has agreed. */
  async join(): Promise<void> {
    await this.#membership.join(joinMs)
  }

  get unsettled(): number {
    return this.#partitions.unsettled
  }

  /** The partitions that are this member's now. */
  get partitions(): readonly number[] {
    return this.#partitions.numbers
  }

  get member(): Member {
    return this.#membership.member
  }

  async pull({ max, waitMs, signal }: PullOptions): Promise<Batch> {
    const end = Date.now() + waitMs
    if (this.#closing !== undefined) throw closed()
    while (true) {
      const { fault, epoch } = this.#partitions
      if (fault !== undefined) throw fault
      const count = Math.min(max, this.#credit)
      const owned = count > 0 ? this.#partitions.next() : undefined
      if (owned !== undefined) return this.#deliver(owned, count)
      const left = end - Date.now()
      if (left <= 0 || signal.aborted || this.#closing !== undefined) {
        this.#committer.tidy()
        return { deliveries: [], epoch, revoked: signal }
      }
      await this.#bell.wait(left, signal)
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    for (const { outcome } of settlements) gate(outcome.kind)
    if (this.#closing !== undefined) throw closed()
    const targets = settlements.map(({ receipt }) => this.#take(receipt))
    this.#partitions.moved()
    this.#bell.ring()
    const outcomes = new Map<Owned, SettleResult>()
    const distinct = new Set(targets.filter((owned) => owned !== undefined))
    await Promise.all(
      [...distinct].map(async (owned) => {
        const reaching = this.#committer.reach(owned, owned.prefix.place)
        outcomes.set(owned, await reaching.then((): SettleResult => ({ status: 'ok' }), failed))
      }),
    )
    return targets.map((owned) => (owned === undefined ? failed(notAMember()) : outcomes.get(owned)!))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Moves the partitions that are this member's, and answers which those are; committing is the caller's. */
  async seek(placeOf: (partition: number) => Place): Promise<readonly number[]> {
    const moved = this.#partitions.seek(placeOf)
    // A commit of the old place that is on its way must not come after that of the new one.
    await this.#committer.idle()
    return moved
  }

  async #close(): Promise<void> {
    this.#partitions.close()
    await this.#membership.leave()
    const { fetch, commit } = this.#pools
    await Promise.allSettled([this.#client.release(fetch), this.#client.release(commit)])
    this.#options.onClose()
  }

  get #credit(): number {
    return this.#options.prefetch - this.#partitions.unsettled
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
    this.#partitions.moved(owned)
    return { deliveries, partition: String(partition), epoch, revoked: owned.lost }
  }

  /** Settles one receipt. Undefined where it is of an assignment that is over, or of another consumer. */
  #take(receipt: string): Owned | undefined {
    const [, name, epoch, partition, offset] = receiptForm.exec(receipt) ?? []
    if (name !== this.#name) return undefined
    const owned = this.#partitions.find(Number(partition), Number(epoch))
    owned?.prefix.settle(Number(offset))
    return owned
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
