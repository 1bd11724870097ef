import {
  type Batch,
  Bell,
  type Consumer,
  type Delivery,
  GatewayError,
  type PullOptions,
  type Settlement,
  type SettleResult,
  UnsupportedError,
} from '../../../src/core/index.ts'
import { closed, translate } from '../errors.ts'
import type { Link } from '../link.ts'
import type { Held } from './held.ts'
import { Session } from './session.ts'
import { InTurn, KeyByKey } from './waiting.ts'

export interface ConsumerOptions {
  readonly topic: string
  readonly queue: string
  readonly prefetch: number
  readonly holdKeys: boolean
  /** Puts a message where its group's rejected ones are; resolves once it is stored there. */
  readonly bury: (held: Held, reason: string) => Promise<void>
  readonly onClose: () => void
}

const never = Number.MAX_SAFE_INTEGER
/** So many acks are remembered, so that one that comes twice is no lost lease. */
const ackedMax = 10_000

/** One consumer of a group's queue: what it holds is its own for as long as its channel lives. */
export class RabbitConsumer implements Consumer {
  readonly #link: Link
  readonly #options: ConsumerOptions
  readonly #bell = new Bell()
  /** Tells this consumer's receipts from those of others. */
  readonly #name = crypto.randomUUID().slice(0, 8)
  readonly #acked = new Set<string>()
  #session: Session | undefined
  #opening: Promise<Session> | undefined
  #epoch = 0
  #closing: Promise<void> | undefined

  constructor(link: Link, options: ConsumerOptions) {
    this.#link = link
    this.#options = options
  }

  /** Resolves once events come. */
  async start(): Promise<void> {
    await this.#current()
  }

  get unsettled(): number {
    return this.#session?.unsettled ?? 0
  }

  get inFlight(): number {
    return this.#session?.out.size ?? 0
  }

  /** When the oldest of what is unsettled came here. */
  get oldestAt(): number {
    const session = this.#session
    const [first] = session?.out.values() ?? []
    return Math.min(first?.at ?? Number.POSITIVE_INFINITY, session?.waiting.oldest()?.at ?? Number.POSITIVE_INFINITY)
  }

  async pull({ max, waitMs, signal }: PullOptions): Promise<Batch> {
    const end = performance.now() + waitMs
    for (;;) {
      if (this.#closing !== undefined) throw closed()
      const session = await this.#current()
      const free = this.#options.prefetch - session.out.size
      const taken = signal.aborted ? [] : session.waiting.take(Math.min(max, free))
      const left = end - performance.now()
      if (taken.length > 0 || left <= 0 || signal.aborted) return this.#deliver(session, taken)
      await this.#bell.wait(left, signal)
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    for (const { outcome } of settlements) gate(outcome)
    if (this.#closing !== undefined) throw closed()
    const session = this.#session
    if (session === undefined) return settlements.map(() => lost)
    const acks: Held[] = []
    const results = await Promise.all(settlements.map((settlement) => this.#settle(session, settlement, acks)))
    try {
      session.acknowledge(acks)
      await session.taken()
    } catch (thrown) {
      return results.map((result) => (result === ok ? unsure(thrown) : result))
    } finally {
      this.#bell.ring()
    }
    return results
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** What is to be acknowledged is added to `acks`. */
  async #settle(session: Session, { receipt, outcome }: Settlement, acks: Held[]): Promise<SettleResult> {
    const held = this.#find(session, receipt)
    if (held === undefined) return outcome.kind === 'ack' && this.#acked.has(receipt) ? ok : lost
    held.isSettled = true
    if (outcome.kind === 'nack') {
      session.giveBack(held)
      return ok
    }
    if (outcome.kind === 'reject') {
      try {
        await this.#options.bury(held, outcome.reason)
      } catch (thrown) {
        if (!session.ended.aborted) session.giveBack(held)
        return { status: 'failed', error: translate(thrown, 'the dead letter').toItem() }
      }
    }
    this.#remember(receipt)
    acks.push(held)
    return ok
  }

  #find(session: Session, receipt: string): Held | undefined {
    const [name, epoch, tag, attempt] = receipt.split('.')
    if (name !== this.#name || epoch !== String(this.#epoch) || session.ended.aborted) return undefined
    const held = session.out.get(Number(tag))
    return held?.isSettled === false && attempt === String(held.attempt) ? held : undefined
  }

  #remember(receipt: string): void {
    this.#acked.add(receipt)
    if (this.#acked.size <= ackedMax) return
    const [oldest] = this.#acked
    this.#acked.delete(oldest!)
  }

  #deliver(session: Session, taken: readonly Held[]): Batch {
    const epoch = this.#epoch
    const deliveries = taken.map((held): Delivery => {
      session.out.set(held.tag, held)
      const { event, tag, attempt } = held
      return { event, receipt: `${this.#name}.${epoch}.${tag}.${attempt}`, attempt, expiresAt: never }
    })
    return { deliveries, epoch, revoked: session.ended }
  }

  /** The session, opened again where the last one was lost. */
  async #current(): Promise<Session> {
    const session = this.#session
    if (session?.fault !== undefined) throw session.fault
    if (session !== undefined && !session.ended.aborted) return session
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #open(): Promise<Session> {
    const { topic, queue, prefetch, holdKeys } = this.#options
    const waiting = holdKeys ? new KeyByKey() : new InTurn()
    try {
      const changed = () => this.#bell.ring()
      const session = await Session.open(this.#link, { topic, queue, prefetch, waiting, changed })
      this.#session = session
      this.#epoch++
      if (this.#closing !== undefined) await session.close()
      return session
    } catch (error) {
      throw translate(error, `the consumption of queue ${queue}`)
    }
  }

  async #close(): Promise<void> {
    this.#bell.ring()
    await this.#opening?.catch(() => undefined)
    await this.#session?.close()
    this.#options.onClose()
  }
}

const ok: SettleResult = { status: 'ok' }
const lost: SettleResult = {
  status: 'failed',
  error: new GatewayError('lease_lost', 'The delivery was settled already, or went back with its connection.').toItem(),
}

function unsure(thrown: unknown): SettleResult {
  const detail = 'The connection ended before RabbitMQ took the settlement: the event may come again.'
  return { status: 'failed', error: new GatewayError('unknown_outcome', detail, { cause: thrown }).toItem() }
}

function gate(outcome: Settlement['outcome']): void {
  if (outcome.kind === 'extend') {
    throw new UnsupportedError('extend', 'RabbitMQ has no leases that could be extended (extend).')
  }
  if (outcome.kind === 'nack' && (outcome.delayMs ?? 0) > 0) {
    throw new UnsupportedError('nackDelayMs', 'RabbitMQ gives an event back at once, and not later (nackDelayMs).')
  }
}
