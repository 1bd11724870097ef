import type { Credit } from './credit.ts'
import type { Owed } from './owed.ts'
import { pause } from './timing.ts'

/** The events that a consumer has pulled and not settled. What is revoked gives its credit back and is forgotten. */
export class Unsettled {
  readonly #credit: Credit
  readonly #ack: (receipt: string) => void
  readonly #byAssignment = new Map<AbortSignal, Set<Owed>>()

  constructor(credit: Credit, ack: (receipt: string) => void) {
    this.#credit = credit
    this.#ack = ack
  }

  /** What was revoked since it was pulled is forgotten at once: nobody would tell when. */
  add(owed: Owed): void {
    if (owed.revoked.aborted) return
    let assigned = this.#byAssignment.get(owed.revoked)
    if (assigned === undefined) {
      assigned = new Set()
      this.#byAssignment.set(owed.revoked, assigned)
      owed.revoked.addEventListener('abort', () => this.#drop(owed.revoked), { once: true })
    }
    assigned.add(owed)
    this.#credit.take(owed.bytes)
  }

  settle(owed: Owed): void {
    if (!this.#byAssignment.get(owed.revoked)?.delete(owed)) return
    this.#credit.give(owed.bytes)
    this.#ack(owed.delivery.receipt)
  }

  get isEmpty(): boolean {
    return ![...this.#byAssignment.values()].some(({ size }) => size > 0)
  }

  /** Resolves when there are none, or when `signal` aborts. */
  async empty(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.isEmpty) await pause(10, signal)
  }

  /** The consumer is closed: all of them come again, to whoever opens the next. */
  forget(): void {
    for (const revoked of [...this.#byAssignment.keys()]) this.#drop(revoked)
  }

  #drop(revoked: AbortSignal): void {
    for (const owed of this.#byAssignment.get(revoked) ?? []) this.#credit.give(owed.bytes)
    this.#byAssignment.delete(revoked)
  }
}
