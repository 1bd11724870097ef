import type {
  CapabilityName,
  Consumer,
  DeadLetter,
  DeadLetters,
  GroupOptions,
  GroupState,
  Groups,
  OpenOptions,
  Start,
} from './broker.ts'
import { requireDeadLetters } from './capabilities.ts'
import { GatewayError, toGatewayError } from './errors.ts'
import type { PullSource } from './group.ts'
import { ofEpoch, type PulledBinding, SwappedConsumer, withEpoch } from './swapped-consumer.ts'

/**
 * The groups of a topic that was bound to another broker before. Each gives what is left there first, as long as that is
 * drained. Leases and ids of dead letters say which binding they are of, where that is not the first.
 */
export class SwappedPulls implements PullSource {
  readonly capabilities: PullSource['capabilities']
  readonly added?: readonly CapabilityName[]
  readonly groups: Groups
  readonly deadLetters?: DeadLetters
  readonly #now: PulledBinding
  readonly #before: () => PulledBinding | undefined

  constructor(now: PulledBinding, before: () => PulledBinding | undefined) {
    this.#now = now
    this.#before = before
    this.capabilities = now.pulls.capabilities
    if (now.pulls.added !== undefined) this.added = now.pulls.added
    this.groups = groupsOf(now, before)
    if (now.pulls.deadLetters !== undefined) this.deadLetters = new SwappedLetters(now, before)
  }

  async open(topic: string, group: string, options: OpenOptions): Promise<Consumer> {
    const consumer = await this.#now.pulls.open(topic, group, options)
    return new SwappedConsumer(this.#now, consumer, this.#before, group, options)
  }
}

function groupsOf(now: PulledBinding, before: () => PulledBinding | undefined): Groups {
  const { groups } = now.pulls
  const { seek } = groups
  /** Undefined where the old binding has no such group. */
  const old = async (group: string): Promise<GroupState | undefined> => {
    const binding = before()
    return binding && orNone(binding.pulls.groups.describe(binding.brokerTopic, group))
  }
  return {
    create: (topic: string, group: string, options: GroupOptions) => groups.create(topic, group, options),
    async describe(topic, group) {
      const [state, left] = await Promise.all([groups.describe(topic, group), old(group)])
      return left === undefined ? state : together(state, left)
    },
    list: (topic) => groups.list(topic),
    async delete(topic, group) {
      const binding = before()
      if (binding !== undefined) await binding.pulls.groups.delete(binding.brokerTopic, group)
      await groups.delete(topic, group)
    },
    ...(seek !== undefined && {
      async seek(topic: string, group: string, to: Start) {
        const left = await old(group)
        if (left !== undefined && left.lag?.events !== 0) {
          const detail = `The group still has events at broker ${before()?.brokerName}, where the topic was before: pull them first.`
          throw new GatewayError('conflict', detail)
        }
        await seek.call(groups, topic, group, to)
      },
    }),
  }
}

/** A group at both brokers; it is one for whoever pulls it. */
function together({ lag, ...state }: GroupState, left: GroupState): GroupState {
  const inFlight = state.inFlight + left.inFlight
  if (lag === undefined || left.lag === undefined) return { ...state, inFlight }
  const oldestMs = Math.max(lag.oldestMs, left.lag.oldestMs)
  return { ...state, inFlight, lag: { events: lag.events + left.lag.events, oldestMs } }
}

/** Those of the old binding are older than all others. */
class SwappedLetters implements DeadLetters {
  readonly #now: PulledBinding
  readonly #before: () => PulledBinding | undefined

  constructor(now: PulledBinding, before: () => PulledBinding | undefined) {
    this.#now = now
    this.#before = before
  }

  async list(_: string, group: string, { limit, after }: { limit: number; after?: string }): Promise<DeadLetter[]> {
    const from = after === undefined ? undefined : ofEpoch(after)
    const found: DeadLetter[] = []
    for (const binding of this.#bindings) {
      if (found.length >= limit || (from !== undefined && from.epoch > binding.epoch)) continue
      const page = {
        limit: limit - found.length,
        ...(from?.epoch === binding.epoch && { after: from.text }),
      }
      const letters = await this.#of(binding, (all, topic) => all.list(topic, group, page))
      for (const letter of letters ?? []) found.push({ ...letter, id: withEpoch(binding.epoch, letter.id) })
    }
    return found
  }

  async redrive(_: string, group: string, which: readonly string[] | 'all'): Promise<number> {
    const ids = which === 'all' ? which : which.map(ofEpoch)
    let count = 0
    for (const binding of this.#bindings) {
      const wanted = ids === 'all' ? ids : ids.filter(({ epoch }) => epoch === binding.epoch).map(({ text }) => text)
      if (wanted.length === 0) continue
      count += (await this.#of(binding, (all, topic) => all.redrive(topic, group, wanted))) ?? 0
    }
    return count
  }

  async delete(_: string, group: string, id: string): Promise<void> {
    const { epoch, text } = ofEpoch(id)
    const binding = this.#bindings.find((one) => one.epoch === epoch)
    if (binding === undefined) throw new GatewayError('not_found', 'There is no such dead letter.')
    await requireDeadLetters(binding.pulls).delete(binding.brokerTopic, group, text)
  }

  /** Undefined where the old binding has no such group. */
  async #of<T>(
    binding: PulledBinding,
    ask: (letters: DeadLetters, topic: string) => Promise<T>,
  ): Promise<T | undefined> {
    const asked = ask(requireDeadLetters(binding.pulls), binding.brokerTopic)
    return binding === this.#now ? asked : orNone(asked)
  }

  /** Oldest first. */
  get #bindings(): readonly PulledBinding[] {
    const before = this.#before()
    return before?.pulls.deadLetters === undefined ? [this.#now] : [before, this.#now]
  }
}

/** Undefined where there is no such group. */
async function orNone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (toGatewayError(error).code === 'not_found') return undefined
    throw error
  }
}
