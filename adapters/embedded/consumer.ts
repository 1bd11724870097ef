import {
  type Batch,
  Bell,
  type Consumer,
  type Delivery,
  GatewayError,
  type OpenOptions,
  type PullOptions,
  type Settlement,
  type SettleResult,
} from '../../src/core/index.ts'
import { decodeRecord } from './codec.ts'
import type { GroupKey, Handed, SettleItem } from './engine/operations.ts'
import { recordLength, viewOf } from './engine/records.ts'
import type { GroupHub, Member } from './hub.ts'
import { readReceipt, writeReceipt } from './receipt.ts'
import type { Link } from './thread/link.ts'

/** One of a group's consumers. What it holds is counted here; whose a lease is, the engine alone decides. */
export class EmbeddedConsumer implements Consumer, Member {
  readonly #link: Link
  readonly #key: GroupKey
  readonly #hub: GroupHub
  readonly #prefetch: number
  readonly #holdKeys: boolean
  /** Before its first pull: what a crashed process held comes before what nobody has had. */
  #takeOver: boolean
  /** The leases that it holds, oldest first: nonce → [seq, when the lease ends]. */
  readonly #held = new Map<number, readonly [seq: number, expiresAt: number]>()
  /** Rings when it may hold more. */
  readonly #room = new Bell()
  #asked = 0
  #closing: Promise<void> | undefined

  constructor(link: Link, key: GroupKey, hub: GroupHub, { prefetch, holdKeys = true }: OpenOptions) {
    this.#link = link
    this.#key = key
    this.#hub = hub
    this.#prefetch = prefetch
    this.#holdKeys = holdKeys
    this.#takeOver = !holdKeys
    hub.join(this)
  }

