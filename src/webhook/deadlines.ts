/** What ends at a time or by a signal. */
export interface Ending {
  /** By `performance.now()`. Set by `Deadlines`. */
  deadline: number
  /** Those with the same duration, the soonest first. Set by `Deadlines`. */
  peers: Set<Ending> | undefined
  expire(): void
  stop(): void
}

/** How late a deadline may be noticed. */
const tickMs = 20

/**
 * Deadlines of many attempts by one timer. Those of one duration end in the order in which they began, so that a tick
 * looks at the first of each duration only; a timer for each would cost more than signing.
 */
export class Deadlines {
  readonly #byDuration = new Map<number, Set<Ending>>()
  #timer: NodeJS.Timeout | undefined

  /** Also moves one that has a deadline already. */
  set(ending: Ending, ms: number, now: number): void {
    ending.peers?.delete(ending)
    let peers = this.#byDuration.get(ms)
    if (peers === undefined) {
      peers = new Set()
      this.#byDuration.set(ms, peers)
      this.#timer ??= setInterval(() => this.#tick(), tickMs)
    }
    ending.deadline = now + ms
    ending.peers = peers
    peers.add(ending)
  }

  clear(ending: Ending): void {
    ending.peers?.delete(ending)
    ending.peers = undefined
  }

  /** Stops everything that has a deadline. */
  stop(): void {
    for (const peers of this.#byDuration.values()) for (const ending of peers) ending.stop()
  }

  #tick(): void {
    const now = performance.now()
    for (const [ms, peers] of this.#byDuration) {
      for (const ending of peers) {
        if (ending.deadline > now) break
        this.clear(ending)
        ending.expire()
      }
      if (peers.size === 0) this.#byDuration.delete(ms)
    }
    if (this.#byDuration.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

interface Group {
  readonly members: Set<Ending>
  readonly listener: () => void
}

/** One listener for each signal, however many attempts it stops: adding and removing one each would be linear in them. */
export class Stops {
  readonly #groups = new WeakMap<AbortSignal, Group>()

  join(signal: AbortSignal, ending: Ending): void {
    let group = this.#groups.get(signal)
    if (group === undefined) {
      const members = new Set<Ending>()
      const listener = () => {
        for (const member of members) member.stop()
      }
      group = { members, listener }
      this.#groups.set(signal, group)
      signal.addEventListener('abort', listener)
    }
    group.members.add(ending)
  }

  leave(signal: AbortSignal, ending: Ending): void {
    const group = this.#groups.get(signal)
    if (group === undefined) return
    group.members.delete(ending)
    if (group.members.size > 0) return
    // A signal made of others lives as long as it has a listener.
    this.#groups.delete(signal)
    signal.removeEventListener('abort', group.listener)
  }
}
