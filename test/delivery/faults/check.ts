import type { Row } from './api.ts'
import type { Seen } from './endpoints.ts'
import type { Made } from './load.ts'

/** What a subscription was promised, and what became of it. */
export interface Account {
  readonly path: string
  readonly wants: (made: Made) => boolean
  readonly ordered: boolean
  /** How many attempts one delivery has that ended dead. */
  readonly deadAfter?: number
  /** In the order in which they came. */
  readonly seen: readonly Seen[]
  /** Its deliveries as the API tells them. */
  readonly rows: readonly Row[]
}

/** When an attempt may have been made without anybody remembering it: a gateway was killed, or gave its share away. */
export interface Disturbance {
  readonly from: number
  readonly to: number
}

export interface Violation {
  readonly kind: 'missing' | 'unexpected' | 'doubled' | 'changed' | 'undead' | 'pending' | 'reordered'
  readonly path: string
  readonly event: string
  readonly detail: string
}

export interface Sum {
  readonly path: string
  /** Acknowledged by the gateway and wanted by the subscription. */
  readonly accepted: number
  readonly succeeded: number
  readonly dead: number
  readonly discarded: number
  readonly expired: number
  readonly pending: number
  readonly attempts: number
  /** Attempts of what had been delivered: after a crash nobody can know. */
  readonly repeated: number
}

/**
 * The ledger rule at the receivers, after everything came to rest: each event that was acknowledged and is wanted either
 * was answered 2xx, or has a row that says why not, and nothing else was sent. One delivery has one `webhook-id`, and no
 * attempt of it is made twice unless somebody was disturbed in between.
 */
export class Checker {
  readonly #made: ReadonlyMap<string, Made>
  readonly #disturbances: readonly Disturbance[]
  readonly violations: Violation[] = []
  readonly sums: Sum[] = []

  constructor(made: ReadonlyMap<string, Made>, disturbances: readonly Disturbance[]) {
    this.#made = made
    this.#disturbances = disturbances
  }

  check(account: Account): void {
    const live = account.seen.filter(({ replay }) => replay === undefined)
    const byEvent = Map.groupBy(live, ({ event }) => event)
    const rows = Map.groupBy(account.rows, ({ event }) => event.id)
    this.#unexpected(account, new Set([...byEvent.keys(), ...rows.keys()]))
    for (const attempts of byEvent.values()) this.#attempts(account, attempts)
    this.#balance(account, byEvent, rows)
    if (account.ordered) this.#order(account, live, rows)
  }

