import { longestHoldMs, second } from '../capabilities.ts'
import type { GroupQueue } from './group-queue.ts'

/** A lease is prolonged once so much of it is over. */
const share = 2

/** Prolongs the leases of what a consumer holds, for as long as it is open and SQS allows it. */
export class Heartbeat {
  readonly #timer: ReturnType<typeof setInterval>
  #beating = false

  constructor(group: GroupQueue, owner: object) {
    this.#timer = setInterval(() => void this.#beat(group, owner), group.leaseMs / share)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #beat({ queue, hub, leaseMs }: GroupQueue, owner: object): Promise<void> {
    if (this.#beating) return
    this.#beating = true
    const now = Date.now()
    const seconds = Math.ceil(leaseMs / second)
    const held = hub.handlesOf(owner).filter(({ receivedAt, until }) => {
      return until - now <= leaseMs && now + seconds * second <= receivedAt + longestHoldMs
    })
    try {
      const outcomes = await queue.hide(held.map(({ handle }) => ({ handle, seconds })))
      for (const [i, outcome] of outcomes.entries()) {
        if (outcome === undefined) hub.prolong(held[i]!.handle, now + seconds * second)
      }
    } finally {
      this.#beating = false
    }
  }
}
