import type { Broker, PublishResult } from './broker.ts'
import type { Clock } from './clock.ts'
import { GatewayError } from './errors.ts'
import { type Event, eventBytes, keyOf } from './event.ts'
import type { PullGroups, PullSource } from './group.ts'
import type { Limits } from './limits.ts'

/** A topic at a broker: where it is, or where it was before. */
export interface BoundTopic {
  readonly name: string
  readonly brokerName: string
  /** The broker's name of it. */
  readonly brokerTopic: string
  readonly broker: Broker
  /** Grows whenever the topic is bound to another broker. */
  readonly epoch: number
  /** Where the broker's log ended when the topic was bound to it; absent where all of the log is the topic's. */
  readonly start?: string
}

/** What a topic was bound to before, until that is consumed to its end. */
export interface Draining extends BoundTopic {
  /** When the topic was bound elsewhere, in milliseconds since the epoch. */
  readonly since: number
  /** Then what pull groups have not taken is left behind. */
  readonly deadline: number
  readonly pulls: PullSource
  /** As this replica has seen it last. */
  progress: DrainProgress
}

export interface DrainProgress {
  /** Its groups have been empty long enough: nothing will be published to it any more. */
  readonly isEmptied: boolean
  /** Some of its groups wait for events that are not due yet; so it is until somebody has looked. */
  readonly hasDelayed: boolean
  /** Pull groups do not take from it any more. */
  readonly isLeft: boolean
  /** What each group has not taken yet; undefined where the broker cannot tell. */
  readonly groups: readonly { readonly group: string; readonly events: number | undefined }[]
}

/** A topic that events can be published to and read from. */
export interface OpenTopic extends BoundTopic {
  /** The gateway made it for itself: nobody asked for it, so lists leave it out. */
  readonly isSystem?: true
  /** The configuration requires order by key of it, or of a topic that a bridge moves its events to. */
  readonly isOrdered?: true
  /** The topics that bridges move its events to, over however many; absent where there are none. */
  readonly behind?: readonly string[]
  /** What it was bound to before, until that is consumed to its end. */
  readonly draining?: Draining
  /** Another replica has bound it elsewhere: this one publishes nothing to it any more, and begins nothing new. */
  readonly superseded?: GatewayError
  readonly dedupWindowMs: number
  readonly publisher: Publisher
  /** What its groups are pulled from. */
  readonly pulls: PullSource
  readonly groups: PullGroups
}

export interface SubmitOptions {
  readonly delayMs?: number
  readonly atomic?: boolean
  /** The caller paces itself and never has more than one submission here: it waits instead of being throttled. */
  readonly paced?: boolean
  /** What `checkSize` answered for all of the events together, where it is at hand. */
  readonly bytes?: number
}

interface Submission {
  readonly events: readonly Event[]
  readonly bytes: number
  readonly delayMs: number
  readonly atomic: boolean
  readonly since: number
  readonly resolve: (results: readonly PublishResult[]) => void
}

/** What a platform adds to publishing. */
export interface PublisherHooks {
  /**
   * Runs something once what has arrived together was looked at, so that it leaves together too. On Node this is
   * setImmediate: the requests of one poll of the sockets become one batch.
   */
  readonly defer?: (run: () => void) => void
  /** Told why an outcome is unknown: the caller only hears that it is. */
  readonly onFault?: (fault: GatewayError) => void
}

/** How long an adapter may take to give in after its signal aborted. */
const graceMs = 1000

/**
 * Publishing to one topic. Submissions that arrive while the broker is busy leave together, as soon as it has a free
 * slot: no timer, so nothing waits while there is nothing to wait for. What waits is bounded in bytes.
 */
export class Publisher {
  readonly #broker: Broker
  readonly #topic: string
  readonly #limits: Limits
  readonly #clock: Clock
  readonly #maxEventBytes: number
  readonly #defer: (run: () => void) => void
  readonly #onFault: (fault: GatewayError) => void
  readonly #pump = (): void => {
    this.#scheduled = false
    while (this.#queue.length > 0 && this.#inFlight < this.#broker.capabilities.publish.concurrency) this.#send()
  }
  #queue: Submission[] = []
  #queuedBytes = 0
  #inFlight = 0
  #scheduled = false
  #closed: GatewayError | undefined
  /** Makes each call to the broker give in. */
  readonly #calls = new Set<() => void>()

