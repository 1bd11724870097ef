import { GatewayError } from '../core/errors.ts'
import { fanoutGroup } from '../core/own-group.ts'
import type { BoundTopic } from '../core/topic.ts'
import type { StoredSubscription } from '../store/subscriptions.ts'
import type { Catalog } from './catalog.ts'
import type { DeliveryContext } from './context.ts'
import { edgeOf, isReplayable, located, logOf, startOf } from './log-range.ts'

/** How long what was looked up is told again. */
const freshMs = 10_000
/** So many detached subscriptions are looked up in one round; the others have their turn in the next. */
const maxLooks = 100
const deadlineMs = 5000

/** What the log has for a detached subscription. At most so many: its filters are not asked, and it may have them as rows. */
export interface Behind {
  readonly events: number
  /** When the first of them happened, as the event itself says; in milliseconds since the epoch. */
  readonly oldestAt?: number
}

export interface GroupLag {
  readonly topic: string
  readonly events: number
  readonly oldestMs: number
}

/**
 * How far the gateway is behind where no row tells it: detached subscriptions in their logs, and its own group on each
 * topic. Looked up only when somebody asks, and then for all that are asked within the next seconds.
 */
export class Lag {
  readonly #context: DeliveryContext
  readonly #catalog: Catalog
  readonly #behind = new Map<string, Behind>()
  #groups: GroupLag[] = []
  #refreshedAt = Number.NEGATIVE_INFINITY
  #refreshing: Promise<void> | undefined
  #next = 0

  constructor(context: DeliveryContext, catalog: Catalog) {
    this.#context = context
    this.#catalog = catalog
  }

  /** As it was last looked up; undefined where the subscription is not detached, or the log could not tell. */
  of({ id, feed }: StoredSubscription): Behind | undefined {
    return feed.state === 'attached' ? undefined : this.#behind.get(id)
  }

  get groups(): readonly GroupLag[] {
    return this.#groups
  }

  /** Looks everything up where that is long ago. Never rejects; what cannot be told is left out. */
  refresh(): Promise<void> {
    if (this.#context.clock.now() - this.#refreshedAt < freshMs) return this.#refreshing ?? Promise.resolve()
    this.#refreshedAt = this.#context.clock.now()
    this.#refreshing = this.#refresh().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  /** Looks one subscription up now. Never rejects. */
  async look(subscription: StoredSubscription): Promise<void> {
    if (subscription.feed.state === 'attached') return
    await this.#look(subscription, new Map(), AbortSignal.timeout(deadlineMs))
  }

  async #refresh(): Promise<void> {
    const signal = AbortSignal.timeout(deadlineMs)
    const groups = [...this.#catalog.topics].map((name) => this.#group(name))
    const detached = [...this.#catalog.lanes].filter(({ subscription }) => subscription.feed.state !== 'attached')
    const here = new Set(detached.map(({ subscription }) => subscription.id))
    for (const id of this.#behind.keys()) if (!here.has(id)) this.#behind.delete(id)
    const ends = new Map<string, Promise<string>>()
    for (let left = Math.min(maxLooks, detached.length); left > 0 && !signal.aborted; left--) {
      const { subscription } = detached[this.#next++ % detached.length]!
      const stored = await this.#context.store.subscriptions.get(subscription.id).catch(() => undefined)
      if (stored !== undefined && stored.feed.state !== 'attached') await this.#look(stored, ends, signal)
    }
    this.#groups = (await Promise.all(groups)).filter((one) => one !== undefined)
  }

  async #group(name: string): Promise<GroupLag | undefined> {
    const topic = this.#context.topics.resolve(name)
    if (topic === undefined) return undefined
    const bindings = [topic, ...(topic.draining === undefined ? [] : [topic.draining])]
    const lags = (await Promise.all(bindings.map(lagIn))).filter((lag) => lag !== undefined)
    if (lags.length === 0) return undefined
    const events = lags.reduce((sum, lag) => sum + lag.events, 0)
    return { topic: name, events, oldestMs: Math.max(...lags.map(({ oldestMs }) => oldestMs)) }
  }

  /** `ends` are those of logs that were looked up in the same round. */
  async #look(stored: StoredSubscription, ends: Map<string, Promise<string>>, signal: AbortSignal): Promise<void> {
    const { id, feed, topic: name } = stored
    const topic = this.#context.topics.resolve(name)
    if (topic === undefined || feed.state === 'attached') return
    const at = located(topic, feed.next)
    if (at === undefined || !isReplayable(at.binding)) {
      this.#behind.delete(id)
      return
    }
    const log = `${name}~${at.binding.epoch}`
    let end = ends.get(log)
    if (end === undefined) {
      end = edgeOf(at.binding, 'latest', signal)
      ends.set(log, end)
    }
    try {
      this.#behind.set(id, await behind(at.binding, at.start, await end, signal))
    } catch {
      // Rather no number than an old one.
      this.#behind.delete(id)
    }
  }
}

async function lagIn({ broker, brokerTopic }: BoundTopic) {
  try {
    return (await broker.groups.describe(brokerTopic, fanoutGroup)).lag
  } catch {
    return undefined
  }
}

/** The first event behind a place tells since when; the places behind it how many there are. */
async function behind(topic: BoundTopic, next: string, end: string, signal: AbortSignal): Promise<Behind> {
  const log = logOf(topic)
  const first = async (from: string) => {
    for await (const { records } of log.read(topic.brokerTopic, startOf(from), { limit: 1, signal })) {
      if (records.length > 0) return records[0]
    }
    return undefined
  }
  const found = await first(next).catch((error: unknown) => {
    // What retention took is told elsewhere; what is left is what it is behind.
    if (error instanceof GatewayError && error.code === 'stale_cursor') return first('earliest')
    throw error
  })
  if (signal.aborted) throw new Error('It took too long.')
  if (found === undefined) return { events: 0 }
  const at = Date.parse(String(found.event.attributes.time))
  return { events: 1 + log.between(found.cursor, end), ...(Number.isFinite(at) && { oldestAt: at }) }
}
