import type { Drain } from '../../core/binding.ts'
import { GatewayError, toGatewayError } from '../../core/errors.ts'
import type { Draining, OpenTopic } from '../../core/topic.ts'
import type { Catalog } from '../catalog.ts'
import type { DeliveryContext } from '../context.ts'
import type { Fanouts } from '../fanouts.ts'
import { located } from '../log-range.ts'
import { Lasting } from './lasting.ts'
import { type GroupLeft, isDrained, isSpent, leftIn } from './left.ts'

/** How often it is looked what other replicas have bound, and how far drains are. */
const lookMs = 1000
/**
 * A replica that does not know yet that a topic was bound elsewhere publishes to where it was for less than this: until it
 * looks, and for the two seconds that a call to the broker has to give in. Only what is empty for longer is.
 */
const quietMs = 5000
/** Brokers that count what nobody has a log of may take a minute to count right (SQS says so of itself). */
const countedMs = 60_000
/** How long what a replica has and has not settled keeps others from calling it empty. */
const heldMs = 10_000
/**
 * The same where a broker gives it back only once it takes the replica's connection for lost: RabbitMQ does after two to
 * three heartbeats of 10 s.
 */
const heldOnConnectionMs = 45_000

/** Sees that what topics were bound to before is consumed to its end, and that topics that are bound elsewhere are let go. */
export class Drains {
  readonly #context: DeliveryContext
  readonly #catalog: Catalog
  readonly #fanouts: Fanouts
  readonly #changed: () => void
  readonly #empty = new Lasting()
  /** Not even dead letters and delayed events are there. */
  readonly #spent = new Lasting()
  /** Events that were left behind, as this replica counted them. */
  readonly #left = new Map<string, number>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #looking: Promise<void> = Promise.resolve()
  #isStopped = false

  /** `changed` is told when a topic is drained, or let go. */
  constructor(context: DeliveryContext, catalog: Catalog, fanouts: Fanouts, changed: () => void) {
    this.#context = context
    this.#catalog = catalog
    this.#fanouts = fanouts
    this.#changed = changed
  }

  /** Resolves once it is known which topics may be published to. */
  async start(): Promise<void> {
    this.#looking = this.#look()
    await this.#looking
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#looking
  }

  /** How many events of a topic's groups were left behind since this replica started. */
  get left(): readonly { readonly topic: string; readonly events: number }[] {
    return [...this.#left].map(([topic, events]) => ({ topic, events }))
  }

  async #look(): Promise<void> {
    const { store, log } = this.#context
    try {
      const [bindings, drains] = await Promise.all([store.bindings.list(), store.bindings.drains()])
      for (const { topic, broker, epoch } of bindings) this.#supersede(topic, broker, epoch)
      await Promise.all(this.#context.topics.list().map((topic) => this.#follow(topic, drains)))
    } catch (error) {
      log('warn', 'What topics are bound to cannot be looked up; trying again.', {
        cause: toGatewayError(error).message,
      })
    }
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.start(), lookMs)
  }

