import { Bell, maxTimer } from '../../src/core/index.ts'
import type { TopicInfo } from './engine/topics.ts'

/** What the consumers of one group share on this side. */
export class GroupHub {
  readonly bell = new Bell()
  readonly name: string
  readonly #members = new Set<Member>()
  #assignment = { epoch: 1, lost: new AbortController() }
  #timer: ReturnType<typeof setTimeout> | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(name: string) {
    this.name = name
  }

  get epoch(): number {
    return this.#assignment.epoch
  }

  get revoked(): AbortSignal {
    return this.#assignment.lost.signal
  }

  join(member: Member): void {
    this.#members.add(member)
  }

  leave(member: Member): void {
    this.#members.delete(member)
    if (this.#members.size === 0) this.#stop()
  }

  /** A lease that ended by being settled, whoever had it. */
  settled(nonce: number): void {
    for (const member of this.#members) member.settled(nonce)
  }

  /** Everything that was handed out belongs to nobody any more. */
  revoke(): void {
    const { epoch, lost } = this.#assignment
    this.#assignment = { epoch: epoch + 1, lost: new AbortController() }
    lost.abort()
    for (const member of this.#members) member.revoked()
    this.bell.ring()
  }

  /** Wakes everybody, to see that it is over. */
  close(): void {
    this.#stop()
    this.bell.ring()
    for (const member of this.#members) member.revoked()
  }

  /** Rings when something becomes due; only the earliest time is kept, whoever is woken by it asks for the next. */
  ringAt(time: number, now: number): void {
    if (time >= this.#timerAt) return
    this.#stop()
    this.#timerAt = time
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY
        this.bell.ring(1)
      },
      Math.min(Math.max(1, time - now), maxTimer),
    )
    this.#timer.unref()
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#timerAt = Number.POSITIVE_INFINITY
  }
}

export interface Member {
  settled(nonce: number): void
  /** All that it holds was taken from it. */
  revoked(): void
}

/** What this side knows of a topic. */
export class TopicHub {
  info: TopicInfo
  /** Rings when the topic got events. */
  readonly bell = new Bell()
  readonly #groups = new Map<string, GroupHub>()

  constructor(info: TopicInfo) {
    this.info = info
  }

  group(name: string): GroupHub {
    let hub = this.#groups.get(name)
    if (hub === undefined) {
      hub = new GroupHub(name)
      this.#groups.set(name, hub)
    }
    return hub
  }

  appended(count: number): void {
    this.bell.ring()
    for (const group of this.#groups.values()) group.bell.ring(count)
  }

  /** Wakes everybody, to see that it is over. */
  close(): void {
    this.bell.ring()
    for (const group of this.#groups.values()) group.close()
  }
}