  async pull({ max, waitMs, signal }: PullOptions): Promise<Batch> {
    const deadline = performance.now() + waitMs
    if (this.#closing !== undefined) throw new GatewayError('unavailable', 'The consumer is closed.')
    for (;;) {
      const { epoch, revoked } = this.#hub
      const wanted = Math.min(max, this.#free())
      const bell = wanted > 0 ? this.#hub.bell : this.#room
      const rung = bell.rung
      let again = false
      if (wanted > 0 && !signal.aborted) {
        const { handed, more } = await this.#ask(wanted)
        if (handed.length > 0 && (signal.aborted || this.#closing !== undefined)) await this.#return(handed)
        else if (handed.length > 0) return { deliveries: handed, epoch, revoked }
        again = more || bell.rung !== rung
      }
      const left = deadline - performance.now()
      if (signal.aborted || left <= 0 || this.#closing !== undefined) return { deliveries: [], epoch, revoked }
      if (again) continue
      const rang = await bell.wait(this.#untilRoom(left, wanted), signal)
      // Who was woken and does not look passes it on.
      if (rang && signal.aborted) bell.ring(1)
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    const items: SettleItem[] = []
    const places: number[] = []
    const results = new Array<SettleResult>(settlements.length).fill(lost)
    for (let i = 0; i < settlements.length; i++) {
      const item = itemOf(settlements[i]!)
      if (item === undefined) continue
      items.push(item)
      places.push(i)
    }
    if (items.length === 0) return results
    const answer = await this.#settle(items)
    for (let i = 0; i < items.length; i++) {
      const settled = answer[i]!
      if (settled === false) continue
      const { seq } = items[i]!
      results[places[i]!] =
        settled === true
          ? done
          : { status: 'ok', renewed: writeReceipt(seq, settled.nonce, settled.expiresAt), expiresAt: settled.expiresAt }
    }
    return results
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  settled(nonce: number): void {
    if (this.#held.delete(nonce)) this.#room.ring(1)
  }

  revoked(): void {
    this.#held.clear()
    this.#room.ring()
  }

  async #close(): Promise<void> {
    this.#room.ring()
    this.#hub.bell.ring()
    const items: SettleItem[] = []
    for (const [nonce, [seq, until]] of this.#held) items.push({ seq, nonce, until, kind: 'nack' })
    try {
      if (items.length > 0) await this.#settle(items)
    } catch {
      // The broker or the group is gone; the leases end by themselves.
    }
    this.#held.clear()
    this.#hub.leave(this)
  }

  async #ask(max: number): Promise<{ handed: Delivery[]; more: boolean }> {
    this.#asked += max
    try {
      const answer = await this.#link.call('pull', {
        ...this.#key,
        max,
        holdKeys: this.#holdKeys,
        takeOver: this.#takeOver,
      })
      this.#takeOver = false
      const now = this.#link.now()
      if (answer.nextAt !== null) this.#hub.ringAt(answer.nextAt, now)
      const handed = this.#deliveries(answer)
      if (handed.length > 0) {
        this.#hub.ringAt(answer.expiresAt, now)
        if (answer.more) this.#hub.bell.ring(1)
      }
      return { handed, more: answer.more }
    } finally {
      this.#asked -= max
    }
  }

  #deliveries({ seqs, attempts, nonces, expiresAt, bytes }: Handed): Delivery[] {
    const view = viewOf(bytes)
    const deliveries = new Array<Delivery>(seqs.length)
    let at = 0
    for (let i = 0; i < seqs.length; i++) {
      const seq = seqs[i]!
      const nonce = nonces[i]!
      this.#held.set(nonce, [seq, expiresAt])
      const event = decodeRecord(bytes, view, at)
      const receipt = writeReceipt(seq, nonce, expiresAt)
      deliveries[i] = { event, receipt, attempt: attempts[i]!, expiresAt, position: String(seq) }
      at += recordLength(view, at)
    }
    return deliveries
  }

  async #settle(items: SettleItem[]) {
    const { results, due, nextAt } = await this.#link.call('settle', { ...this.#key, items })
    for (let i = 0; i < items.length; i++) {
      const result = results[i]!
      const { nonce, seq } = items[i]!
      if (result === false) continue
      if (result !== true && this.#held.has(nonce)) this.#held.set(result.nonce, [seq, result.expiresAt])
      this.#hub.settled(nonce)
    }
    if (due > 0) this.#hub.bell.ring(due)
    if (nextAt !== null) this.#hub.ringAt(nextAt, this.#link.now())
    return results
  }

  /** Gives back what nobody took, as if it had never been handed out. */
  async #return(handed: readonly Delivery[]): Promise<void> {
    const items: SettleItem[] = handed.map(({ receipt }) => ({ ...readReceipt(receipt)!, kind: 'return' }))
    await this.#settle(items).catch(() => {})
  }

  /** How many more it may hold, with what is being asked for. */
  #free(): number {
    const now = this.#link.now()
    for (const [nonce, [, expiresAt]] of this.#held) {
      if (expiresAt > now) break
      this.#held.delete(nonce)
    }
    return this.#prefetch - this.#held.size - this.#asked
  }

  /** How long to wait: without room, until the oldest lease ends at the latest. */
  #untilRoom(left: number, wanted: number): number {
    if (wanted > 0) return left
    const [oldest] = this.#held.values()
    return oldest === undefined ? left : Math.min(left, Math.max(1, oldest[1] - this.#link.now()))
  }
}

const done: SettleResult = { status: 'ok' }
const lost: SettleResult = {
  status: 'failed',
  error: new GatewayError('lease_lost', 'The lease has ended, was superseded or never was.').toItem(),
}

function itemOf({ receipt, outcome }: Settlement): SettleItem | undefined {
  const lease = readReceipt(receipt)
  if (lease === undefined) return undefined
  const { kind } = outcome
  if (kind === 'nack' && outcome.delayMs !== undefined) return { ...lease, kind, ms: outcome.delayMs }
  if (kind === 'extend' && outcome.durationMs !== undefined) return { ...lease, kind, ms: outcome.durationMs }
  if (kind === 'reject') return { ...lease, kind, reason: outcome.reason }
  return { ...lease, kind }
}
