import type { Consumer, Delivery, Outcome, PublishResult } from '../core/broker.ts'
import { GatewayError, type ItemError, toGatewayError } from '../core/errors.ts'
import { eventBytes } from '../core/event.ts'
import type { BoundTopic } from '../core/topic.ts'
import { Credit } from '../delivery/credit.ts'
import { matches } from '../delivery/match/matcher.ts'
import { pause } from '../delivery/timing.ts'
import type { Backoff } from './backoff.ts'
import type { BridgeContext, BridgePlan } from './plan.ts'
import { type Held, Queue } from './queue.ts'
import { verdictOf } from './verdict.ts'

/** What may be in memory, pulled and not settled. */
export const maxEvents = 2000
const maxBytes = 16 << 20
const pullWaitMs = 5000
/** Nothing is published whose lease ends sooner: its acknowledgement might come too late. */
const leastLeaseMs = 5000

/** From one binding of the source, which may have two, to the target. */
interface Way extends Pick<BridgePlan, 'to' | 'filters'> {
  readonly from: BoundTopic
}

/** What a session reports of itself. */
export interface SessionWatch {
  moved(events: number): void
  filtered(): void
  refused(delivery: Delivery, error: ItemError, kept: boolean): void
  /** Events are pulled. */
  reads(): void
  /** The target takes events, or does not. */
  takes(): void
  holdsBack(error: ItemError): void
}

/**
 * The life of one consumer: what it pulls is published in its order, one publish at a time, so that no event overtakes
 * an earlier one of its key; and settled after the target has acknowledged it.
 */
export class Session {
  readonly #context: BridgeContext
  readonly #way: Way
  readonly #consumer: Consumer
  readonly #backoff: Backoff
  readonly #watch: SessionWatch
  readonly #credit = new Credit(maxEvents, maxBytes)
  readonly #over = new AbortController()
  readonly #queue = new Queue()
  #done: { readonly held: Held; readonly outcome: Outcome }[] = []
  #settling: Promise<void> | undefined
  #fault: unknown
  #wake: (() => void) | undefined

  constructor(context: BridgeContext, way: Way, consumer: Consumer, backoff: Backoff, watch: SessionWatch) {
    this.#context = context
    this.#way = way
    this.#consumer = consumer
    this.#backoff = backoff
    this.#watch = watch
  }

