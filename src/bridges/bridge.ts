import type { Consumer, Delivery } from '../core/broker.ts'
import { type ItemError, toGatewayError } from '../core/errors.ts'
import { bridgeGroup } from '../core/own-group.ts'
import type { BoundTopic, Draining } from '../core/topic.ts'
import { pause } from '../delivery/timing.ts'
import { Backoff } from './backoff.ts'
import type { BridgeContext, BridgePlan } from './plan.ts'
import { maxEvents, Session } from './session.ts'

/** How long a lease of a bridge's group lasts: what a crashed replica had pulled comes again after it. */
const leaseMs = 30_000
/** The source never gives an event up by itself: what the target refuses is told, and everything else is tried again. */
const maxAttempts = 1_000_000_000
const lookMs = 2000

/** Moves the events of one topic to another, on this replica. Replicas share its group. */
export class Bridge {
  readonly plan: BridgePlan
  /** Since this process started. */
  readonly counts = { moved: 0, filtered: 0, refused: 0, failed: 0 }
  readonly #context: BridgeContext
  /** What does not work now: the target, or a broker of the source. */
  readonly #down = new Set<BoundTopic>()

  constructor(context: BridgeContext, plan: BridgePlan) {
    this.#context = context
    this.plan = plan
  }

  get group(): string {
    return bridgeGroup(this.plan.name)
  }

  get isMoving(): boolean {
    return this.#down.size === 0
  }

  /** From its resolving on, what is acknowledged in the source will be moved. */
  async prepare(): Promise<void> {
    const { from, start } = this.plan
    await from.broker.groups.create(from.brokerTopic, this.group, { start, leaseMs, maxAttempts })
  }

  /** Goes on until `signal` aborts and what runs has ended. Whatever fails is tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const { from } = this.plan
    const ways = [this.#follow(from, signal)]
    if (from.draining !== undefined) ways.push(this.#drain(from.draining, signal))
    await Promise.all(ways)
  }

  /** What its group has left at the broker where the source was before. */
  async #drain(old: Draining, signal: AbortSignal): Promise<void> {
    const drained = new AbortController()
    const stop = AbortSignal.any([signal, drained.signal])
    const following = this.#follow(old, stop).finally(() => drained.abort())
    while (!stop.aborted) {
      if (this.plan.from.draining !== old) drained.abort()
      await pause(lookMs, stop)
    }
    await following
  }

  async #follow(from: BoundTopic, signal: AbortSignal): Promise<void> {
    const [source, target] = [new Backoff(), new Backoff()]
    while (!signal.aborted) {
      let consumer: Consumer | undefined
      try {
        // It keeps the order of keys by itself: one publish at a time.
        const options = { prefetch: maxEvents * 2, holdKeys: false }
        consumer = await from.broker.open(from.brokerTopic, this.group, options)
        await this.#session(from, consumer, source, target).run(signal)
      } catch (thrown) {
        const { code, message } = toGatewayError(thrown)
        // The bridge is newer than where its source is now.
        if (from !== this.plan.from && code === 'not_found') return
        this.#fails(from, 'A bridge cannot read its source', message)
      } finally {
        await consumer?.close().catch(() => {})
      }
      await pause(source.next(), signal)
    }
  }

  #session(from: BoundTopic, consumer: Consumer, source: Backoff, target: Backoff): Session {
    const { to, filters } = this.plan
    return new Session(this.#context, { from, to, filters }, consumer, target, {
      moved: (events) => {
        this.counts.moved += events
      },
      filtered: () => {
        this.counts.filtered++
      },
      refused: (delivery, error, kept) => this.#refused(delivery, error, kept),
      reads: () => {
        source.reset()
        this.#works(from)
      },
      takes: () => this.#works(to),
      holdsBack: ({ code, detail }) => {
        this.#fails(to, 'The target of a bridge takes no events', `${code}: ${detail}`)
      },
    })
  }

  #refused({ event, position }: Delivery, error: ItemError, kept: boolean): void {
    this.counts.refused++
    const { id, source } = event.attributes
    const fields = { ...this.#fields, event: id, source, position, code: error.code, detail: error.detail, kept }
    this.#context.log('error', 'An event was not moved: the target refuses it.', fields)
    this.#context.announce({ bridge: this.plan, event, position, error, kept })
  }

  get #fields() {
    const { name, from, to } = this.plan
    return { bridge: name, from: from.name, to: to.name }
  }

  #fails(end: BoundTopic, message: string, cause: string): void {
    this.counts.failed++
    if (this.#down.has(end)) return
    this.#down.add(end)
    this.#context.log('warn', `${message}; trying again.`, { ...this.#fields, broker: end.brokerName, cause })
  }

  #works(end: BoundTopic): void {
    if (!this.#down.delete(end) || this.#down.size > 0) return
    this.#context.log('info', 'A bridge moves events again.', this.#fields)
  }
}