  #add(kind: Violation['kind'], { path }: Account, event: string, detail: string): void {
    this.violations.push({ kind, path, event, detail })
  }

  #unexpected(account: Account, events: ReadonlySet<string>): void {
    for (const event of events) {
      const made = this.#made.get(event)
      if (made === undefined) this.#add('unexpected', account, event, 'was never published')
      else if (!account.wants(made)) this.#add('unexpected', account, event, `is ${made.type}, which is not wanted`)
    }
  }

  #isDisturbed(from: number, to: number): boolean {
    return this.#disturbances.some((one) => one.from <= to && one.to >= from)
  }

  #attempts(account: Account, attempts: readonly Seen[]): void {
    const [first] = attempts
    const byNumber = new Map<number, Seen>()
    let delivered: Seen | undefined
    for (const one of attempts) {
      const { event, delivery, attempt, at } = one
      if (delivery !== first!.delivery) this.#add('changed', account, event, `is ${delivery} and ${first!.delivery}`)
      const same = byNumber.get(attempt)
      if (same !== undefined && !this.#isDisturbed(same.at, at)) {
        const detail = `attempt ${attempt} was made twice, ${Math.round(at - same.at)} ms apart`
        this.#add('doubled', account, event, detail)
      } else if (delivered !== undefined && !this.#isDisturbed(delivered.answeredAt!, at)) {
        this.#add('doubled', account, event, `attempt ${attempt} was made after it had been taken`)
      }
      byNumber.set(attempt, one)
      if (isTaken(one)) delivered = one
    }
  }

  #balance(account: Account, byEvent: ReadonlyMap<string, Seen[]>, rows: ReadonlyMap<string, Row[]>): void {
    const sum = { accepted: 0, succeeded: 0, dead: 0, discarded: 0, expired: 0, pending: 0 }
    let repeated = 0
    for (const made of this.#made.values()) {
      if (!account.wants(made)) continue
      const { id: event } = made
      const attempts = byEvent.get(event) ?? []
      const taken = attempts.filter(isTaken).length
      repeated += Math.max(0, taken - 1)
      const [row, ...more] = (rows.get(event) ?? []).filter(
        ({ id }) => id === attempts[0]?.delivery || attempts.length === 0,
      )
      if (more.length > 0) this.#add('doubled', account, event, `has ${more.length + 1} rows`)
      if (made.acknowledged) sum.accepted++
      // What nobody was told of may be there or not.
      else if (row === undefined && taken === 0) continue
      else sum.accepted++
      const status = row === undefined ? (taken > 0 ? 'succeeded' : 'missing') : row.status
      if (status === 'missing') this.#add('missing', account, event, `${attempts.length} attempts, and no row`)
      else if (status === 'in_flight' || status === 'parked') sum.pending++
      else sum[status]++
      if (status === 'in_flight' || status === 'parked') this.#add('pending', account, event, `is ${status}`)
      if (status === 'succeeded' && taken === 0) this.#add('missing', account, event, 'succeeded, and nobody took it')
      if (status === 'dead') this.#dead(account, row!, taken)
    }
    this.sums.push({ path: account.path, ...sum, attempts: account.seen.length, repeated })
  }

  #dead(account: Account, { event, attempts }: Row, taken: number): void {
    if (taken > 0) this.#add('undead', account, event.id, 'is dead, and was taken')
    if (account.deadAfter !== undefined && attempts !== account.deadAfter) {
      this.#add('undead', account, event.id, `is dead after ${attempts} attempts of ${account.deadAfter}`)
    }
  }

  /** Whoever is attempted comes after all of its key: those were taken, or given up. */
  #order(account: Account, live: readonly Seen[], rows: ReadonlyMap<string, Row[]>): void {
    const keys = Map.groupBy(
      [...this.#made.values()].filter((made) => account.wants(made)),
      ({ key }) => key,
    )
    const takenAt = new Map<string, number>()
    for (const one of live) {
      if (!isTaken(one) || takenAt.has(one.event)) continue
      takenAt.set(one.event, one.answeredAt!)
    }
    const gone = (event: string): boolean =>
      (rows.get(event) ?? []).some(({ status }) => status === 'dead' || status === 'discarded' || status === 'expired')
    for (const { event, at } of live) {
      const made = this.#made.get(event)
      if (made === undefined) continue
      for (const before of keys.get(made.key) ?? []) {
        if (before.place >= made.place) break
        if ((takenAt.get(before.id) ?? Number.POSITIVE_INFINITY) <= at || gone(before.id) || !before.acknowledged)
          continue
        this.#add('reordered', account, event, `was tried before ${before.id} had been taken`)
      }
    }
  }
}

function isTaken({ status }: Seen): boolean {
  return status !== undefined && status >= 200 && status < 300
}

/** A line for whoever reads the output of a run: all subscriptions together. */
export function total(sums: readonly Sum[]): string {
  const of = (name: Exclude<keyof Sum, 'path'>): number => sums.reduce((all, sum) => all + sum[name], 0)
  return `${sums.length} subscriptions: accepted ${of('accepted')} = succeeded ${of('succeeded')} + dead ${of('dead')} + discarded ${of('discarded')} + expired ${of('expired')} + pending ${of('pending')}; ${of('attempts')} attempts, ${of('repeated')} of them repeated what was taken`
}
