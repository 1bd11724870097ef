import { GatewayError } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import type { Replay } from '../store/operations.ts'
import { replayId } from './identity.ts'
import { chunksOf } from './log-range.ts'
import { matches } from './match/matcher.ts'
import { logRow } from './rows.ts'
import { pause } from './timing.ts'
import type { Work } from './work.ts'

/** So many deliveries of a replay wait for their attempts at once; the log keeps the rest. */
const aheadRows = 1000
const chunkRows = 500
const stepMs = 100

/** Reads a range of the log again for one subscription: counts it, or turns it into rows. True at the end of the range. */
export async function runReplay(work: Work, what: Replay): Promise<boolean> {
  const { shared, operation, mayGoOn, signal } = work
  const { context } = shared
  const topic = context.topics.resolve(operation.topic)
  const subscription = await context.store.subscriptions.get(operation.subscription)
  if (topic === undefined || subscription === undefined) {
    throw new GatewayError('not_found', 'The topic or the subscription of the replay is not there any more.')
  }
  if (what.epoch !== topic.epoch) {
    const detail = 'The topic was bound to another broker meanwhile, which does not have what the replay reads.'
    throw new GatewayError('stale_cursor', detail)
  }
  const accepts = (event: Event): boolean => matches(subscription.filters, event) && matches(what.filters, event)
  const pace = new Pace(what.ratePerSecond)
  const range = { from: what.next, to: new Date(what.to ?? operation.startedAt) }
  let { next } = what
  let room = what.dryRun ? chunkRows : 1
  const size = (): number => (what.dryRun ? chunkRows : Math.max(1, Math.min(chunkRows, room)))
  for await (const { records, cursor } of chunksOf(topic, range, accepts, size, signal)) {
    if (!(await mayGoOn())) return false
    const rows = what.dryRun
      ? []
      : records.map((record) => {
          const id = replayId(context.digest, operation.id, subscription.id, operation.topic, record.event)
          return { ...logRow(context, subscription, record, id), operation: operation.id }
        })
    const progress = { operation: operation.id, from: next, to: cursor, matched: records.length }
    await context.store.deliveries.insert(rows, progress)
    next = cursor
    if (rows.length === 0) continue
    work.due()
    room = await roomOf(work, pace, rows.length)
    if (room === 0) return false
  }
  return !signal.aborted
}

/** Waits until more rows may be made; answers how many, 0 where the replay is not to go on. */
async function roomOf({ shared, operation, mayGoOn, signal }: Work, pace: Pace, made: number): Promise<number> {
  pace.took(made)
  for (;;) {
    const pending = await shared.context.store.operations.pending(operation.id)
    const room = Math.min(aheadRows - pending, pace.allows())
    if (room >= 1) return Math.floor(room)
    await pause(stepMs, signal)
    if (!(await mayGoOn())) return 0
  }
}

/** A rate that one replica keeps, for it has the operation's lease. */
class Pace {
  readonly #perSecond: number
  #tokens = 1
  #at = performance.now()

  constructor(perSecond = Number.POSITIVE_INFINITY) {
    this.#perSecond = perSecond
  }

  allows(): number {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return this.#perSecond
    const now = performance.now()
    const earned = ((now - this.#at) / 1000) * this.#perSecond
    this.#at = now
    this.#tokens = Math.min(Math.max(1, this.#perSecond), this.#tokens + earned)
    return this.#tokens
  }

  took(rows: number): void {
    if (this.#perSecond !== Number.POSITIVE_INFINITY) this.#tokens -= rows
  }
}
