import type { Msg } from '@nats-io/transport-node'
import {
  type Batch,
  type Consumer,
  type Delivery,
  GatewayError,
  type OpenOptions,
  type PullOptions,
  type Settlement,
  type SettleResult,
  unlessAborted,
} from '../../../src/core/index.ts'
import { type NatsClient, pause } from '../client.ts'
import { positionHeader } from '../dead-letter-box.ts'
import { closed } from '../errors.ts'
import { decodeEvent } from '../event.ts'
import { sliceMs } from '../groups.ts'
import { storedMessage, type Ticket } from '../message.ts'
import { Bell } from './bell.ts'
import { Requests } from './requests.ts'
import type { Settler } from './settler.ts'

/** What one pull brings at the most, unless one event alone is larger. */
const pullBytes = 4 << 20
const retryMs = 100
/** Longer than a move takes: only then a group is said to be gone. */
const lookMs = 3000
/** Of a pull whose caller went away what comes is given back. */
const roundTripMs = 5

interface Held {
  readonly subject: string
  readonly expiresAt: number
}

/** One of a group's consumers. What it holds is counted here; whose an event is, the server decides. */
export class NatsConsumer implements Consumer {
  readonly #client: NatsClient
  readonly #settler: Settler
  readonly #prefetch: number
  readonly #onClose: () => void
  /** By delivery, oldest first. */
  readonly #held = new Map<number, Held>()
  readonly #room = new Bell()
  #requests: Requests
  #asked = 0
  #epoch = 1
  #revoked = new AbortController()
  #closing = new AbortController()
  #closed: Promise<void> | undefined

  constructor(client: NatsClient, settler: Settler, { prefetch }: OpenOptions, onClose: () => void) {
    this.#client = client
    this.#settler = settler
    this.#prefetch = prefetch
    this.#onClose = onClose
    this.#requests = this.#requestsOf()
  }

