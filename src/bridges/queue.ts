import type { Delivery } from '../core/broker.ts'
import { keyOf } from '../core/event.ts'

/** An event that was pulled and is not settled. */
export interface Held {
  readonly delivery: Delivery
  readonly revoked: AbortSignal
  readonly bytes: number
  /** How many events the target had taken when it refused this one, which is asked for alone since. */
  refusedAt?: number
}

interface Most {
  readonly maxEvents: number
  readonly maxBytes: number
}

/** What waits to be published, in the order of the source. */
export class Queue {
  #held: Held[] = []
  /** How many events the target has taken. */
  #taken = 0

  push(held: Held): void {
    this.#held.push(held)
  }

  /** When the first lease ends; undefined where nothing waits. */
  get expiresAt(): number | undefined {
    return this.#held[0]?.delivery.expiresAt
  }

  stored(events: number): void {
    this.#taken += events
  }

  /** Whether the target has taken other events since it refused this one: then it is not the target's fault. */
  isToBlame(held: Held): boolean {
    return held.refusedAt !== undefined && held.refusedAt < this.#taken
  }

  /** From now on it is asked for alone. `taken` is what the target had taken before it was asked for this. */
  suspect(held: Held, taken: number): void {
    held.refusedAt ??= taken
  }

  get taken(): number {
    return this.#taken
  }

  /** Takes out what belongs to somebody else by now. */
  dropRevoked(): readonly Held[] {
    const dropped = this.#held.filter(({ revoked }) => revoked.aborted)
    if (dropped.length > 0) this.remove(new Set(dropped))
    return dropped
  }

  remove(gone: ReadonlySet<Held>): void {
    this.#held = this.#held.filter((held) => !gone.has(held))
  }

  /**
   * What is to be published next, which stays here until that is decided: a suspect where the target has taken others
   * since; or what is none, and does not follow one of its key; or the first suspect, for want of anything else.
   */
  next({ maxEvents, maxBytes }: Most): Held[] {
    const judged = this.#held.find((held) => this.isToBlame(held))
    if (judged !== undefined) return [judged]
    const behind = new Set<string>()
    const next: Held[] = []
    let bytes = 0
    for (const held of this.#held) {
      const key = keyOf(held.delivery.event)
      if (held.refusedAt !== undefined && key !== undefined) behind.add(key)
      if (held.refusedAt !== undefined || (key !== undefined && behind.has(key))) continue
      if (next.length === maxEvents || (next.length > 0 && bytes + held.bytes > maxBytes)) break
      bytes += held.bytes
      next.push(held)
    }
    return next.length > 0 ? next : this.#held.slice(0, 1)
  }
}