  /** `topic` is the broker's name of it. */
  constructor(broker: Broker, topic: string, limits: Limits, clock: Clock, hooks: PublisherHooks = {}) {
    this.#broker = broker
    this.#topic = topic
    this.#limits = limits
    this.#clock = clock
    this.#maxEventBytes = Math.min(limits.event, broker.capabilities.maxEventBytes)
    this.#defer = hooks.defer ?? queueMicrotask
    this.#onFault = hooks.onFault ?? (() => {})
  }

  /** Bytes that wait for the broker. */
  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /**
   * From now on nothing is sent. What waits fails with `reason`, like whatever comes, and what was sent has its answer
   * within two seconds: `unknown` at the latest.
   */
  close(reason: GatewayError): void {
    if (this.#closed === undefined && this.#calls.size > 0) {
      const sent = [...this.#calls]
      setTimeout(() => {
        for (const giveIn of sent) if (this.#calls.has(giveIn)) giveIn()
      }, graceMs)
    }
    this.#closed = reason
    const waiting = this.#queue
    this.#queue = []
    this.#queuedBytes = 0
    for (const { events, resolve } of waiting) resolve(events.map((event) => failed(event, 'failed', reason)))
  }

  /** Sends again after `close`. */
  open(): void {
    this.#closed = undefined
  }

  /** Throws `too_large` where an event is over the gateway's or the broker's limit; answers its size otherwise. */
  checkSize(event: Event, pointer = ''): number {
    const size = eventBytes(event)
    if (size <= this.#maxEventBytes) return size
    const detail = `The event has ${size} bytes, attributes included; ${this.#maxEventBytes} are allowed.`
    throw new GatewayError('too_large', detail, { errors: [{ pointer, detail }] })
  }

  /**
   * Publishes events whose size was checked and answers one result per event, in order, when the broker acknowledged,
   * refused, or did not answer in time (`unknown`: it may have stored it). After an event of a key was not stored, later
   * ones of that key are not either. Rejects with `throttled` where too much waits already: nothing was stored then.
   */
  async publish(events: readonly Event[], options: SubmitOptions = {}): Promise<readonly PublishResult[]> {
    const { maxEvents, maxBytes } = this.#broker.capabilities.publish
    const since = this.#clock.now()
    const bytes = options.bytes ?? events.reduce((sum, event) => sum + eventBytes(event), 0)
    if (options.paced !== true && this.#queue.length > 0 && this.#queuedBytes + bytes > this.#limits.queueBytes) {
      const detail = 'Too much waits for the broker of this topic; nothing of this request was stored.'
      throw new GatewayError('throttled', detail, { retryAfterMs: 1000 })
    }
    if (options.atomic === true || (events.length <= maxEvents && bytes <= maxBytes)) {
      return this.#submit(events, bytes, options, since)
    }
    return this.#inParts(events, options, since)
  }

  /** A request that is larger than what the broker takes at once goes part by part, so that keys stay in order. */
  async #inParts(events: readonly Event[], options: SubmitOptions, since: number): Promise<readonly PublishResult[]> {
    const { maxEvents, maxBytes } = this.#broker.capabilities.publish
    const results = new Array<PublishResult>(events.length)
    const broken = new BrokenKeys()
    for (let next = 0; next < events.length; ) {
      const part: Event[] = []
      const places: number[] = []
      let bytes = 0
      for (; next < events.length && part.length < maxEvents; next++) {
        const event = events[next]!
        const refusal = broken.refusal(event)
        if (refusal !== undefined) {
          results[next] = refusal
          continue
        }
        const size = eventBytes(event)
        if (part.length > 0 && bytes + size > maxBytes) break
        bytes += size
        part.push(event)
        places.push(next)
      }
      if (part.length === 0) continue
      // All parts share the deadline of the request: its caller waits for the last.
      const answered = await this.#submit(part, bytes, options, since)
      broken.note(part, answered)
      for (let i = 0; i < places.length; i++) results[places[i]!] = answered[i]!
    }
    return results
  }

  #submit(
    events: readonly Event[],
    bytes: number,
    options: SubmitOptions,
    since: number,
  ): Promise<readonly PublishResult[]> {
    const reason = this.#closed
    if (reason !== undefined) return Promise.resolve(events.map((event) => failed(event, 'failed', reason)))
    return new Promise((resolve) => {
      const { delayMs = 0, atomic = false } = options
      this.#queue.push({ events, bytes, delayMs, atomic, since, resolve })
      this.#queuedBytes += bytes
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#broker.capabilities.publish.concurrency) return
    this.#scheduled = true
    this.#defer(this.#pump)
  }

  /** Takes what may leave together from the head of the queue: what is atomic, or delayed otherwise, leaves alone. */
  #take(): Submission[] {
    const { maxEvents, maxBytes } = this.#broker.capabilities.publish
    const head = this.#queue[0]!
    let count = 1
    let events = head.events.length
    let bytes = head.bytes
    while (!head.atomic && count < this.#queue.length) {
      const next = this.#queue[count]!
      if (next.atomic || next.delayMs !== head.delayMs) break
      // What is older ends earlier: it leads the next call, instead of getting the time of this one.
      if (next.since < head.since) break
      if (events + next.events.length > maxEvents || bytes + next.bytes > maxBytes) break
      events += next.events.length
      bytes += next.bytes
      count++
    }
    this.#queuedBytes -= bytes
    if (count === this.#queue.length) {
      const all = this.#queue
      this.#queue = []
      return all
    }
    return this.#queue.splice(0, count)
  }

  #send(): void {
    const head = this.#queue[0]!
    const left = head.since + this.#limits.publishDeadline - this.#clock.now()
    if (left <= 0) {
      // Alone: what would leave together with it may have come later.
      this.#queue.shift()
      this.#queuedBytes -= head.bytes
      const error = new GatewayError('unavailable', 'The broker did not take the event in time; it was not sent.')
      head.resolve(head.events.map((event) => failed(event, 'failed', error)))
      return
    }
    const taken = this.#take()
    this.#inFlight++
    const events = taken.length === 1 ? head.events : taken.flatMap((submission) => submission.events)
    this.#call(events, head, Math.max(left, graceMs)).then((results) => {
      this.#inFlight--
      let from = 0
      for (const submission of taken) {
        const to = from + submission.events.length
        submission.resolve(taken.length === 1 ? results : results.slice(from, to))
        from = to
      }
      if (this.#queue.length > 0) this.#schedule()
    })
  }

