import type { Admin as AdminClient } from '@platformatic/kafka'
import { GatewayError, type GroupOptions, type GroupState, type Groups, type Start } from '../../src/core/index.ts'
import type { KafkaClient } from './client.ts'
import type { KafkaConsumer } from './consume/consumer.ts'
import { commitPlaces, groupIdOf, nobody, type Place, readPlaces } from './consume/places.ts'
import { offsetsOf } from './cursor.ts'
import { hasProtocolError, translate } from './errors.ts'
import { fetchFrom } from './read/fetch.ts'
import { offsetsFrom, rangeOf, showStart } from './start.ts'

interface Settings {
  readonly start: string
  readonly leaseMs: number
  readonly maxAttempts: number
}

/** What a group says of itself that something else than the gateway made. */
const foreign: Settings = { start: 'earliest', leaseMs: 0, maxAttempts: 0 }
const deadlineMs = 15_000
const oldestBytes = 1

export class KafkaGroups implements Groups {
  readonly #client: KafkaClient
  readonly #admin: () => AdminClient
  /** The members of a group in this process. */
  readonly #members: (groupId: string) => readonly KafkaConsumer[]

  constructor(client: KafkaClient, admin: () => AdminClient, members: (groupId: string) => readonly KafkaConsumer[]) {
    this.#client = client
    this.#admin = admin
    this.#members = members
  }

