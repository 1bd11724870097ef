import { type AttemptResult, succeeded } from '../core/delivery.ts'
import type { StoredSubscription } from '../store/subscriptions.ts'
import { Breaker } from './breaker.ts'
import { Bucket } from './bucket.ts'
import type { DeliveryContext } from './context.ts'
import type { Job } from './job.ts'
import { Queue } from './queue.ts'
import type { Slots } from './slots.ts'

/** What an event may have to wait here for its first attempt; where it would be longer, it is written down at once. */
const patienceMs = 500
/** The same while it is the gateway that is slow, and not the endpoint: to write it down would make it slower yet. */
const busyPatienceMs = 2000
/** An endpoint that takes so long is slow; while it is the gateway that is, it must take longer to be told apart. */
const slowMs = 250
const busySlowMs = 1000
/**
 * How long an attempt is taken to last before one has ended. A backlog that is pulled at once must not all be written
 * down because nothing is known yet: that costs more than delivering it. An endpoint that hangs soon tells, by hanging.
 */
const unknownMs = { toAdmit: 5, toClaim: 50 } as const
/** So many claimed rows may wait in memory for their turn. */
const maxAhead = 512
/** How much a new duration moves the average. */
const weight = 0.1

/**
 * The attempts of one subscription on this replica: at most `concurrency` at once, at its rate, while its breaker lets
 * them, and those of one key one after the other. Nothing here waits for another lane.
 */
export class Lane {
  readonly #context: DeliveryContext
  readonly #slots: Slots
  readonly #queue = new Queue<Job>()
  /** Of each key that a job is queued or runs of, that one, and those that wait for it. */
  readonly #lines = new Map<string, Job[]>()
  #subscription: StoredSubscription
  #breaker: Breaker
  #bucket: Bucket | undefined
  #running = 0
  #averageMs: number | undefined
  /** When those that run began, the oldest first, as far as they have not ended. */
  readonly #began = new Set<{ at: number }>()
  #notBefore = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #pump = (): void => this.pump()
  /** Told when an attempt has ended: there may be room for more. */
  onRoom: (lane: Lane) => void = () => {}

  constructor(context: DeliveryContext, slots: Slots, subscription: StoredSubscription) {
    this.#context = context
    this.#slots = slots
    this.#subscription = subscription
    this.#breaker = this.#newBreaker()
    this.#bucket = this.#newBucket()
  }

  get subscription(): StoredSubscription {
    return this.#subscription
  }

  /** What is new of the subscription holds from the next attempt on. */
  update(next: StoredSubscription): void {
    const { policy, status } = this.#subscription
    this.#subscription = next
    const resumed = status !== 'active' && next.status === 'active'
    if (resumed || JSON.stringify(policy.breaker) !== JSON.stringify(next.policy.breaker)) {
      this.#breaker = this.#newBreaker()
      this.#notBefore = 0
    }
    if (policy.ratePerSecond !== next.policy.ratePerSecond) this.#bucket = this.#newBucket()
    this.pump()
  }

