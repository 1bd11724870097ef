import type { Batch, Consumer, Delivery, PullOptions, Settlement, SettleResult } from '../../core/broker.ts'
import { GatewayError } from '../../core/errors.ts'
import { Parcel } from '../../core/parcel.ts'
import type { HeldSettled, HeldSettlement, LeasedEvent } from '../../store/held-groups.ts'
import { type HeldContext, type HeldPlace, storeName } from './context.ts'
import { Filler } from './filler.ts'
import { Waiters } from './waiters.ts'

/** What one pull takes at the most. */
const maxBytes = 16 << 20
/** While somebody waits, so often it is looked what other replicas have added or given back. */
const lookMs = 250
/** So long even who does not wait is kept, until it is known what the broker has. */
const warmMs = 5000
const tokenForm = /^([1-9]\d{0,14})\.([0-9a-f-]{36})$/

/** One group, as this replica hands it out: everything that is leased is in the store, and any replica settles it. */
export class HeldConsumer implements Consumer {
  readonly #context: HeldContext
  readonly #name: string
  readonly #filler: Filler
  readonly #pullers = new Waiters()
  #looking: ReturnType<typeof setTimeout> | undefined

  constructor(context: HeldContext, place: HeldPlace, group: string) {
    this.#context = context
    this.#name = storeName(place, group)
    this.#filler = new Filler(context, place, group, {
      filled: () => this.#pullers.ring(),
      turned: () => this.#pullers.ringAll(),
    })
  }

  async pull(options: PullOptions): Promise<Batch> {
    this.#filler.entered()
    try {
      return { deliveries: await this.#wait(options), epoch: 1, revoked: options.signal }
    } finally {
      this.#filler.left()
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    const { clock, store } = this.#context
    const wanted = settlements.map(({ receipt, outcome }): HeldSettlement => {
      const [, place = '0', token = ''] = tokenForm.exec(receipt) ?? []
      return { place: Number(place), token, outcome, renewed: crypto.randomUUID() }
    })
    const settled = await store.settle(this.#name, wanted, clock.now())
    if (settled === undefined) throw noGroup()
    this.#pullers.ring()
    return settled.map((answer, index) => toResult(answer, wanted[index]!))
  }

  /** Something of the group became due. */
  changed(): void {
    this.#pullers.ring()
  }

  /** Lets go of the group at the broker, and takes it up again where somebody pulls. */
  async restart(): Promise<void> {
    await this.#filler.restart()
  }

  /** Lets go of the group at the broker. What is leased stays leased. */
  async close(): Promise<void> {
    await this.#filler.stop()
  }

  async #wait({ max, waitMs, signal }: PullOptions): Promise<readonly Delivery[]> {
    const began = performance.now()
    for (;;) {
      const seen = this.#pullers.rings
      const deliveries = await this.#lease(max)
      if (deliveries.length > 0) return deliveries
      if (this.#filler.fault !== undefined) throw this.#filler.fault
      if (signal.aborted) return []
      const patience = this.#filler.isWarm ? waitMs : Math.max(waitMs, warmMs)
      const left = began + patience - performance.now()
      if (left <= 0) return []
      this.#look()
      await this.#pullers.heard(seen, left, signal)
    }
  }

  async #lease(max: number): Promise<readonly Delivery[]> {
    const { clock, store } = this.#context
    const token = crypto.randomUUID()
    const leased = await store.lease(this.#name, { max, maxBytes, token, now: clock.now() })
    if (leased === undefined) throw noGroup()
    if (leased.length > 0) {
      this.#filler.leased()
      // There may be more, for the next one that waits.
      this.#pullers.ring()
    }
    return leased.map(toDelivery)
  }

  #look(): void {
    this.#looking ??= setTimeout(() => {
      this.#looking = undefined
      void this.#lookNow()
    }, lookMs)
  }

  async #lookNow(): Promise<void> {
    const { clock, store } = this.#context
    // What cannot be looked at now can be later; whoever pulls meanwhile is told.
    const due = await store.nextDue(this.#name).catch(() => undefined)
    if (due !== undefined && due <= clock.now()) this.#pullers.ring()
    if (!this.#pullers.isEmpty) this.#look()
  }
}

export function noGroup(): GatewayError {
  return new GatewayError('not_found', 'There is no such group of this topic.')
}

function toDelivery({ place, token, attempt, expiresAt, position, bytes }: LeasedEvent): Delivery {
  const { event } = Parcel.ofBytes(bytes)
  return { event, receipt: `${place}.${token}`, attempt, expiresAt, ...(position !== undefined && { position }) }
}

function toResult(answer: HeldSettled, { place, renewed }: HeldSettlement): SettleResult {
  if (answer === 'ok') return { status: 'ok' }
  if (answer !== 'lost') return { status: 'ok', renewed: `${place}.${renewed}`, expiresAt: answer }
  const detail = 'The lease is unknown, has ended, or was settled or renewed; whatever it was of is delivered again.'
  return { status: 'failed', error: new GatewayError('lease_lost', detail).toItem() }
}
