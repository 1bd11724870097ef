import type { Msg } from '@nats-io/transport-node'
import { type GatewayError, keyOf, type Outcome, type SettleResult } from '../../../../src/core/index.ts'
import { type NatsClient, pause } from '../../client.ts'
import { decodeEvent } from '../../event.ts'
import { consumerInfo, graceMs, pinGroup, sliceMs } from '../../groups.ts'
import { storedMessage, type Ticket } from '../../message.ts'
import type { Receipt } from '../../receipt.ts'
import { Bell } from '../bell.ts'
import { Requests } from '../requests.ts'
import type { Settler } from '../settler.ts'
import { Entries, type Entry } from './entries.ts'

/** So many events may be here unsettled; those of a key whose first is held wait too. */
const maxEntries = 2000
const pullBytes = 4 << 20
const leastWaitMs = 50
const retryMs = 100
/** A pinned client that does not ask loses its pin: it asks so often while it has unsettled events. */
const keepPinMs = 1500
const lookMs = 100
/** So many are asked for at once of those that were delivered before. */
const maxDue = 500
/** An answer that there is nothing is waited for so long. */
export const patienceMs = 5000

const fresh = { holder: undefined, isAway: false, ending: undefined } as const

/** Somebody who waits for events. */
export interface Waiting {
  readonly wanted: number
  readonly until: number
}

/**
 * A group whose events go to one process at a time: the server pins it to one client. All consumers of this process share
 * them, and an event waits here for the earlier ones of its key. Leases are prolonged as long as the process lives.
 */
export class KeyedHub {
  readonly #client: NatsClient
  readonly #settler: Settler
  readonly #entries = new Entries()
  readonly #waiting = new Set<Waiting>()
  readonly #onEmpty: () => void
  /** Rings when there may be something to give out. */
  readonly bell = new Bell()
  /** Rings when somebody waits, or has given back room. */
  readonly #demand = new Bell()
  /** How often the server has said that it has nothing more. */
  rounds = 0
  holdKeys = true
  fault: GatewayError | undefined
  #members = 0
  #pin: string | undefined
  /** The number of the delivery that comes next: the server counts them. */
  #due = 1
  /**
   * The server may have events unsettled that are not here: others had them before this one was pinned, or they were lost on
   * their way. They are earlier than what is fresh: nothing is given out until all of them are here.
   */
  #isRecovering = false
  #epoch = 1
  #revoked = new AbortController()
  #requests: Requests
  #keeper: ReturnType<typeof setInterval>
  #running: Promise<void> | undefined
  #isClosed = false

  constructor(client: NatsClient, settler: Settler, onEmpty: () => void) {
    this.#client = client
    this.#settler = settler
    this.#onEmpty = onEmpty
    this.#requests = this.#requestsOf()
    const { leaseMs } = settler.group
    this.#keeper = setInterval(() => void this.#keepLeases(), Math.max(300, leaseMs / 3)).unref()
  }

  get epoch(): number {
    return this.#epoch
  }

  get revoked(): AbortSignal {
    return this.#revoked.signal
  }

  get settler(): Settler {
    return this.#settler
  }

  get held(): number {
    return this.#entries.inOrder.filter(({ holder }) => holder !== undefined).length
  }

  join(): void {
    this.#members++
  }

  /** Gives back what `member` has; the last one gives back everything, and the pin. */
  async leave(member: object): Promise<void> {
    this.#members--
    const isLast = this.#members === 0
    if (isLast) this.#close()
    const entries = this.#entries.inOrder.filter((entry) => (isLast ? !entry.isAway : entry.holder === member))
    await this.#giveBack(entries)
    if (!isLast) return
    this.#entries.clear()
    if (this.#pin !== undefined && !this.#client.closed) {
      const { topic, consumer } = this.#settler.group
      const name = `CONSUMER.UNPIN.${topic.stream}.${consumer}`
      await this.#client.ask(name, { group: pinGroup }).catch(() => undefined)
    }
  }

  /** The group was moved or deleted by this process. */
  async moved(): Promise<void> {
    await this.#settler.refresh().catch(() => undefined)
    this.#revoke()
  }

