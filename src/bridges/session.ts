import type { Consumer, Delivery, Outcome, PublishResult } from '../core/broker.ts'
import { GatewayError, type ItemError, toGatewayError } from '../core/errors.ts'
import { eventBytes } from '../core/event.ts'
import type { BoundTopic } from '../core/topic.ts'
import { Credit } from '../delivery/credit.ts'
import { matches } from '../delivery/match/matcher.ts'
import { pause } from '../delivery/timing.ts'
import type { Backoff } from './backoff.ts'
import type { BridgeContext, BridgePlan } from './plan.ts'
import { isRefusal } from './verdict.ts'

/** What may be in memory, pulled and not settled. */
export const maxEvents = 2000
const maxBytes = 16 << 20
const pullWaitMs = 5000
/** Nothing is published whose lease ends sooner: its acknowledgement might come too late. */
const leastLeaseMs = 5000

/** An event that was pulled and is not settled. */
interface Held {
  readonly delivery: Delivery
  readonly revoked: AbortSignal
  readonly bytes: number
  /** It was refused together with others, which may be to blame: it is asked for alone. */
  suspect: boolean
}

/** From one binding of the source, which may have two, to the target. */
interface Way extends Pick<BridgePlan, 'to' | 'filters'> {
  readonly from: BoundTopic
}

/** What a session reports of itself. */
export interface SessionWatch {
  moved(events: number): void
  filtered(): void
  /** Answers whether so many were refused in a row that the target is to be given time. */
  refused(held: Delivery, error: ItemError, kept: boolean): boolean
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
  #queue: Held[] = []
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
    const held: Held = { delivery, revoked, bytes: eventBytes(event), suspect: false }
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
    while (!stop.aborted) {
      const taken = this.#take()
      if (taken.length === 0) {
        await this.#arrival(stop)
        continue
      }
      if (taken[0]!.delivery.expiresAt - this.#context.clock.now() < leastLeaseMs) return
      const failure = await this.#publish(taken)
      this.#settle()
      if (failure === undefined) continue
      this.#watch.holdsBack(failure)
      await pause(this.#backoff.next(), stop)
    }
  }

  /** What is published together next; it stays in the queue until that is decided. */
  #take(): Held[] {
    if (this.#queue.some(({ revoked }) => revoked.aborted)) {
      for (const { revoked, bytes } of this.#queue) if (revoked.aborted) this.#credit.give(bytes)
      this.#queue = this.#queue.filter(({ revoked }) => !revoked.aborted)
    }
    const most = this.#way.to.broker.capabilities.publish
    let count = 0
    let bytes = 0
    for (const held of this.#queue) {
      if (count > 0 && (held.suspect || bytes + held.bytes > most.maxBytes || count === most.maxEvents)) break
      bytes += held.bytes
      count++
      if (held.suspect) break
    }
    return this.#queue.slice(0, count)
  }

  /** Answers why something has to be tried again, where that is not the fault of single events. */
  async #publish(taken: readonly Held[]): Promise<ItemError | undefined> {
    const { failpoint } = this.#context
    failpoint?.('bridge-before-publish')
    const events = taken.map(({ delivery }) => delivery.event)
    const bytes = taken.reduce((sum, held) => sum + held.bytes, 0)
    const results = await this.#way.to.publisher.publish(events, { paced: true, bytes })
    failpoint?.('bridge-after-publish')
    return this.#judge(taken, results)
  }

  #judge(taken: readonly Held[], results: readonly PublishResult[]): ItemError | undefined {
    const left: Held[] = []
    let failure: ItemError | undefined
    let suspects = 0
    let moved = 0
    for (const [i, held] of taken.entries()) {
      const result = results[i]!
      if (result.status === 'stored') {
        moved++
        this.#done.push({ held, outcome: { kind: 'ack' } })
      } else if (isRefusal(result) && taken.length === 1) {
        if (this.#refuse(held, result.error)) failure = result.error
      } else {
        if (isRefusal(result)) {
          held.suspect = true
          suspects++
        } else failure ??= result.error
        left.push(held)
      }
    }
    this.#queue.splice(0, taken.length, ...left)
    this.#watch.moved(moved)
    if (suspects > 0) return undefined
    if (failure === undefined && moved > 0) {
      this.#backoff.reset()
      this.#watch.takes()
    }
    return failure
  }

  /** Answers whether the target is to be given time. */
  #refuse(held: Held, error: ItemError): boolean {
    const kept = this.#way.from.broker.capabilities.reject
    const reason = `${error.code}: ${error.detail}`
    this.#done.push({ held, outcome: kept ? { kind: 'reject', reason } : { kind: 'ack' } })
    return this.#watch.refused(held.delivery, error, kept)
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
