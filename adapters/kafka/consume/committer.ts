import { GatewayError } from '../../../src/core/index.ts'
import { type ConnectionPool, type KafkaClient, pause } from '../client.ts'
import { closed, hasAnswer, hasProtocolError, isTransient, translate } from '../errors.ts'
import { type Membership, notAMember } from './membership.ts'
import type { Owned } from './owned.ts'
import { commitPlaces } from './places.ts'

const retryMs = 100
/** After which a settlement is told that its place could not be committed. */
const deadlineMs = 15_000

/** Commits what of the owned partitions is settled, one request at a time, with whatever was settled meanwhile. */
export class Committer {
  readonly #client: KafkaClient
  readonly #pool: ConnectionPool
  readonly #group: { readonly groupId: string; readonly topic: string; readonly instanceId: string | undefined }
  readonly #membership: Membership
  readonly #owned: () => Iterable<Owned>
  #running: Promise<void> | undefined

  constructor(
    client: KafkaClient,
    pool: ConnectionPool,
    group: { readonly groupId: string; readonly topic: string; readonly instanceId: string | undefined },
    membership: Membership,
    owned: () => Iterable<Owned>,
  ) {
    this.#client = client
    this.#pool = pool
    this.#group = group
    this.#membership = membership
    this.#owned = owned
  }

  /** Resolves when everything before `offset` is committed. Rejects with `lease_lost` where somebody else has it now. */
  async reach(owned: Owned, offset: number): Promise<void> {
    const end = Date.now() + deadlineMs
    while (!owned.isCommitted(offset)) {
      if (owned.lost.aborted) throw lost(owned, offset)
      try {
        await this.#commit()
      } catch (error) {
        if (owned.isCommitted(offset)) return
        if (owned.lost.aborted) throw lost(owned, offset)
        if (this.#client.closed) throw closed()
        if (Date.now() > end) {
          const detail = 'Kafka did not take the place of the group; the event may come again.'
          throw new GatewayError('unavailable', detail, { retryAfterMs: 1000, cause: error })
        }
        if (!isFence(error) && !isTransient(error)) throw translate(error, 'the commit')
        await this.#waitFor(error)
      }
    }
  }

  /** Commits what needs no settlement: the markers of transactions behind the last event. Nobody waits for it. */
  tidy(): void {
    for (const owned of this.#owned()) {
      if (owned.uncommitted !== undefined) this.reach(owned, owned.prefix.place).catch(() => undefined)
    }
  }

  /** Resolves when no commit is on its way. */
  async idle(): Promise<void> {
    await this.#running?.catch(() => undefined)
  }

  /** The next commit that begins after the call. */
  async #commit(): Promise<void> {
    if (this.#running !== undefined) await this.#running.catch(() => undefined)
    this.#running ??= this.#once().finally(() => {
      this.#running = undefined
    })
    await this.#running
  }

  async #once(): Promise<void> {
    const { groupId, topic, instanceId } = this.#group
    const owned = [...this.#owned()].filter(({ lost }) => !lost.aborted)
    const places = owned.flatMap((one) => {
      const place = one.uncommitted
      return place === undefined ? [] : [{ one, place }]
    })
    if (places.length === 0) return
    const { member } = this.#membership
    if (member.memberId === '') throw notAMember()
    const all = places.map(({ place }) => place)
    try {
      await commitPlaces(this.#client, this.#pool, groupId, topic, member, instanceId ?? null, all)
    } catch (error) {
      // We were given up, and are to hear of it by this.
      const known = this.#membership.member.memberId === member.memberId
      if (known && hasProtocolError(error, 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID')) this.#membership.lost()
      // Where the broker said nothing, it may have taken them.
      if (!hasAnswer(error)) for (const { one, place } of places) one.perhaps = place.offset
      throw error
    }
    for (const { one, place } of places) one.committed(place.offset)
  }

  /** A generation that is over may have a next one in which the partition is still ours. */
  async #waitFor(error: unknown): Promise<void> {
    const waits: Promise<void>[] = [pause(retryMs)]
    if (isFence(error)) waits.push(this.#membership.changed)
    await Promise.race(waits)
  }
}

/** Somebody else has the partition: nothing of it was committed here, unless a commit had no answer. */
function lost(owned: Owned, offset: number): GatewayError {
  if (owned.perhaps < offset) return notAMember()
  const detail = 'Kafka did not confirm that the event is settled, and the partition went to another member since.'
  return new GatewayError('unknown_outcome', detail)
}

function isFence(error: unknown): boolean {
  return (
    (error instanceof GatewayError && error.code === 'lease_lost') ||
    hasProtocolError(error, 'ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID')
  )
}