  /** What may be given out now. */
  take(member: object, max: number): Entry[] {
    if (this.#isRecovering || this.#isLate()) return []
    const entries = this.#entries.ready(max, this.holdKeys)
    for (const entry of entries) entry.holder = member
    return entries
  }

  count(member: object): number {
    return this.#entries.count(member)
  }

  wait(waiting: Waiting): () => void {
    this.#waiting.add(waiting)
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    this.#demand.ring()
    return () => this.#waiting.delete(waiting)
  }

  /** The entry that a member holds, where this delivery of it is still the newest. */
  heldBy(member: object, seq: number, delivery: number): Entry | undefined {
    const entry = this.#entries.get(seq)
    return entry?.holder === member && entry.ticket.delivery === delivery && entry.expiresAt > Date.now()
      ? entry
      : undefined
  }

  ack(entry: Entry): Promise<SettleResult> {
    return this.#end(entry, { kind: 'ack' })
  }

  reject(entry: Entry, reason: string): Promise<SettleResult> {
    return this.#end(entry, { kind: 'reject', reason })
  }

  /** An event that has no attempts left is a dead letter then. */
  async nack(entry: Entry): Promise<SettleResult> {
    if (entry.ticket.attempt >= this.#settler.group.maxAttempts) return this.#end(entry, { kind: 'nack' })
    return this.#return(entry, () => this.#settler.apply(this.#leaseOf(entry), { kind: 'nack' }))
  }

  /** It comes again. Where the server does not say that it heard of it, it is asked once more. */
  async #return(entry: Entry, tell: () => Promise<SettleResult>): Promise<SettleResult> {
    const { delivery } = entry.ticket
    let isDone = false
    // Before it is sent: the event may come again before the answer does.
    Object.assign(entry, { holder: undefined, isAway: true })
    try {
      const result = await tell()
      isDone = result.status === 'ok'
      return result
    } finally {
      if (!isDone) this.#doubt(entry, delivery)
      this.#demand.ring()
    }
  }

  /** Where the server did not say that it is done, it is asked for the event again: nobody else would be given it. */
  async #end(entry: Entry, outcome: Outcome): Promise<SettleResult> {
    const { delivery, seq } = entry.ticket
    let isDone = false
    entry.ending = 'asked'
    try {
      const result = await this.#settler.apply(this.#leaseOf(entry), outcome)
      isDone = result.status === 'ok'
      return result
    } finally {
      if (isDone) this.#entries.delete(seq)
      else this.#doubt(entry, delivery)
      this.bell.ring()
      this.#demand.ring()
    }
  }