  async pull({ max, waitMs, signal }: PullOptions): Promise<Batch> {
    const end = performance.now() + waitMs
    let answered = false
    for (;;) {
      if (this.#closed !== undefined) throw this.#client.closed ? closed() : consumerClosed()
      const wanted = Math.min(max, this.#free())
      if (wanted <= 0) answered = true
      else if (!signal.aborted) {
        const deliveries: Delivery[] = []
        const how = await this.#ask(wanted, Math.max(0, end - performance.now()), signal, deliveries)
        if (deliveries.length > 0) return this.#batch(deliveries)
        answered ||= how === 'done'
        if (how === 'deleted' || how === 'nobody') await this.#look(Math.max(lookMs, end - performance.now()), signal)
        if (how === 'lost' && end > performance.now()) await pause(retryMs, signal)
      }
      const left = end - performance.now()
      if (signal.aborted || this.#closed !== undefined || (left <= 0 && answered)) return this.#batch([])
      if (left <= 0)
        throw new GatewayError('unavailable', 'NATS does not give events of this group now.', { retryAfterMs: 1000 })
      if (wanted <= 0) await this.#untilRoom(left, signal)
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    if (this.#client.closed) throw closed()
    return this.#settler.settle(settlements, (delivery, renewed) => this.#release(delivery, renewed))
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** The group was moved or deleted by this process. */
  async moved(): Promise<void> {
    await this.#settler.refresh().catch(() => undefined)
    this.#revoke()
  }

  /** What is held belongs to nobody any more. */
  #revoke(): void {
    this.#held.clear()
    this.#epoch++
    this.#revoked.abort()
    this.#revoked = new AbortController()
    this.#requests = this.#requestsOf()
    this.#room.ring()
  }

  /** Ends without giving back: the leases last. */
  abandon(): Promise<void> {
    this.#held.clear()
    return this.close()
  }

  async #close(): Promise<void> {
    this.#onClose()
    this.#closing.abort()
    this.#room.ring()
    const held = [...this.#held.values()]
    this.#held.clear()
    const now = Date.now()
    const live = held.filter(({ expiresAt }) => expiresAt > now)
    // What cannot be given back comes again when its lease ends.
    await Promise.allSettled(live.map(({ subject }) => this.#settler.giveBack(subject)))
  }

  #requestsOf(): Requests {
    const { topic, consumer } = this.#settler.group
    return new Requests(this.#client, topic.stream, consumer)
  }

  /** One request. Ends early where the caller or the consumer goes away; what comes then is given back. */
  async #ask(batch: number, leftMs: number, signal: AbortSignal, into: Delivery[]) {
    const askedAt = Date.now()
    const waitMs = leftMs < roundTripMs ? 0 : Math.min(leftMs, sliceMs)
    let isGone = false
    const burials: Promise<void>[] = []
    const requests = this.#requests
    this.#asked += batch
    let expected = batch
    const asking = requests.ask({ batch, maxBytes: this.#maxBytes, waitMs }, (message, ticket) => {
      expected--
      this.#asked--
      if (isGone || requests !== this.#requests) void this.#settler.giveBack(message.reply!).catch(() => undefined)
      else if (ticket.attempt > this.#settler.group.maxAttempts) burials.push(this.#bury(message, ticket))
      else into.push(this.#deliver(message, ticket, askedAt))
    })
    const ended = asking.then((answer) => {
      this.#asked -= expected
      this.#room.ring()
      return answer
    })
    const { end } = (await unlessEither(ended, signal, this.#closing.signal)) ?? { end: 'done' as const }
    isGone = true
    await Promise.all(burials)
    return end
  }

  get #maxBytes(): number {
    return Math.max(pullBytes, 2 * this.#client.server.max_payload)
  }

  #deliver(message: Msg, ticket: Ticket, askedAt: number): Delivery {
    const { leaseMs, topic } = this.#settler.group
    // However long it was on its way: the server's own count began after it was asked.
    const expiresAt = Math.min(Date.now(), askedAt + sliceMs) + leaseMs
    const subject = message.reply!
    this.#held.set(ticket.delivery, { subject, expiresAt })
    const event = decodeEvent(storedMessage(message, ticket), topic.name)
    const position = message.headers?.get(positionHeader) || String(ticket.seq)
    return { event, receipt: this.#settler.lease(subject, expiresAt), attempt: ticket.attempt, expiresAt, position }
  }

  /** Beyond its attempts an event is not given out. What cannot be buried comes again. */
  async #bury({ reply }: Msg, { attempt }: Ticket): Promise<void> {
    const receipt = this.#settler.lease(reply!, Date.now() + this.#settler.group.leaseMs)
    const reason = `It was delivered ${attempt - 1} times, and never acknowledged.`
    await this.#settler.settle([{ receipt, outcome: { kind: 'reject', reason } }], () => undefined)
  }

  #release(delivery: number, renewed: number | undefined): void {
    const held = this.#held.get(delivery)
    if (held === undefined) return
    this.#held.delete(delivery)
    if (renewed !== undefined) this.#held.set(delivery, { ...held, expiresAt: renewed })
    else this.#room.ring()
  }

  /** For so long it is looked what became of the group. */
  async #look(ms: number, signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, this.#closing.signal, AbortSignal.timeout(Math.ceil(ms))])
    await unlessAborted(this.#renew(), over)
  }

  /** The consumer at the server is another one, or gone: then this rejects with `not_found`. */
  async #renew(): Promise<void> {
    if (!(await this.#settler.refreshGone())) this.#revoke()
    await pause(retryMs)
  }

  #batch(deliveries: Delivery[]): Batch {
    return { deliveries, epoch: this.#epoch, revoked: this.#revoked.signal }
  }

  /** How many more it may hold, with what is being asked for. */
  #free(): number {
    const now = Date.now()
    for (const [delivery, { expiresAt }] of this.#held) {
      if (expiresAt > now) break
      this.#held.delete(delivery)
    }
    return this.#prefetch - this.#held.size - this.#asked
  }

  async #untilRoom(left: number, signal: AbortSignal): Promise<void> {
    const [oldest] = this.#held.values()
    const waitMs = oldest === undefined ? left : Math.min(left, Math.max(1, oldest.expiresAt - Date.now()))
    await Bell.heard(waitMs, this.#room.next, signal)
  }
}

function consumerClosed(): GatewayError {
  return new GatewayError('unavailable', 'The consumer is closed.')
}

/** What `promise` comes to, or undefined where one of the signals aborts first. */
function unlessEither<T>(promise: Promise<T>, ...signals: AbortSignal[]): Promise<T | undefined> {
  return new Promise((resolve) => {
    const stop = () => finish(undefined)
    const finish = (value: T | undefined) => {
      for (const signal of signals) signal.removeEventListener('abort', stop)
      resolve(value)
    }
    promise.then(finish, stop)
    for (const signal of signals) {
      if (signal.aborted) stop()
      else signal.addEventListener('abort', stop, { once: true })
    }
  })
}