  async create(topic: string, group: string, { start, leaseMs, maxAttempts }: GroupOptions): Promise<boolean> {
    const { partitionsCount } = await this.#topic(topic)
    const groupId = groupIdOf(topic, group)
    if ((await this.#places(groupId, topic, partitionsCount)).size > 0) return false
    const offsets = await offsetsFrom(this.#client, topic, start, await rangeOf(this.#client, topic))
    const settings: Settings = { start: showStart(start).slice(0, 2000), leaseMs, maxAttempts }
    await this.#commit(groupId, topic, placesOf(offsets, settings))
    return true
  }

  async describe(topic: string, group: string): Promise<GroupState> {
    const { partitionsCount } = await this.#topic(topic)
    const groupId = groupIdOf(topic, group)
    const places = await this.#existing(groupId, topic, partitionsCount)
    const range = await rangeOf(this.#client, topic)
    let events = 0
    const behind: Place[] = []
    for (const [partition, end] of range.end.entries()) {
      const offset = Math.max(places.get(partition)?.offset ?? 0, range.first[partition]!)
      if (offset >= end) continue
      events += end - offset
      behind.push({ partition, offset, note: '' })
    }
    const oldest = await Promise.all(behind.map((place) => this.#ageAt(topic, place)))
    const inFlight = this.#members(groupId).reduce((sum, member) => sum + member.unsettled, 0)
    return { ...settingsOf(places), lag: { events, oldestMs: Math.max(0, ...oldest) }, inFlight }
  }

  async passed(topic: string, group: string, cursor: string): Promise<boolean> {
    const { partitionsCount } = await this.#topic(topic)
    const places = await this.#existing(groupIdOf(topic, group), topic, partitionsCount)
    const { first } = await rangeOf(this.#client, topic)
    // What retention took needs no settling.
    return offsetsOf(cursor).every((end, partition) => {
      return Math.max(places.get(partition)?.offset ?? 0, first[partition] ?? 0) >= end
    })
  }

  async list(topic: string): Promise<readonly string[]> {
    await this.#topic(topic)
    const prefix = groupIdOf(topic, '')
    const groups = await this.#client.retry('the list of groups', deadlineMs, () => this.#admin().listGroups({}))
    return [...groups.keys()].filter((id) => id.startsWith(prefix)).map((id) => id.slice(prefix.length))
  }

  async delete(topic: string, group: string): Promise<void> {
    const groupId = groupIdOf(topic, group)
    await Promise.all(this.#members(groupId).map((member) => member.close()))
    await this.#client.retry('the end of the group', deadlineMs, async () => {
      try {
        await this.#admin().deleteGroups({ groups: [groupId] })
      } catch (error) {
        if (!hasProtocolError(error, 'GROUP_ID_NOT_FOUND')) throw error
      }
    })
  }

  async seek(topic: string, group: string, to: Start): Promise<void> {
    const { partitionsCount } = await this.#topic(topic)
    const groupId = groupIdOf(topic, group)
    const settings = settingsOf(await this.#existing(groupId, topic, partitionsCount))
    const offsets = await offsetsFrom(this.#client, topic, to, await rangeOf(this.#client, topic))
    const places = placesOf(offsets, settings)
    const members = this.#members(groupId)
    if (members.length === 0) {
      await this.#commit(groupId, topic, places)
      return
    }
    const held = new Set(members.flatMap((member) => member.partitions))
    if (held.size < partitionsCount) throw busy()
    for (const member of members) {
      const moved = await member.seek((partition) => places[partition]!)
      const committed = moved.map((partition) => places[partition]!)
      await this.#commit(groupId, topic, committed, member)
    }
  }

  /** Throws `not_found` where there is no such group. */
  async existing(topic: string, group: string): Promise<string> {
    const { partitionsCount } = await this.#topic(topic)
    const groupId = groupIdOf(topic, group)
    await this.#existing(groupId, topic, partitionsCount)
    return groupId
  }

  async #existing(groupId: string, topic: string, partitions: number): Promise<Map<number, Place>> {
    const places = await this.#places(groupId, topic, partitions)
    if (places.size === 0) throw new GatewayError('not_found', 'There is no such group of this topic.')
    return places
  }

  #places(groupId: string, topic: string, partitions: number): Promise<Map<number, Place>> {
    const all = Array.from({ length: partitions }, (_, partition) => partition)
    return readPlaces(this.#client, this.#client.control, groupId, topic, all)
  }

  async #commit(groupId: string, topic: string, places: readonly Place[], member?: KafkaConsumer): Promise<void> {
    await this.#client.retry('the place of the group', deadlineMs, async () => {
      try {
        const { control } = this.#client
        await commitPlaces(this.#client, control, groupId, topic, member?.member ?? nobody, null, places)
      } catch (error) {
        if (member === undefined && hasProtocolError(error, 'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION')) throw busy()
        throw error
      }
    })
  }

  async #topic(topic: string) {
    try {
      return await this.#client.topic(topic)
    } catch (error) {
      throw translate(error, 'the group')
    }
  }

  /** How old the event at a place is, in milliseconds. */
  async #ageAt(topic: string, { partition, offset }: Place): Promise<number> {
    try {
      const metadata = await this.#client.topic(topic)
      const node = metadata.partitions[partition]!.leader
      const limits = { maxWaitMs: 0, maxBytes: oldestBytes, partitionBytes: oldestBytes }
      const asks = [{ partition, offset }]
      const pool = this.#client.control
      const [fetched] = await fetchFrom(this.#client, pool, node, { name: topic, metadata }, asks, limits)
      const oldest = fetched?.records[0]?.timestamp
      return oldest === undefined ? 0 : Date.now() - oldest
    } catch (error) {
      throw translate(error, 'the lag')
    }
  }
}

/** What the group was made with is kept with its place in the first partition. */
function placesOf(offsets: readonly number[], settings: Settings): Place[] {
  return offsets.map((offset, partition) => ({
    partition,
    offset,
    note: partition === 0 ? JSON.stringify(settings) : '',
  }))
}

function settingsOf(places: ReadonlyMap<number, Place>): Settings {
  try {
    const { start, leaseMs, maxAttempts } = JSON.parse(places.get(0)?.note ?? '') as Settings
    return { start, leaseMs, maxAttempts }
  } catch {
    return foreign
  }
}

function busy(): GatewayError {
  const detail = 'Consumers elsewhere hold partitions of this group: stop them, and move it then.'
  return new GatewayError('conflict', detail)
}