  /** Never rejects, and never outlasts the deadline by more than the grace. */
  async #call(events: readonly Event[], head: Submission, deadlineMs: number): Promise<readonly PublishResult[]> {
    const deadline = new AbortController()
    let giveUp: ReturnType<typeof setTimeout> | undefined
    let giveIn = (): void => {}
    const hung = new Promise<never>((_, reject) => {
      giveIn = () => {
        clearTimeout(giveUp)
        deadline.abort()
        giveUp = setTimeout(() => reject(new GatewayError('unknown_outcome', unknownDetail)), graceMs)
      }
      giveUp = setTimeout(giveIn, deadlineMs)
    })
    this.#calls.add(giveIn)
    try {
      const options = {
        signal: deadline.signal,
        ...(head.delayMs > 0 && { delayMs: head.delayMs }),
        ...(head.atomic && { atomic: true }),
      }
      const results = await Promise.race([this.#broker.publish(this.#topic, events, options), hung])
      if (results.length === events.length) return results
      throw new GatewayError('unknown_outcome', 'The adapter answered for another number of events.')
    } catch (thrown) {
      // Only a typed error says that nothing was stored; after anything else the broker may have it.
      const known = thrown instanceof GatewayError && thrown.code !== 'unknown_outcome' && thrown.code !== 'internal'
      const error = known ? thrown : new GatewayError('unknown_outcome', unknownDetail, { cause: thrown })
      if (!known) this.#onFault(error)
      return events.map((event) => failed(event, known ? 'failed' : 'unknown', error))
    } finally {
      clearTimeout(giveUp)
      this.#calls.delete(giveIn)
    }
  }
}

const unknownDetail = 'The broker did not answer; it may have stored the event. Publish it again with the same id.'

function failed(event: Event, status: 'failed' | 'unknown', error: GatewayError): PublishResult {
  const { capability } = error
  return { id: event.attributes.id, status, error: error.toItem(), ...(capability !== undefined && { capability }) }
}

/** The keys of which an event of this request was not stored: a later one would overtake it. */
export class BrokenKeys {
  #keys: Set<string> | undefined

  note(events: readonly Event[], results: readonly PublishResult[]): void {
    for (let i = 0; i < results.length; i++) {
      if (results[i]!.status === 'stored') continue
      this.add(events[i]!)
    }
  }

  add(event: Event): void {
    const key = keyOf(event)
    if (key === undefined) return
    this.#keys ??= new Set()
    this.#keys.add(key)
  }

  /** The result of an event that must not be sent, or undefined where it may. */
  refusal(event: Event): PublishResult | undefined {
    if (this.#keys === undefined) return undefined
    const key = keyOf(event)
    if (key === undefined || !this.#keys.has(key)) return undefined
    const detail = 'An earlier event of this key in the request was not stored.'
    return failed(event, 'failed', new GatewayError('unavailable', detail))
  }
}
