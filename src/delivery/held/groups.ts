import type { GroupOptions, GroupState, Groups, Start } from '../../core/broker.ts'
import { GatewayError, toGatewayError } from '../../core/errors.ts'
import type { HeldChange, HeldDefinition } from '../../store/held-groups.ts'
import { type HeldContext, type HeldPlace, storeName } from './context.ts'

/** A replica that died while it changed a group keeps others from it no longer than this. */
const closedMs = 45_000
/** So long is waited for other replicas to let go of a group. */
const patienceMs = 20_000
const againMs = 100
/** For a group that the broker has, and the gateway did not make. */
const adopted = { leaseMs: 30_000, maxAttempts: 16 } as const

/**
 * The broker's groups, each with what the store keeps of it. The broker knows which groups there are and where they begin;
 * the store, how they are leased.
 */
export class HeldTopicGroups implements Groups {
  readonly #context: HeldContext
  readonly #place: HeldPlace
  /** Makes this replica let go of a group at the broker. */
  readonly #stop: (group: string) => Promise<void>
  readonly seek?: (topic: string, group: string, to: Start) => Promise<void>

  constructor(context: HeldContext, place: HeldPlace, stop: (group: string) => Promise<void>) {
    this.#context = context
    this.#place = place
    this.#stop = stop
    const { groups } = place.broker
    if (groups.seek !== undefined) this.seek = (topic, group, to) => this.#seek(topic, group, to)
  }

  async create(topic: string, group: string, options: GroupOptions): Promise<boolean> {
    const name = storeName(this.#place, group)
    const known = await this.#context.store.get(name)
    const isOpen = known !== undefined && known.closedUntil <= this.#context.clock.now()
    if (isOpen && (await this.#brokerState(topic, group)) !== undefined) return false
    const { start, leaseMs, maxAttempts } = options
    const definition = { start: showStart(start), leaseMs, maxAttempts }
    return this.#closed(group, definition, async (isNew) => {
      const { groups } = this.#place.broker
      if (await groups.create(topic, group, options)) {
        // Where the broker had lost it, what was held of it belongs to a group that is no more.
        return { answer: true, change: { definition, empty: 'all' } }
      }
      if (!isNew) return { answer: false, change: {} }
      return { answer: false, change: { definition: ownOf(await groups.describe(topic, group)) } }
    })
  }

  async describe(topic: string, group: string): Promise<GroupState> {
    const { clock, store } = this.#context
    const name = storeName(this.#place, group)
    const state = await this.#place.broker.groups.describe(topic, group)
    const definition = (await store.get(name)) ?? (await this.#adopt(topic, group))
    const now = clock.now()
    const held = await store.amount(name, now, 0)
    const { start, leaseMs, maxAttempts } = definition
    const settings = { start, leaseMs, maxAttempts, inFlight: held?.inFlight ?? 0 }
    if (state.lag === undefined) return settings
    const oldestMs = Math.max(state.lag.oldestMs, now - (held?.oldestAt ?? now))
    return { ...settings, lag: { events: state.lag.events + (held?.events ?? 0), oldestMs } }
  }

  list(topic: string): Promise<readonly string[]> {
    return this.#place.broker.groups.list(topic)
  }

  async delete(topic: string, group: string): Promise<void> {
    const { store } = this.#context
    const name = storeName(this.#place, group)
    const closed = await this.#close(name, undefined)
    try {
      await this.#stop(group)
      await this.#patiently(() => this.#place.broker.groups.delete(topic, group))
    } catch (error) {
      if (closed !== undefined) await store.open(name, closed.term, {})
      throw error
    }
    if (closed !== undefined) await store.delete(name, closed.term)
  }

  /** Rejects with `not_found` where there is no such group. */
  async existing(topic: string, group: string): Promise<void> {
    if ((await this.#context.store.get(storeName(this.#place, group))) === undefined) await this.#adopt(topic, group)
  }

  /** One that the broker has and the store does not: somebody else made it, or its creation broke off. */
  async #adopt(topic: string, group: string): Promise<HeldDefinition> {
    const definition = ownOf(await this.#place.broker.groups.describe(topic, group))
    return this.#closed(group, definition, async () => ({ answer: definition, change: {} }))
  }

  async #seek(topic: string, group: string, to: Start): Promise<void> {
    await this.existing(topic, group)
    const move = this.#place.broker.groups.seek!.bind(this.#place.broker.groups)
    await this.#closed(group, undefined, async () => {
      await this.#stop(group)
      await this.#patiently(() => move(topic, group, to))
      return { answer: undefined, change: { empty: 'pending' } }
    })
  }

  /** Does something while nobody fills the group; where it fails, the group is as it was. */
  async #closed<T>(
    group: string,
    definition: HeldDefinition | undefined,
    work: (isNew: boolean) => Promise<{ answer: T; change: HeldChange }>,
  ): Promise<T> {
    const { store } = this.#context
    const name = storeName(this.#place, group)
    const closed = await this.#close(name, definition)
    if (closed === undefined) throw new GatewayError('not_found', 'There is no such group of this topic.')
    const { term, isNew } = closed
    try {
      const { answer, change } = await work(isNew)
      if (!(await store.open(name, term, change))) {
        throw new GatewayError('conflict', 'The group was changed by somebody else meanwhile.')
      }
      return answer
    } catch (error) {
      await (isNew ? store.delete(name, term) : store.open(name, term, {})).catch(() => {})
      throw error
    }
  }

  async #close(name: string, definition: HeldDefinition | undefined) {
    const { clock, store } = this.#context
    const end = performance.now() + closedMs + patienceMs
    for (;;) {
      const now = clock.now()
      const closed = await store.close(name, definition, now, now + closedMs)
      if (closed !== 'held') return closed
      if (performance.now() > end) throw new GatewayError('conflict', 'Somebody else changes the group at the moment.')
      await new Promise((resolve) => setTimeout(resolve, againMs))
    }
  }

  /** Other replicas are in the group until they notice that it is closed. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    const end = performance.now() + patienceMs
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (toGatewayError(error).code !== 'conflict' || performance.now() > end) throw error
        await new Promise((resolve) => setTimeout(resolve, againMs))
      }
    }
  }

  async #brokerState(topic: string, group: string): Promise<GroupState | undefined> {
    try {
      return await this.#place.broker.groups.describe(topic, group)
    } catch (error) {
      if (toGatewayError(error).code === 'not_found') return undefined
      throw error
    }
  }
}

function showStart(start: Start): string {
  if (start === 'earliest' || start === 'latest') return start
  return start instanceof Date ? start.toISOString() : start.cursor
}

/** What the broker says of a group, where it keeps that. */
function ownOf({ start, leaseMs, maxAttempts }: GroupState): HeldDefinition {
  return leaseMs > 0 ? { start, leaseMs, maxAttempts } : { start, ...adopted }
}
