import type { Consumer } from '../core/broker.ts'
import { toGatewayError } from '../core/errors.ts'
import { pause } from '../delivery/timing.ts'
import { Backoff } from './backoff.ts'
import { type BridgeContext, type BridgePlan, bridgeGroup } from './plan.ts'
import { maxEvents, Session } from './session.ts'

/** How long a lease of a bridge's group lasts: what a crashed replica had pulled comes again after it. */
const leaseMs = 30_000
/** The source never gives an event up by itself: what the target refuses is told, and everything else is tried again. */
const maxAttempts = 1_000_000_000

type Side = 'source' | 'target'

/** Moves the events of one topic to another, on this replica. Replicas share its group. */
export class Bridge {
  readonly plan: BridgePlan
  /** Since this process started. */
  readonly counts = { moved: 0, filtered: 0, refused: 0, failed: 0 }
  readonly #context: BridgeContext
  readonly #down = new Set<Side>()
  readonly #source = new Backoff()

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
    const target = new Backoff()
    while (!signal.aborted) {
      let consumer: Consumer | undefined
      try {
        // It keeps the order of keys by itself: one publish at a time.
        const options = { prefetch: maxEvents * 2, holdKeys: false }
        consumer = await from.broker.open(from.brokerTopic, this.group, options)
        await this.#session(consumer, target).run(signal)
      } catch (error) {
        this.#fails('source', toGatewayError(error).message)
      } finally {
        await consumer?.close().catch(() => {})
      }
      await pause(this.#source.next(), signal)
    }
  }

  #session(consumer: Consumer, target: Backoff): Session {
    return new Session(this.#context, this.plan, consumer, target, {
      moved: (events) => {
        this.counts.moved += events
      },
      filtered: () => {
        this.counts.filtered++
      },
      refused: (delivery, error, kept) => {
        this.counts.refused++
        const { event, position } = delivery
        const { id, source } = event.attributes
        const fields = { ...this.#fields, event: id, source, position, code: error.code, detail: error.detail, kept }
        this.#context.log('error', 'An event was not moved: the target refuses it.', fields)
        this.#context.announce({ bridge: this.plan, event, position, error, kept })
      },
      reads: () => {
        this.#source.reset()
        this.#works('source')
      },
      takes: () => this.#works('target'),
      holdsBack: ({ code, detail }) => this.#fails('target', `${code}: ${detail}`),
    })
  }

  get #fields() {
    const { name, from, to } = this.plan
    return { bridge: name, from: from.name, to: to.name }
  }

  #fails(side: Side, cause: string): void {
    this.counts.failed++
    if (this.#down.has(side)) return
    this.#down.add(side)
    const { from, to } = this.plan
    const topic = side === 'source' ? from : to
    const message = side === 'source' ? 'A bridge cannot read its source' : 'The target of a bridge takes no events'
    this.#context.log('warn', `${message}; trying again.`, { ...this.#fields, broker: topic.brokerName, cause })
  }

  #works(side: Side): void {
    if (!this.#down.delete(side) || this.#down.size > 0) return
    this.#context.log('info', 'A bridge moves events again.', this.#fields)
  }
}
