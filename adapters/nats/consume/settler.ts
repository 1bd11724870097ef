import { GatewayError, type Outcome, type Settlement, type SettleResult } from '../../../src/core/index.ts'
import { type NatsClient, pause } from '../client.ts'
import type { DeadLetterBox } from '../dead-letter-box.ts'
import { isNoResponders } from '../errors.ts'
import { type Group, graceMs } from '../groups.ts'
import { type Receipt, Receipts } from '../receipt.ts'

const nanos = 1e6
const retryMs = 100
/** So long a group is believed to be what it was: then it is looked whether it was moved or deleted elsewhere. */
const freshMs = 5000
/** How long a move may take. */
const movedMs = 2000
/** Leases that ended here by being settled are remembered until they would be over, so many at the most. */
const maxEnded = 100_000

interface Ended {
  readonly kind: Outcome['kind']
  readonly until: number
}

/** The leases of one group, as this process settles them. */
export class Settler {
  readonly #client: NatsClient
  readonly #dead: DeadLetterBox
  readonly #reload: () => Promise<Group>
  /** By delivery, oldest first. */
  readonly #ended = new Map<number, Ended>()
  #group: Group
  #receipts: Receipts
  #readAt = Date.now()

  /** `reload` rejects with `not_found` where the group is gone. */
  constructor(client: NatsClient, dead: DeadLetterBox, group: Group, reload: () => Promise<Group>) {
    this.#client = client
    this.#dead = dead
    this.#reload = reload
    this.#group = group
    this.#receipts = receiptsOf(group)
  }

  get group(): Group {
    return this.#group
  }

  lease(subject: string, expiresAt: number): string {
    return this.#receipts.write(subject, expiresAt)
  }

  /** Asks the server what the group is now. Answers whether it is still the same one. */
  async refresh(): Promise<boolean> {
    const group = await this.#reload()
    const isSame = group.secret === this.#group.secret
    this.#group = group
    this.#readAt = Date.now()
    if (isSame) return true
    this.#receipts = receiptsOf(group)
    this.#ended.clear()
    return false
  }

  /** The same when the server's consumer is gone: a group that is moved is made again at once. */
  async refreshGone(): Promise<boolean> {
    const end = Date.now() + movedMs
    for (;;) {
      try {
        return await this.refresh()
      } catch (error) {
        if (this.#client.explain(error, 'the group').code !== 'not_found' || Date.now() > end) throw error
      }
      await pause(retryMs)
    }
  }

  /** One result per settlement, in order. `released` is told of each delivery that is not held any more. */
  async settle(
    settlements: readonly Settlement[],
    released: (delivery: number, renewed?: number) => void,
  ): Promise<SettleResult[]> {
    if (Date.now() - this.#readAt > freshMs) await this.refresh()
    return Promise.all(
      settlements.map(async ({ receipt, outcome }) => {
        const lease = this.#receipts.read(receipt)
        if (lease === undefined || lease.expiresAt <= Date.now()) return lost
        const { delivery } = lease.ticket
        const ended = this.#ended.get(delivery)
        // The same again is fine while the lease would have lasted; a prolonged one is another.
        if (ended !== undefined && ended.until > Date.now()) {
          const isSame = ended.kind === outcome.kind && (outcome.kind === 'ack' || outcome.kind === 'reject')
          const isProlonged = ended.kind === 'extend' && ended.until === lease.expiresAt
          if (!isProlonged) return isSame ? done : lost
        }
        this.#remember(delivery, { kind: outcome.kind, until: lease.expiresAt })
        const result = await this.apply(lease, outcome).catch((error) =>
          failed(this.#client.explain(error, 'the settlement')),
        )
        if (result.status === 'failed') {
          if (result.error.code !== 'lease_lost') this.#forget(delivery, ended)
        } else if (result.expiresAt !== undefined) {
          this.#remember(delivery, { kind: 'extend', until: result.expiresAt })
          released(delivery, result.expiresAt)
        } else released(delivery)
        return result
      }),
    )
  }

  /** Gives an event back at once. */
  async giveBack(subject: string): Promise<void> {
    await this.#client.request(subject, '-NAK')
  }

  /** Settles one lease, whatever was done with it before. */
  async apply(lease: Receipt, outcome: Outcome): Promise<SettleResult> {
    const { maxAttempts, leaseMs } = this.#group
    const { attempt } = lease.ticket
    switch (outcome.kind) {
      case 'ack':
        return this.#tell(lease, '+ACK')
      case 'nack': {
        if (attempt >= maxAttempts)
          return this.#bury(lease, `It was delivered ${attempt} times, and never acknowledged.`)
        const delay = outcome.delayMs ?? 0
        return this.#tell(lease, delay > 0 ? `-NAK {"delay":${Math.ceil(delay * nanos)}}` : '-NAK')
      }
      case 'reject':
        return this.#bury(lease, outcome.reason)
      case 'extend': {
        const durationMs = outcome.durationMs ?? leaseMs
        const expiresAt = Date.now() + durationMs
        // To be given again so much later is what makes a lease longer, by any time: progress would only begin it anew.
        const told = await this.#tell(lease, `-NAK {"delay":${(durationMs + graceMs) * nanos}}`)
        return told === done ? { status: 'ok', renewed: this.lease(lease.subject, expiresAt), expiresAt } : told
      }
    }
  }

  async #bury(lease: Receipt, reason: string): Promise<SettleResult> {
    await this.#dead.bury(this.#group, lease.ticket, reason)
    return this.#tell(lease, '+TERM')
  }

  /** Resolves once the server has it. Where nobody answers it is tried again while the lease lasts. */
  async #tell(lease: Receipt, word: string): Promise<SettleResult> {
    const { subject } = lease
    // To bury it may have taken longer: then somebody else has the event.
    if (lease.expiresAt <= Date.now()) return lost
    const secret = this.#group.secret
    for (;;) {
      try {
        await this.#client.request(subject, word)
        return done
      } catch (error) {
        if (this.#client.closed) throw error
        // Whoever is not there hears nothing: either the group is gone, or it has nobody who leads it just now.
        const isSame = await this.#isThere(secret)
        if (isSame === false) return lost
        if (Date.now() + retryMs >= lease.expiresAt || !isNoResponders(error)) throw error
      }
      await pause(retryMs)
    }
  }

  /** Undefined where it cannot be told. */
  async #isThere(secret: string): Promise<boolean | undefined> {
    try {
      await this.refresh()
      return this.#group.secret === secret
    } catch (error) {
      return error instanceof GatewayError && error.code === 'not_found' ? false : undefined
    }
  }

  #remember(delivery: number, ended: Ended): void {
    this.#ended.delete(delivery)
    this.#ended.set(delivery, ended)
    const now = Date.now()
    for (const [oldest, { until }] of this.#ended) {
      if (until > now && this.#ended.size <= maxEnded) break
      this.#ended.delete(oldest)
    }
  }

  #forget(delivery: number, before: Ended | undefined): void {
    if (before === undefined) this.#ended.delete(delivery)
    else this.#ended.set(delivery, before)
  }
}

function receiptsOf({ secret, topic, consumer }: Group): Receipts {
  return new Receipts(secret, topic.stream, consumer)
}

const done: SettleResult = { status: 'ok' }
const lost = failed(new GatewayError('lease_lost', 'The lease has ended, was superseded or never was.'))

function failed(error: GatewayError): SettleResult {
  return { status: 'failed', error: error.toItem() }
}