  get state(): { breaker: Breaker['state']; inFlight: number } {
    return { breaker: this.#breaker.state, inFlight: this.#running }
  }

  get inFlight(): number {
    return this.#running
  }

  get isActive(): boolean {
    return this.#subscription.status === 'active'
  }

  /** From when on an attempt may begin, in milliseconds since the epoch; in the past where it may now. */
  get opensAt(): number {
    return Math.max(this.#notBefore, this.#breaker.opensAt)
  }

  /** Whether an event that came just now would have its attempt soon. */
  get admits(): boolean {
    if (!this.isActive || this.opensAt > this.#context.clock.now()) return false
    if (this.#breaker.state === 'half-open') return this.#running === 0 && this.#queue.length === 0
    return this.#expectedWaitMs <= (this.#isBusy ? busyPatienceMs : patienceMs)
  }

  /** Whether an attempt takes so long that no event should wait for one, not even its second. */
  get isSlow(): boolean {
    const ms = Math.max(this.#averageMs ?? 0, this.#hangingMs)
    return ms > slowMs && (ms > busySlowMs || !this.#isBusy)
  }

  /** Whether all that keeps an event from its attempt is that this process is behind: a row would put it further behind. */
  get isHeldUp(): boolean {
    return this.isActive && this.#breaker.state === 'closed' && this.#isBusy && !this.isSlow
  }

  get #isBusy(): boolean {
    return this.#context.isBusy?.() === true
  }

  /** How many more rows are worth claiming now: enough for what will be done until the next claim comes back. */
  get appetite(): number {
    if (!this.isActive || this.opensAt > this.#context.clock.now()) return 0
    if (this.#breaker.state === 'half-open') return this.#running === 0 && this.#queue.length === 0 ? 1 : 0
    return Math.max(0, this.#capacity - this.#running - this.#queue.length)
  }

  /** Whether claiming is worth it already: a claim costs about the same for few as for many. */
  get isHungry(): boolean {
    return this.appetite * 2 >= this.#capacity || (this.appetite > 0 && this.#running + this.#queue.length === 0)
  }

  /** What runs, and what will be begun within its patience. */
  get #capacity(): number {
    const { concurrency, ratePerSecond } = this.#subscription.policy
    const perSecond = Math.min(
      ratePerSecond ?? Infinity,
      (concurrency * 1000) / Math.max(this.#averageMs ?? unknownMs.toClaim, 0.5),
    )
    const ahead = Math.min(maxAhead, Math.floor(perSecond * (patienceMs / 1000)))
    return ratePerSecond === null ? concurrency + ahead : Math.min(concurrency, Math.ceil(perSecond)) + ahead
  }

  get #expectedWaitMs(): number {
    const { concurrency, ratePerSecond } = this.#subscription.policy
    const ahead = this.#queue.length + Math.max(0, this.#running - concurrency + 1)
    if (ahead === 0) return 0
    const byDuration = (ahead * Math.max(this.#averageMs ?? unknownMs.toAdmit, this.#hangingMs)) / concurrency
    return ratePerSecond === null ? byDuration : Math.max(byDuration, (ahead * 1000) / ratePerSecond)
  }

  /** How long the oldest attempt is at it: one that hangs has told nothing else yet. */
  get #hangingMs(): number {
    if (this.#running === 0) return 0
    const [oldest] = this.#began
    return this.#context.clock.now() - oldest!.at
  }

  add(job: Job): void {
    const { key } = job
    if (key !== undefined) {
      const line = this.#lines.get(key)
      if (line !== undefined) {
        line.push(job)
        return
      }
      this.#lines.set(key, [job])
    }
    this.#queue.push(job)
    this.pump()
  }

  /** Whether a job of the key is queued or runs: a later one must go through `add` too. */
  holds(key: string): boolean {
    return this.#lines.has(key)
  }

  /** One of the key is to be written down: all of them are, in their order, also one that runs. */
  writeDown(key: string): void {
    for (const job of this.#lines.get(key) ?? []) job.writeDown()
  }

  /** Begins what may begin. */
  pump(): void {
    while (this.#queue.length > 0) {
      const job = this.#queue.peek()!
      if (!job.wanted()) {
        this.#queue.shift()
        this.#next(job, false)
        continue
      }
      if (!this.#mayBegin()) return
      this.#queue.shift()
      this.#begin(job)
    }
  }

  #mayBegin(): boolean {
    if (this.#running >= this.#subscription.policy.concurrency) return false
    const now = this.#context.clock.now()
    if (!this.isActive) return false
    if (this.opensAt > now) return this.#later(this.opensAt - now)
    if (!this.#slots.take(this.#pump)) return false
    if (this.#bucket !== undefined && !this.#bucket.tryTake()) {
      this.#slots.putBack()
      return this.#later(Math.max(1, this.#bucket.retryAt - now))
    }
    if (!this.#breaker.tryAcquire()) {
      this.#slots.putBack()
      return false
    }
    return true
  }

  #later(ms: number): false {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#pump, Math.min(ms, 60_000))
    return false
  }

  #begin(job: Job): void {
    const { sender, observer, clock, failpoint } = this.#context
    const began = { at: clock.now() }
    this.#running++
    this.#began.add(began)
    job.begun(began.at)
    failpoint?.('before-attempt')
    const subscription = this.#subscription
    const { id, eventId, parcel, replay, since } = job
    const number = job.triedEver + 1
    const span = observer.begin?.({ subscription, id, eventId, number, since, replay }, parcel.event)
    const outgoing = { subscription, id, attempt: number, parcel }
    const optional = { ...(replay !== undefined && { replay }), ...(span !== undefined && { trace: span.context }) }
    sender
      .send(replay === undefined && span === undefined ? outgoing : { ...outgoing, ...optional }, job.signal)
      .then((result) => {
        failpoint?.('after-attempt')
        this.#running--
        this.#began.delete(began)
        this.#slots.give()
        this.#learn(result, job.signal.aborted)
        const delivered = succeeded(result)
        job.done(result, delivered)
        span?.end(result)
        this.#next(job, delivered)
        this.pump()
        this.onRoom(this)
      })
  }

  #learn(result: AttemptResult, aborted: boolean): void {
    const { status, retryAfterMs, stage } = result
    if (aborted || stage === 'gateway') {
      this.#breaker.forget()
      return
    }
    const average = this.#averageMs ?? result.durationMs
    this.#averageMs = average + weight * (result.durationMs - average)
    if (succeeded(result)) {
      this.#breaker.succeeded()
      return
    }
    // 429 and 503 speak for the whole endpoint, other statuses for one delivery.
    if (retryAfterMs !== undefined && (status === 429 || status === 503)) {
      this.#notBefore = Math.max(this.#notBefore, this.#context.clock.now() + retryAfterMs)
    }
    this.#breaker.failed()
  }

  /** The next of a job's key may be tried only where the job was delivered. */
  #next({ key }: Job, delivered: boolean): void {
    if (key === undefined) return
    const line = this.#lines.get(key)!
    line.shift()
    if (!delivered) {
      this.#lines.delete(key)
      for (const job of line) job.overtaken()
      return
    }
    const [next] = line
    if (next === undefined) this.#lines.delete(key)
    else this.#queue.push(next)
  }

  #newBreaker(): Breaker {
    const { clock, log } = this.#context
    const { policy, id: subscription, topic } = this.#subscription
    return new Breaker(
      policy.breaker,
      () => clock.now(),
      (state) => {
        if (state === 'closed') log('info', 'An endpoint works again: its breaker is closed.', { subscription, topic })
        else log('warn', 'An endpoint fails: its breaker is open.', { subscription, topic })
      },
    )
  }

  #newBucket(): Bucket | undefined {
    const { id, policy } = this.#subscription
    if (policy.ratePerSecond === null) return undefined
    const bucket = new Bucket(this.#context.store.rates, id, policy.ratePerSecond, () => this.#context.clock.now())
    bucket.onRefill(this.#pump)
    return bucket
  }
}
