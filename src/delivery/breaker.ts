import type { Policy } from '../core/subscription.ts'

const slices = 10

/**
 * Stops attempts at an endpoint that mostly fails. It opens once the share of failures within a sliding window reaches the
 * ratio; after the cooldown one attempt may probe, whose outcome closes it or opens it again.
 *
 * The cooldown stays the same however often a probe fails: a probe is one request, so waiting longer would spare the
 * endpoint little and make every recovery late; one that is dead for good is disabled by its policy.
 *
 * Reports do not say which attempt they are of. One that began before it opened and ends beside the probe counts like the
 * probe: it speaks of the same endpoint, now.
 */
export class Breaker {
  readonly #settings: Policy['breaker']
  readonly #now: () => number
  readonly #changed: (state: 'open' | 'closed') => void
  /** Rings over the slices of the window, and what they sum up to. */
  readonly #attempts = new Array<number>(slices).fill(0)
  readonly #failures = new Array<number>(slices).fill(0)
  #attempted = 0
  #failed = 0
  /** The number of the newest slice, counted from the epoch. */
  #slice = 0
  /** When the cooldown ends; undefined while it is closed. */
  #openUntil: number | undefined
  #probing = false

  /** `changed` is told when it opens, and when it closes; a probe that fails changes nothing. */
  constructor(settings: Policy['breaker'], now: () => number, changed: (state: 'open' | 'closed') => void = () => {}) {
    this.#settings = settings
    this.#now = now
    this.#changed = changed
  }

  /** Open turns half-open when the cooldown has passed. */
  get state(): 'closed' | 'open' | 'half-open' {
    if (this.#openUntil === undefined) return 'closed'
    return this.#now() < this.#openUntil ? 'open' : 'half-open'
  }

  /**
   * Whether an attempt may start now; half-open lets one probe at a time. Whoever gets true must report how it ended, once:
   * `succeeded`, `failed` or `forget`.
   */
  tryAcquire(): boolean {
    const { state } = this
    if (state === 'closed') return true
    if (state === 'open' || this.#probing) return false
    this.#probing = true
    return true
  }

  succeeded(): void {
    const { state } = this
    if (state === 'closed') this.#count(0)
    else if (state === 'half-open' && this.#probing) this.#become(undefined)
  }

  failed(): void {
    const { state } = this
    if (state === 'closed') {
      this.#count(1)
      const { minimum, failureRatio, cooldownMs } = this.#settings
      if (this.#attempted < minimum || this.#failed < failureRatio * this.#attempted) return
      this.#become(this.#now() + cooldownMs)
    } else if (state === 'half-open' && this.#probing) this.#become(this.#now() + this.#settings.cooldownMs)
  }

  /** The attempt said nothing about the endpoint (it was aborted). */
  forget(): void {
    if (this.state === 'half-open') this.#probing = false
  }

  /**
   * When an attempt may start at the earliest, in milliseconds since the epoch; now where it may. While a probe is under
   * way its report decides, and this is when another could follow if it failed now.
   */
  get opensAt(): number {
    const now = this.#now()
    if (this.#openUntil === undefined) return now
    if (now < this.#openUntil) return this.#openUntil
    return this.#probing ? now + this.#settings.cooldownMs : now
  }

  /** Closed or open, it begins with an empty window. */
  #become(openUntil: number | undefined): void {
    const was = this.#openUntil === undefined
    const is = openUntil === undefined
    this.#openUntil = openUntil
    this.#probing = false
    this.#empty()
    if (was !== is) this.#changed(is ? 'closed' : 'open')
  }

  #count(failures: 0 | 1): void {
    this.#slide()
    const at = this.#slice % slices
    this.#attempts[at]! += 1
    this.#failures[at]! += failures
    this.#attempted += 1
    this.#failed += failures
  }

  /** Forgets what has left the window. A clock that goes back counts in the newest slice. */
  #slide(): void {
    const current = Math.floor((this.#now() * slices) / this.#settings.windowMs)
    if (current - this.#slice >= slices) this.#empty()
    else {
      for (let slice = this.#slice + 1; slice <= current; slice++) {
        const at = slice % slices
        this.#attempted -= this.#attempts[at]!
        this.#failed -= this.#failures[at]!
        this.#attempts[at] = 0
        this.#failures[at] = 0
      }
    }
    this.#slice = Math.max(this.#slice, current)
  }

  #empty(): void {
    this.#attempts.fill(0)
    this.#failures.fill(0)
    this.#attempted = 0
    this.#failed = 0
  }
}