  /**
   * Resolves soon after `signal` aborts, or when leases end because the target takes nothing: closing the consumer then
   * gives everything back. Rejects where the source fails.
   */
  async run(signal: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([signal, this.#over.signal])
    stop.addEventListener('abort', () => this.#wake?.(), { once: true })
    await Promise.all([this.#part(this.#fill(stop)), this.#part(this.#move(stop))])
    await this.#idle()
    if (this.#fault !== undefined) throw this.#fault
  }

  /** Where one part ends, the other does too. */
  async #part(running: Promise<void>): Promise<void> {
    await running.catch((error: unknown) => this.#fail(error))
    this.#over.abort()
  }

  #fail(error: unknown): void {
    this.#fault ??= error
    this.#over.abort()
  }

  async #fill(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const max = await this.#credit.room(stop)
      if (stop.aborted) return
      const { deliveries, revoked } = await this.#consumer.pull({ max, waitMs: pullWaitMs, signal: stop })
      this.#watch.reads()
      for (const delivery of deliveries) this.#admit(delivery, revoked)
      this.#settle()
      this.#wake?.()
    }
  }

  #admit(delivery: Delivery, revoked: AbortSignal): void {
    const { event } = delivery
    const held: Held = { delivery, revoked, bytes: eventBytes(event) }
    this.#credit.take(held.bytes)
    if (!matches(this.#way.filters, event)) {
      this.#watch.filtered()
      this.#done.push({ held, outcome: { kind: 'ack' } })
      return
    }
    try {
      this.#way.to.publisher.checkSize(event)
      this.#queue.push(held)
    } catch (error) {
      this.#refuse(held, toGatewayError(error).toItem())
    }
  }

  async #move(stop: AbortSignal): Promise<void> {
    const { clock } = this.#context
    while (!stop.aborted) {
      for (const { bytes } of this.#queue.dropRevoked()) this.#credit.give(bytes)
      const { expiresAt } = this.#queue
      if (expiresAt === undefined) {
        await this.#arrival(stop)
        continue
      }
      if (expiresAt - clock.now() < leastLeaseMs) return
      const failure = await this.#publish(this.#queue.next(this.#way.to.broker.capabilities.publish))
      this.#settle()
      if (failure === undefined) continue
      this.#watch.holdsBack(failure)
      await pause(this.#backoff.next(), stop)
    }
  }

  /** Answers why something has to be tried again, where that is not the fault of single events. */
  async #publish(next: readonly Held[]): Promise<ItemError | undefined> {
    const { failpoint } = this.#context
    failpoint?.('bridge-before-publish')
    const events = next.map(({ delivery }) => delivery.event)
    const bytes = next.reduce((sum, held) => sum + held.bytes, 0)
    const results = await this.#way.to.publisher.publish(events, { paced: true, bytes })
    failpoint?.('bridge-after-publish')
    return this.#judge(next, results)
  }

  #judge(asked: readonly Held[], results: readonly PublishResult[]): ItemError | undefined {
    const before = this.#queue.taken
    const over = new Set<Held>()
    let failure: ItemError | undefined
    let suspects = 0
    let moved = 0
    for (const [i, held] of asked.entries()) {
      const result = results[i]!
      const verdict = verdictOf(result)
      if (result.status === 'stored') {
        moved++
        over.add(held)
        this.#done.push({ held, outcome: { kind: 'ack' } })
      } else if (verdict === 'again') {
        failure ??= result.error
      } else if (asked.length === 1 && (verdict === 'refused' || this.#queue.isToBlame(held))) {
        over.add(held)
        this.#refuse(held, result.error)
      } else if (asked.length === 1 && held.refusedAt !== undefined) {
        failure = result.error
      } else {
        suspects++
        this.#queue.suspect(held, before)
      }
    }
    this.#queue.remove(over)
    this.#queue.stored(moved)
    this.#watch.moved(moved)
    // Those that followed a suspect of their key are tried again at once.
    if (suspects > 0) return undefined
    if (failure === undefined && moved > 0) {
      this.#backoff.reset()
      this.#watch.takes()
    }
    return failure
  }

  #refuse(held: Held, error: ItemError): void {
    const kept = this.#way.from.broker.capabilities.reject
    const reason = `${error.code}: ${error.detail}`
    this.#done.push({ held, outcome: kept ? { kind: 'reject', reason } : { kind: 'ack' } })
    this.#watch.refused(held.delivery, error, kept)
  }

  /** Resolves when something was pulled, or it is over. */
  async #arrival(stop: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    if (!stop.aborted) await promise
    this.#wake = undefined
  }

  /** Settles what is done while the next is published; what is done meanwhile goes together afterwards. */
  #settle(): void {
    if (this.#settling !== undefined || this.#done.length === 0) return
    const { failpoint } = this.#context
    const batch = this.#done
    this.#done = []
    failpoint?.('bridge-before-settle')
    const settlements = batch.map(({ held, outcome }) => ({ receipt: held.delivery.receipt, outcome }))
    this.#settling = this.#consumer
      .settle(settlements)
      .then((results) => {
        failpoint?.('bridge-after-settle')
        for (const result of results) {
          // A lost lease comes again by itself; anything else would stay with this consumer.
          if (result.status === 'ok' || result.error.code === 'lease_lost') continue
          this.#fail(new GatewayError(result.error.code, result.error.detail))
        }
      })
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        for (const { held } of batch) this.#credit.give(held.bytes)
        this.#settling = undefined
        if (this.#fault === undefined) this.#settle()
      })
  }

  async #idle(): Promise<void> {
    while (this.#settling !== undefined) await this.#settling
  }
}
