import { type Event, GatewayError, type Outcome, type Settlement, type SettleResult } from '../../../src/core/index.ts'
import { longestHoldMs, second } from '../capabilities.ts'
import type { GroupQueue } from './group-queue.ts'
import { type Lease, readToken, writeToken } from './token.ts'

type Kind = Outcome['kind']
/** A settlement whose lease is not over, and its place among the others. */
interface Open {
  readonly place: number
  readonly receipt: string
  readonly lease: Lease
  readonly outcome: Outcome
}

const done: SettleResult = { status: 'ok' }
const lost = failed(new GatewayError('lease_lost', 'The lease has ended, was superseded or never was.'))

/** Says to SQS what became of what was received. */
export class Settler {
  readonly #group: GroupQueue

  constructor(group: GroupQueue) {
    this.#group = group
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    const results = new Array<SettleResult>(settlements.length).fill(lost)
    const open: Open[] = []
    for (const [place, { receipt, outcome }] of settlements.entries()) {
      const lease = readToken(receipt)
      if (lease === undefined || this.#group.hub.isSuperseded(receipt)) continue
      const until = this.#group.hub.untilOf(lease.handle, lease.until)
      const ended = this.#group.hub.endOf(lease.handle)
      if (Date.now() >= until) continue
      if (ended === undefined) open.push({ place, receipt, lease: { ...lease, until }, outcome })
      // What had its end may be told so again, and nothing else.
      else if (ended === outcome.kind && ended !== 'nack') results[place] = done
    }
    const of = (...kinds: readonly Kind[]) => open.filter(({ outcome }) => kinds.includes(outcome.kind))
    await Promise.all([
      this.#ack(of('ack'), results),
      this.#hide(of('nack', 'extend'), results),
      ...of('reject').map((one) => this.#reject(one, results)),
    ])
    return results
  }

  /** An event that was given as often as it may be. */
  async exhaust(lease: Lease, event: Event): Promise<boolean> {
    const reason = `It was delivered ${this.#group.maxAttempts} times and not acknowledged.`
    return (await this.#move(lease, event, reason, this.#group.maxAttempts)) === undefined
  }

  async #ack(acks: readonly Open[], results: SettleResult[]): Promise<void> {
    if (acks.length === 0) return
    const { queue, hub } = this.#group
    const outcomes = await queue.delete(acks.map(({ lease }) => lease.handle))
    for (const [i, { place, lease }] of acks.entries()) {
      const error = outcomes[i]
      if (error === undefined) hub.end(lease.handle, 'ack', lease.until)
      // The same ack twice in one call: one of the two has deleted it.
      results[place] = error === undefined || hub.endOf(lease.handle) === 'ack' ? done : failed(error)
    }
  }

  /** A nack lets go at once or later; the last one that an event has is its end. */
  async #hide(all: readonly Open[], results: SettleResult[]): Promise<void> {
    if (all.length === 0) return
    const { queue, hub, maxAttempts, leaseMs } = this.#group
    const asked: { one: Open; seconds: number; until: number; handle: string }[] = []
    const dying: Promise<void>[] = []
    for (const one of all) {
      const { lease, outcome, place } = one
      const event = hub.eventOf(lease.handle)
      if (outcome.kind === 'nack' && lease.attempt >= maxAttempts && event !== undefined) {
        dying.push(
          this.exhaust(lease, event).then((moved) => {
            results[place] = moved ? done : unmoved
          }),
        )
        continue
      }
      const ms =
        outcome.kind === 'extend'
          ? (outcome.durationMs ?? leaseMs)
          : outcome.kind === 'nack'
            ? (outcome.delayMs ?? 0)
            : 0
      const now = Date.now()
      const seconds = Math.ceil(ms / second)
      if (now + seconds * second > lease.receivedAt + longestHoldMs) results[place] = tooLong
      else asked.push({ one, seconds, until: now + ms, handle: lease.handle })
    }
    const outcomes = await queue.hide(asked)
    for (const [i, { one, until, handle }] of asked.entries()) {
      const { place, receipt, lease, outcome } = one
      const error = outcomes[i]
      if (error !== undefined) results[place] = failed(error)
      else if (outcome.kind === 'nack') {
        hub.end(handle, 'nack', lease.until)
        results[place] = done
      } else {
        hub.renew(receipt, lease, until)
        results[place] = { status: 'ok', renewed: writeToken({ ...lease, until }), expiresAt: until }
      }
    }
    await Promise.all(dying)
  }

  async #reject({ place, lease, outcome }: Open, results: SettleResult[]): Promise<void> {
    const reason = outcome.kind === 'reject' ? outcome.reason : ''
    const { hub, dead, queue, topic } = this.#group
    const event = hub.eventOf(lease.handle)
    if (event !== undefined) {
      const error = await this.#move(lease, event, reason, lease.attempt)
      results[place] = error === undefined ? done : failed(error)
      return
    }
    // Another gateway received it, or this one before it was started anew: SQS shows an event only to whoever receives it.
    const found = await dead.take(queue, lease, topic)
    if (found === undefined) {
      results[place] = unmoved
      return
    }
    const error = await this.#move(found.lease, found.event, reason, lease.attempt)
    if (error === undefined) hub.end(lease.handle, 'reject', lease.until)
    results[place] = error === undefined ? done : failed(error)
  }

  /** Undefined where it lies among the dead letters, confirmed, and is deleted from the queue. */
  async #move(lease: Lease, event: Event, reason: string, attempts: number): Promise<GatewayError | undefined> {
    const { dead, queue, hub } = this.#group
    try {
      await dead.add(event, { reason, attempts, at: Date.now() }, lease)
      const [error] = await queue.delete([lease.handle])
      if (error !== undefined) return error
      hub.end(lease.handle, 'reject', lease.until)
      return undefined
    } catch (error) {
      if (error instanceof GatewayError) return error
      throw error
    }
  }
}

function failed(error: GatewayError): SettleResult {
  return { status: 'failed', error: error.toItem() }
}

const unmoved = failed(
  new GatewayError('unavailable', 'The event could not be moved to the dead letters; it comes again.', {
    retryAfterMs: 1000,
  }),
)
const tooLong = failed(
  new GatewayError(
    'invalid_argument',
    'SQS holds an event for 12 hours from its receipt at the most, delays included.',
  ),
)
