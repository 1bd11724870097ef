import {
  type Batch,
  type Consumer,
  type Delivery,
  GatewayError,
  type OpenOptions,
  type PullOptions,
  type Settlement,
  type SettleResult,
  UnsupportedError,
} from '../../../../src/core/index.ts'
import type { NatsClient } from '../../client.ts'
import { positionHeader } from '../../dead-letter-box.ts'
import { closed } from '../../errors.ts'
import { decodeEvent } from '../../event.ts'
import { storedMessage } from '../../message.ts'
import { Bell } from '../bell.ts'
import type { Entry } from './entries.ts'
import { type KeyedHub, patienceMs } from './hub.ts'

const receiptPattern = /^([1-9]\d{0,9})-([1-9]\d{0,15})-([1-9]\d{0,15})$/
/** Settlements are remembered so long that the same ones again are fine, so many at the most. */
const maxEnded = 10_000

/** One of this process's consumers of a group in the order of keys. What it is given is its until it is closed. */
export class KeyedConsumer implements Consumer {
  readonly #client: NatsClient
  readonly #hub: KeyedHub
  readonly #prefetch: number
  readonly #onClose: () => void
  readonly #closing = new AbortController()
  readonly #ended = new Map<string, 'ack' | 'reject'>()
  #closed: Promise<void> | undefined

  constructor(client: NatsClient, hub: KeyedHub, { prefetch, holdKeys = true }: OpenOptions, onClose: () => void) {
    this.#client = client
    this.#hub = hub
    this.#prefetch = prefetch
    hub.holdKeys = holdKeys
    this.#onClose = onClose
    hub.join()
  }

  async pull({ max, waitMs, signal }: PullOptions): Promise<Batch> {
    const end = performance.now() + waitMs
    const patience = performance.now() + Math.max(waitMs, patienceMs)
    const { rounds } = this.#hub
    for (;;) {
      if (this.#closed !== undefined) throw this.#client.closed ? closed() : consumerClosed()
      const rung = this.#hub.bell.next
      const wanted = Math.min(max, this.#prefetch - this.#hub.count(this))
      const entries = wanted > 0 && !signal.aborted ? this.#hub.take(this, wanted) : []
      if (entries.length > 0) return this.#batch(entries)
      if (this.#hub.fault?.retryable === false) throw this.#hub.fault
      const isAnswered = wanted <= 0 || this.#hub.rounds > rounds
      const left = (isAnswered ? end : patience) - performance.now()
      if (signal.aborted || this.#closing.signal.aborted || (left <= 0 && isAnswered)) return this.#batch([])
      if (left <= 0)
        throw this.#hub.fault ?? new GatewayError('unavailable', 'NATS does not give events of this group now.')
      const leave = wanted > 0 ? this.#hub.wait({ wanted, until: end }) : () => undefined
      await Bell.heard(left, rung, signal, this.#closing.signal)
      leave()
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    if (this.#client.closed) throw closed()
    return Promise.all(settlements.map((settlement) => this.#settle(settlement)))
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#onClose()
    this.#closing.abort()
    await this.#hub.leave(this)
  }

  async #settle({ receipt, outcome }: Settlement): Promise<SettleResult> {
    const [, epoch, seq, delivery] = receiptPattern.exec(receipt) ?? []
    const entry = Number(epoch) === this.#hub.epoch ? this.#hub.heldBy(this, Number(seq), Number(delivery)) : undefined
    const ended = this.#ended.get(receipt)
    if (ended !== undefined && ended === outcome.kind) return { status: 'ok' }
    if (entry === undefined || ended !== undefined) return lost
    try {
      switch (outcome.kind) {
        case 'ack':
        case 'reject': {
          this.#remember(receipt, outcome.kind)
          const result = await (outcome.kind === 'ack' ? this.#hub.ack(entry) : this.#hub.reject(entry, outcome.reason))
          if (result.status === 'failed') this.#ended.delete(receipt)
          return result
        }
        case 'nack':
          if ((outcome.delayMs ?? 0) > 0)
            throw new UnsupportedError('nackDelayMs', 'In the order of keys NATS redelivers at once.')
          return await this.#hub.nack(entry)
        case 'extend': {
          // It lasts as long as this process anyway.
          const { leaseMs } = this.#hub.settler.group
          return { status: 'ok', renewed: receipt, expiresAt: Date.now() + (outcome.durationMs ?? leaseMs) }
        }
      }
    } catch (error) {
      this.#ended.delete(receipt)
      return { status: 'failed', error: this.#client.explain(error, 'the settlement').toItem() }
    }
  }

  #remember(receipt: string, kind: 'ack' | 'reject'): void {
    this.#ended.set(receipt, kind)
    if (this.#ended.size <= maxEnded) return
    const [oldest] = this.#ended.keys()
    this.#ended.delete(oldest!)
  }

  #batch(entries: readonly Entry[]): Batch {
    const { epoch, revoked } = this.#hub
    return { deliveries: entries.map((entry) => this.#delivery(entry, epoch)), epoch, revoked }
  }

  #delivery({ message, ticket, expiresAt }: Entry, epoch: number): Delivery {
    const { topic } = this.#hub.settler.group
    const event = decodeEvent(storedMessage(message, ticket), topic.name)
    const receipt = `${epoch}-${ticket.seq}-${ticket.delivery}`
    const position = message.headers?.get(positionHeader) || String(ticket.seq)
    return { event, receipt, attempt: ticket.attempt, expiresAt, position }
  }
}

const lost: SettleResult = {
  status: 'failed',
  error: new GatewayError('lease_lost', 'The lease has ended, was superseded or never was.').toItem(),
}

function consumerClosed(): GatewayError {
  return new GatewayError('unavailable', 'The consumer is closed.')
}
