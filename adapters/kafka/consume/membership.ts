import { Consumer } from '@platformatic/kafka'
import { GatewayError } from '../../../src/core/index.ts'
import type { KafkaClient } from '../client.ts'
import { tolerated } from '../failures.ts'
import type { Member } from './places.ts'

export interface MembershipOptions {
  readonly groupId: string
  readonly topic: string
  readonly sessionTimeoutMs: number
  readonly instanceId: string | undefined
  /** These partitions are ours from now on. */
  readonly onAssigned: (partitions: readonly number[]) => void
  /** These go to others once it resolves. */
  readonly onRevoked: (partitions: readonly number[]) => Promise<void>
  /** These may belong to others already. */
  readonly onLost: (partitions: readonly number[]) => void
}

const empty = Buffer.alloc(0)
const rejoinMs = 500
/** How often it is looked whether partitions were added. */
const lookMs = 10_000

/**
 * Being a member of a group: which partitions are ours, by the cooperative protocol (KIP-429), in which a rebalance takes
 * away only what moves. The library joins, syncs and sends heartbeats; its streams and its commits are not used.
 */
export class Membership {
  readonly #client: KafkaClient
  readonly #options: MembershipOptions
  readonly #consumer: Consumer
  readonly #held = new Set<number>()
  #known = 0
  #changed = Promise.withResolvers<void>()
  #rejoining: NodeJS.Timeout | undefined
  readonly #looking: NodeJS.Timeout
  #left = false

  constructor(client: KafkaClient, options: MembershipOptions) {
    const { groupId, topic, sessionTimeoutMs, instanceId } = options
    this.#client = client
    this.#options = options
    this.#consumer = new Consumer({
      ...client.reach,
      groupId,
      ...(instanceId !== undefined && { groupInstanceId: instanceId }),
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.min(1000, Math.ceil(sessionTimeoutMs / 5)),
      // A join is answered when every member has joined, or was given up.
      requestTimeout: sessionTimeoutMs + 5000,
      retries: 5,
      retryDelay: 200,
      protocols: [{ name: 'cooperative-sticky', version: 3 }],
      // Called before every join, and waited for: the one place where a revocation can be.
      protocolsMetadata: () => this.#giveUp(),
    })
    tolerated(this.#consumer)
    this.#consumer.topics.track(topic)
    this.#consumer.on('consumer:group:join', ({ assignments }) => {
      const own = assignments?.find((assignment) => assignment.topic === topic)?.partitions ?? []
      this.#take(own)
    })
    this.#consumer.on('consumer:heartbeat:error', () => this.#watch())
    // The library stops trying then.
    this.#consumer.on('error', () => this.#rejoin(rejoinMs))
    this.#looking = setInterval(() => this.#look(), lookMs)
  }

  /** Resolves once the first partitions are assigned, which may be none. */
  async join(deadlineMs: number): Promise<void> {
    this.#known = (await this.#client.topic(this.#options.topic)).partitionsCount
    await this.#client.retry('to join the group', deadlineMs, () => this.#consumer.joinGroup({}).then(() => undefined))
  }

  /** In whose name to commit now. */
  get member(): Member {
    return { memberId: this.#consumer.memberId ?? '', generation: this.#consumer.generationId }
  }

  /** Resolves when the membership next changes. */
  get changed(): Promise<void> {
    return this.#changed.promise
  }

  /** The broker says that we are none of the group's members any more. */
  lost(): void {
    const partitions = [...this.#held]
    this.#held.clear()
    if (partitions.length > 0) this.#options.onLost(partitions)
    this.#note()
    // Where the group never gave us up, only joining anew brings the partitions back.
    this.#rejoin(rejoinMs)
  }

  async leave(): Promise<void> {
    this.#left = true
    clearTimeout(this.#rejoining)
    clearInterval(this.#looking)
    try {
      if (this.#consumer.memberId !== null) await this.#consumer.leaveGroup(true)
    } catch {
      // Who is not heard is given up by the group after the session timeout.
    }
    await this.#consumer.close(true).catch(() => undefined)
    this.#note()
  }

  #take(own: readonly number[]): void {
    const gone = [...this.#held].filter((partition) => !own.includes(partition))
    for (const partition of gone) this.#held.delete(partition)
    if (gone.length > 0) this.#options.onLost(gone)
    const added = own.filter((partition) => !this.#held.has(partition))
    for (const partition of added) this.#held.add(partition)
    if (added.length > 0) this.#options.onAssigned(added)
    this.#note()
  }

  /** Waits until what the group took away is in order, and may go to others. */
  async #giveUp(): Promise<Buffer> {
    const { topic, onRevoked } = this.#options
    if (this.#consumer.memberId === null) {
      if (this.#held.size > 0) this.lost()
      return empty
    }
    const left = this.#consumer.assignments?.find((assignment) => assignment.topic === topic)?.partitions ?? []
    const gone = [...this.#held].filter((partition) => !left.includes(partition))
    for (const partition of gone) this.#held.delete(partition)
    if (gone.length > 0) await onRevoked(gone)
    return empty
  }

  /** Whoever could not reach the group for a whole session may have been replaced without hearing of it. */
  #watch(): void {
    const last = this.#consumer.lastHeartbeat?.getTime()
    if (last !== undefined && Date.now() - last > this.#options.sessionTimeoutMs) this.lost()
  }

  #rejoin(afterMs: number): void {
    if (this.#left) return
    clearTimeout(this.#rejoining)
    this.#rejoining = setTimeout(() => {
      if (!this.#left) this.#consumer.joinGroup({}).catch(() => this.#rejoin(rejoinMs))
    }, afterMs)
  }

  /** The group's leader hands out new partitions only when somebody joins. */
  async #look(): Promise<void> {
    try {
      const { partitionsCount } = await this.#client.refresh(this.#options.topic)
      if (partitionsCount <= this.#known) return
      this.#known = partitionsCount
      this.#rejoin(0)
    } catch {
      // The next look may be luckier.
    }
  }

  #note(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

export function notAMember(): GatewayError {
  return new GatewayError('lease_lost', 'The partition went to another member of the group; the event comes there.')
}
