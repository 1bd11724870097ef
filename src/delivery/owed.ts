import type { Delivery } from '../core/broker.ts'
import { eventBytes } from '../core/event.ts'
import { Parcel } from '../core/parcel.ts'

/** An event of the group that is not settled yet, and how many of its deliveries are neither done nor written down. */
export class Owed {
  readonly delivery: Delivery
  readonly parcel: Parcel
  readonly bytes: number
  /** When it was pulled. */
  readonly since: number
  readonly revoked: AbortSignal
  readonly #settled: (owed: Owed) => void
  #left: number

  /** `settled` is called once, when `left` deliveries are taken care of. */
  constructor(delivery: Delivery, revoked: AbortSignal, since: number, settled: (owed: Owed) => void) {
    this.delivery = delivery
    this.parcel = Parcel.ofEvent(delivery.event)
    this.bytes = eventBytes(delivery.event)
    this.since = since
    this.revoked = revoked
    this.#settled = settled
    this.#left = 0
  }

  expect(deliveries: number): void {
    this.#left = deliveries
    if (deliveries === 0) this.#settled(this)
  }

  taken(): void {
    if (--this.#left === 0) this.#settled(this)
  }
}
