import type { Event, Outcome } from '../../../src/core/index.ts'
import type { Lease } from './token.ts'

/** What events that are held may take in memory together; of more only their handles are kept. */
const maxBytes = 64 << 20
/** Messages of which it is remembered how often they went back. */
const maxReturned = 10_000
/** Leases that were settled or renewed before they were over, of each so many are remembered until they would have been. */
const maxEnded = 20_000

interface Held {
  readonly owner: object
  /** When it was published, as SQS says. */
  readonly sentAt: number
  readonly receivedAt: number
  until: number
  /** Its holder has another lease by now, which says its end itself. */
  isRenewed?: boolean
  /** For the queue of dead letters: SQS moves nothing by itself. */
  event: Event | undefined
  readonly bytes: number
}

/** What the consumers of one group share in this process: who holds what, and how leases ended. */
export class GroupHub {
  readonly #held = new Map<string, Held>()
  readonly #counts = new Map<object, number>()
  readonly #ended = new Map<string, { readonly kind: Outcome['kind']; readonly until: number }>()
  readonly #superseded = new Map<string, { readonly until: number }>()
  readonly #returned = new Map<string, number>()
  readonly #lost = new AbortController()
  #bytes = 0
  #changed = Promise.withResolvers<void>()

  /** Aborts when the group is deleted here. */
  get revoked(): AbortSignal {
    return this.#lost.signal
  }

  revoke(): void {
    this.#lost.abort()
    this.#held.clear()
    this.#counts.clear()
    this.#bytes = 0
    this.#ring()
  }

  /** Resolves when somebody holds less. */
  get changed(): Promise<void> {
    return this.#changed.promise
  }

  hold(handle: string, held: Held): void {
    // Oldest first, so that what is over mostly lies in front.
    const now = Date.now()
    for (const [old, { until }] of this.#held) {
      if (until > now) break
      this.#drop(old)
    }
    this.#held.set(handle, held)
    this.#counts.set(held.owner, (this.#counts.get(held.owner) ?? 0) + 1)
    this.#bytes += held.bytes
    if (this.#bytes > maxBytes) this.#forgetEvents()
  }

  eventOf(handle: string): Event | undefined {
    return this.#held.get(handle)?.event
  }

  /** When the lease ends, which a heartbeat may have put off since it was given. */
  untilOf(handle: string, until: number): number {
    const held = this.#held.get(handle)
    return held === undefined || held.isRenewed === true ? until : Math.max(until, held.until)
  }

  prolong(handle: string, until: number): void {
    const held = this.#held.get(handle)
    if (held !== undefined) held.until = until
  }

  /** From now on another lease counts, until `until`, and not `receipt`, though SQS knows both by one handle. */
  renew(receipt: string, lease: Lease, until: number): void {
    const held = this.#held.get(lease.handle)
    if (held !== undefined) {
      held.until = until
      held.isRenewed = true
    }
    this.#superseded.set(receipt, { until: lease.until })
    forgetOver(this.#superseded)
  }

  isSuperseded(receipt: string): boolean {
    return this.#superseded.has(receipt)
  }

  /** It goes back without having been delivered, which SQS counts as a receipt all the same. */
  returned(messageId: string): void {
    const times = this.returnsOf(messageId) + 1
    this.#returned.delete(messageId)
    this.#returned.set(messageId, times)
    if (this.#returned.size > maxReturned) this.#returned.delete(this.#returned.keys().next().value!)
  }

  returnsOf(messageId: string): number {
    return this.#returned.get(messageId) ?? 0
  }

  /** How it ended, where that happened here. */
  endOf(handle: string): Outcome['kind'] | undefined {
    return this.#ended.get(handle)?.kind
  }

  end(handle: string, kind: Outcome['kind'], until: number): void {
    this.#drop(handle)
    this.#ended.set(handle, { kind, until })
    forgetOver(this.#ended)
    this.#ring()
  }

  countOf(owner: object): number {
    return this.#counts.get(owner) ?? 0
  }

  /** Lets go of the leases of `owner` that are over, and answers when the first of the others ends. */
  expire(owner: object): number {
    const now = Date.now()
    let first = Number.POSITIVE_INFINITY
    for (const [handle, held] of this.#held) {
      if (held.until <= now) this.#drop(handle)
      else if (held.owner === owner) first = Math.min(first, held.until)
    }
    return first
  }

  /** The age of the oldest event that somebody here holds. */
  oldestMs(): number {
    const now = Date.now()
    let oldest = now
    for (const { sentAt } of this.#held.values()) oldest = Math.min(oldest, sentAt)
    return now - oldest
  }

  handlesOf(owner: object): { readonly handle: string; readonly receivedAt: number; readonly until: number }[] {
    const now = Date.now()
    return [...this.#held].flatMap(([handle, held]) => {
      const { receivedAt, until } = held
      return held.owner === owner && until > now ? [{ handle, receivedAt, until }] : []
    })
  }

  #drop(handle: string): void {
    const held = this.#held.get(handle)
    if (held === undefined) return
    this.#held.delete(handle)
    const left = this.countOf(held.owner) - 1
    if (left === 0) this.#counts.delete(held.owner)
    else this.#counts.set(held.owner, left)
    if (held.event !== undefined) this.#bytes -= held.bytes
  }

  #forgetEvents(): void {
    for (const old of this.#held.values()) {
      if (old.event === undefined) continue
      this.#bytes -= old.bytes
      old.event = undefined
      if (this.#bytes <= maxBytes) return
    }
  }

  #ring(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

function forgetOver(leases: Map<string, { readonly until: number }>): void {
  const now = Date.now()
  for (const [old, { until }] of leases) {
    if (until > now && leases.size <= maxEnded) return
    leases.delete(old)
  }
}