  /** The server did not say what it did with this delivery of the entry. */
  #doubt(entry: Entry, delivery: number): void {
    if (entry.ticket.delivery !== delivery) return
    Object.assign(entry, { holder: undefined, isAway: false, ending: 'unknown' })
    this.#isRecovering = true
  }

  #leaseOf(entry: Entry): Receipt {
    const { message, ticket } = entry
    return {
      subject: message.reply!,
      ticket,
      // It is prolonged meanwhile.
      get expiresAt() {
        return entry.expiresAt
      },
    }
  }

  #close(): void {
    this.#isClosed = true
    clearInterval(this.#keeper)
    this.#onEmpty()
    this.bell.ring()
    this.#demand.ring()
  }

  #requestsOf(): Requests {
    const { topic, consumer } = this.#settler.group
    return new Requests(this.#client, topic.stream, consumer)
  }

  /** While somebody waits, or something is here for whose sake nobody else may get more. */
  async #run(): Promise<void> {
    let due = 1
    while (!this.#isClosed && (this.#waiting.size > 0 || this.#entries.size > 0)) {
      if (this.#isRecovering) {
        due = await this.#recover(due)
        continue
      }
      const rung = this.#demand.next
      const wanted = Math.max(0, ...[...this.#waiting].map((one) => one.wanted))
      const room = maxEntries - this.#entries.size
      if (wanted === 0 || room <= 0) {
        await this.#ask(1, 1, 0)
        await Bell.heard(keepPinMs, rung)
        continue
      }
      const leftMs = Math.max(...[...this.#waiting].map((one) => one.until)) - performance.now()
      const waitMs = Math.max(leastWaitMs, Math.min(sliceMs, leftMs))
      await this.#ask(Math.min(wanted, room), this.#maxBytes, waitMs)
    }
  }

  get #maxBytes(): number {
    return Math.max(pullBytes, 2 * this.#client.server.max_payload)
  }

  /** Answers how many came that had been delivered before. */
  async #ask(batch: number, maxBytes: number, waitMs: number): Promise<number> {
    const requests = this.#requests
    let again = 0
    const pin = { group: pinGroup, id: this.#pin }
    const askedAt = Date.now()
    const ask = { batch, maxBytes, waitMs: Math.max(leastWaitMs, waitMs), pin }
    const { end } = await requests.ask(ask, (message, ticket) => {
      if (ticket.attempt > 1) again++
      if (requests === this.#requests && !this.#isClosed) this.#arrive(message, ticket, askedAt)
      else void this.#settler.giveBack(message.reply!).catch(() => undefined)
    })
    try {
      if ((end === 'deleted' || end === 'nobody') && !(await this.#settler.refreshGone())) this.#revoke()
      if (end === 'unpinned') this.#revoke()
      this.fault = undefined
      if (end === 'done') this.rounds++
      else await pause(retryMs)
    } catch (error) {
      this.fault = this.#client.explain(error, 'the pull')
      await pause(retryMs)
    }
    this.bell.ring()
    return again
  }

  #arrive(message: Msg, ticket: Ticket, askedAt: number): void {
    const pin = message.headers?.get('Nats-Pin-Id')
    // Whoever was pinned before may have left events unsettled; a delivery that is left out was lost on its way.
    if (pin !== this.#pin || ticket.delivery !== this.#due) this.#isRecovering = true
    this.#pin = pin
    this.#due = ticket.delivery + 1
    const { topic, maxAttempts, leaseMs } = this.#settler.group
    // However long it was on its way: the server's own count began after it was asked.
    const expiresAt = Math.min(Date.now(), askedAt + sliceMs) + leaseMs
    if (ticket.attempt > maxAttempts) {
      void this.#bury({ ...fresh, message, ticket, expiresAt, key: undefined })
      return
    }
    const known = this.#entries.get(ticket.seq)
    if (known !== undefined) {
      Object.assign(known, { ...fresh, message, ticket, expiresAt })
    } else {
      const key = keyOf(decodeEvent(storedMessage(message, ticket), topic.name))
      this.#entries.add({ ...fresh, key, message, ticket, expiresAt })
    }
    if (!this.#isRecovering) this.bell.ring()
  }

  async #bury(entry: Entry): Promise<void> {
    const reason = `It was delivered ${entry.ticket.attempt - 1} times, and never acknowledged.`
    await this.reject(entry, reason).catch(() => undefined)
  }

  /**
   * Over once the server has nothing unsettled that is not here. That comes again when its lease ends, and before what is
   * fresh: while such events come, more are asked for at once; until then one at a time, which keeps the pin. Answers how
   * many to ask for next.
   */
  async #recover(due: number): Promise<number> {
    const { topic, consumer } = this.#settler.group
    try {
      await this.#askAgain()
      const info = await consumerInfo(this.#client, topic, consumer)
      if (info.num_ack_pending <= this.#entries.unsettled) {
        this.#isRecovering = false
        this.bell.ring()
        return 1
      }
    } catch {
      // It is looked again after the next request.
    }
    const again = await this.#ask(due, this.#maxBytes, lookMs)
    if (again === due) return Math.min(2 * due, maxDue)
    await pause(lookMs)
    return 1
  }

  /**
   * What may be settled or not is given back: it comes again, or the server does not count it. Where its lease is over it
   * may be somebody else's by now, and comes again by itself.
   */
  async #askAgain(): Promise<void> {
    await Promise.all(
      this.#entries.inDoubt.map(async (entry) => {
        if (entry.expiresAt > Date.now()) await this.#settler.giveBack(entry.message.reply!)
        const { seq } = entry.ticket
        if (entry.ending === 'unknown' && this.#entries.get(seq) === entry) this.#entries.delete(seq)
      }),
    )
  }

  /** Everything that is here stays here. What does not come again in the time of a lease is gone, or was lost on its way. */
  async #keepLeases(): Promise<void> {
    if (this.#isLate()) return
    const { leaseMs } = this.#settler.group
    const now = Date.now()
    for (const { isAway, expiresAt, ticket } of this.#entries.inOrder) {
      if (!isAway || expiresAt > now) continue
      this.#entries.delete(ticket.seq)
      this.#isRecovering = true
      this.#demand.ring()
    }
    await Promise.allSettled(
      this.#entries.leased.map(async (entry) => {
        const { delivery } = entry.ticket
        await this.#client.request(entry.message.reply!, '+WPI', undefined, leaseMs + graceMs)
        if (entry.ticket.delivery === delivery) entry.expiresAt = Math.max(entry.expiresAt, now + leaseMs)
      }),
    )
  }

  /** What was not prolonged in time belongs to somebody else: then all of it does. */
  #isLate(): boolean {
    const isLate = this.#entries.isLate(Date.now())
    if (isLate) this.#revoke()
    return isLate
  }

  /** In the order of their places: so they come again. */
  async #giveBack(entries: readonly Entry[]): Promise<void> {
    await Promise.allSettled(
      entries.map((entry) =>
        this.#return(entry, async () => {
          await this.#settler.giveBack(entry.message.reply!)
          return { status: 'ok' }
        }),
      ),
    )
  }

  /** What is here belongs to somebody else from now on. */
  #revoke(): void {
    this.#entries.clear()
    this.#pin = undefined
    this.#isRecovering = false
    this.#epoch++
    this.#revoked.abort()
    this.#revoked = new AbortController()
    this.#requests = this.#requestsOf()
    this.bell.ring()
  }
}