  #supersede(name: string, broker: string, epoch: number): void {
    const { topics, log } = this.#context
    const topic = topics.resolve(name)
    if (topic === undefined || topic.superseded !== undefined || topic.epoch >= epoch) return
    topics.supersede(name, broker)
    log('error', 'A topic was bound to another broker by another replica; this one lets go of it.', {
      topic: name,
      here: topic.brokerName,
      now: broker,
    })
    this.#changed()
  }

  async #follow(topic: OpenTopic, drains: readonly Drain[]): Promise<void> {
    const { draining } = topic
    if (draining === undefined || topic.superseded !== undefined) return
    const drain = drains.find((one) => one.topic === topic.name && one.epoch === draining.epoch)
    if (drain === undefined) this.#drained(topic)
    else {
      try {
        await this.#tend(topic, draining, drain)
      } catch (error) {
        this.#forget(draining)
        this.#context.log('warn', 'How far a topic is drained is not known; trying again.', {
          topic: topic.name,
          broker: draining.brokerName,
          cause: toGatewayError(error).message,
        })
      }
    }
    this.#gate(topic)
  }

  async #tend(topic: OpenTopic, draining: Draining, drain: Drain): Promise<void> {
    const { bindings } = this.#context.store
    const now = this.#context.clock.now()
    if (this.#fanouts.isHolding(draining)) await bindings.holdDrain(drain, now + heldMs)
    const subscribers = this.#catalog.known(topic.name).lanes.map(({ subscription }) => subscription)
    const groups = await leftIn(draining, subscribers.length > 0)
    const isLeft =
      drain.leftAt !== undefined || (now >= draining.deadline && (await this.#leave(draining, drain, groups)))
    // Not only the fan-out may have events here that no other replica sees: a bridge may, whose target takes none.
    if (countsItsOwn(draining) && !groups.every((group) => isDrained(group, isLeft))) {
      await bindings.holdDrain(drain, now + heldOnConnectionMs)
    }
    const isHeld = drain.heldUntil !== undefined && drain.heldUntil > now
    const isEmpty = !isHeld && groups.every((group) => isDrained(group, isLeft)) && !this.#isOvertaken(topic, draining)
    const isLongEmpty = this.#isLong(draining, this.#empty.since(draining, isEmpty))
    const isEmptied = drain.emptiedAt !== undefined || isLongEmpty
    if (isLongEmpty) await this.#emptied(draining, drain)
    const hasDelayed = groups.some((group) => group.hasDelayed)
    draining.progress = {
      isEmptied,
      hasDelayed,
      isLeft,
      groups: groups.map(({ group, events }) => ({ group, events })),
    }
    // What was redriven or became due is in a group again, and brokers that count late do not tell at once.
    const isSpentNow = isEmpty && groups.every((group) => isSpent(group, isLeft))
    if (!this.#isLong(draining, this.#spent.since(draining, isSpentNow)) || !isEmptied) return
    // Detached subscriptions go on in the old log until they have read it.
    if (subscribers.some(({ feed }) => feed.state !== 'attached' && located(topic, feed.next)?.binding === draining))
      return
    if (await bindings.forgetDrain(drain)) {
      this.#context.log('info', 'A topic is drained: nothing of the broker that it was bound to before is needed.', {
        topic: topic.name,
        broker: draining.brokerName,
      })
    }
    this.#drained(topic)
  }

  /** Whether it is so for longer than any replica may still publish to it. */
  #isLong(draining: Draining, sinceMs: number | undefined): boolean {
    if (sinceMs === undefined || this.#context.clock.now() - draining.since < quietMs) return false
    return performance.now() - sinceMs >= (countsLate(draining) ? countedMs : quietMs)
  }

  async #emptied({ name: topic, brokerName: broker }: Draining, drain: Drain): Promise<void> {
    const { store, clock, log } = this.#context
    if (drain.emptiedAt !== undefined || !(await store.bindings.markDrain(drain, 'emptied', clock.now()))) return
    log('info', 'The groups of a topic have nothing more at the broker that it was bound to before.', { topic, broker })
  }

  /** Whether a subscription in order would get events of the new broker before those that it still reads from the old log. */
  #isOvertaken(topic: OpenTopic, draining: Draining): boolean {
    if (topic.broker.log !== undefined) return false
    return this.#catalog.known(topic.name).lanes.some(({ subscription: { ordering, feed } }) => {
      return ordering === 'key' && feed.state !== 'attached' && located(topic, feed.next)?.binding === draining
    })
  }

  /** The deadline is over: what pull groups have not taken stays where it is, and is told. */
  async #leave(draining: Draining, drain: Drain, groups: readonly GroupLeft[]): Promise<boolean> {
    const { store, clock, log } = this.#context
    if (!(await store.bindings.markDrain(drain, 'left', clock.now()))) return true
    for (const { group, events, letters, hasDelayed, isPulled } of groups) {
      if (!isPulled && events !== undefined) continue
      if (events === 0 && letters === 0 && !hasDelayed) continue
      const { name: topic, brokerName: broker, brokerTopic } = draining
      log('error', 'Events are left behind at the broker that a topic was bound to before: its deadline is over.', {
        topic,
        broker,
        brokerTopic,
        group,
        events: events ?? 'unknown',
        deadLetters: letters,
        ...(hasDelayed && { delayed: true }),
      })
      this.#left.set(topic, (this.#left.get(topic) ?? 0) + (events ?? 0) + letters)
    }
    return true
  }

  #drained({ name, draining }: OpenTopic): void {
    if (draining !== undefined) this.#forget(draining)
    this.#context.topics.drained(name)
    this.#changed()
  }

  #forget(draining: Draining): void {
    this.#empty.since(draining, false)
    this.#spent.since(draining, false)
  }

  /** Where keys are in order, nothing is published before what was published before is consumed. */
  #gate(topic: OpenTopic): void {
    const { name, isOrdered, draining, publisher } = topic
    if (draining === undefined) return
    if (draining.progress.isEmptied || !(isOrdered === true || this.#isSubscribedByKey(topic, draining))) {
      publisher.open()
      return
    }
    const left = draining.progress.groups.filter(({ events }) => events !== 0).map(({ group }) => group)
    const waits = left.length === 0 ? '' : ` Waiting for: ${left.join(', ')}.`
    const detail = `Topic ${name} is ordered by key, and what it has at broker ${draining.brokerName}, where it was before, is consumed first.${waits}`
    publisher.close(new GatewayError('unavailable', detail, { retryAfterMs: lookMs }))
  }

  /** Here, or behind a bridge that has an order to keep. */
  #isSubscribedByKey({ name, broker, behind = [] }: OpenTopic, draining: Draining): boolean {
    const isInOrder = broker.capabilities.exclusiveKeys && draining.broker.capabilities.exclusiveKeys
    return [name, ...(isInOrder ? behind : [])].some((one) =>
      this.#catalog.known(one).lanes.some(({ subscription }) => subscription.ordering === 'key'),
    )
  }
}

/** Whether only the replica whose connection has an event counts it. Where there is a log, what is not settled lags. */
function countsItsOwn({ broker: { capabilities } }: Draining): boolean {
  const { lag, receipt, replay } = capabilities
  return lag === 'approximate' && receipt === 'session' && !replay
}

function countsLate({ broker: { capabilities } }: Draining): boolean {
  const { lag, receipt, replay } = capabilities
  // Where receipts are bound to a connection, every replica knows what it holds, and says so.
  return lag === 'approximate' && receipt === 'portable' && !replay
}
