import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Dead } from './dead.ts'
import { type Entries, leased } from './entries.ts'
import type { Group, Groups } from './groups.ts'
import { type GroupKey, type Operations, outcomes, type SettleItem } from './operations.ts'
import { type Query, query } from './sql.ts'

type Settled = ReturnType<Operations['settle']>

/** Settles leases. A receipt that is not of the current lease, or whose lease has ended, settles nothing. */
export class Settler {
  readonly #groups: Groups
  readonly #entries: Entries
  readonly #dead: Dead
  readonly #now: () => number
  readonly #nonce: () => number
  readonly #remember: StatementSync
  readonly #remembered: Query<[found: number]>

  constructor(db: DatabaseSync, groups: Groups, entries: Entries, dead: Dead, now: () => number, nonce: () => number) {
    this.#groups = groups
    this.#entries = entries
    this.#dead = dead
    this.#now = now
    this.#nonce = nonce
    this.#remember = db.prepare('INSERT OR REPLACE INTO done (until, nonce, grp, outcome) VALUES (?, ?, ?, ?)')
    this.#remembered = query(db, 'SELECT 1 FROM done WHERE until = ? AND nonce = ? AND grp = ? AND outcome = ?')
  }

  settle({ topic, group, items }: GroupKey & { items: SettleItem[] }): Settled {
    const found = this.#groups.get({ topic, group })
    const now = this.#now()
    const settled: Settled = { results: [], due: 0, nextAt: null }
    for (const item of items) settled.results.push(this.#one(topic, found, item, now, settled))
    return settled
  }

  #one(topic: number, group: Group, item: SettleItem, now: number, settled: Settled): Settled['results'][number] {
    const { seq, nonce, until, kind, ms } = item
    const row = this.#entries.get(group.id, seq)
    if (row === undefined) return this.#repeated(group, item, now)
    const [state, attempt, current, due, key] = row
    if (state !== leased || current !== nonce || due !== until || due <= now) return false
    switch (kind) {
      case 'ack':
        this.#remember.run(due, nonce, group.id, outcomes.ack)
        if (this.#entries.finish(group.id, seq, key, now)) settled.due++
        return true
      case 'reject':
        this.#remember.run(due, nonce, group.id, outcomes.reject)
        if (this.#dead.bury(topic, group, seq, attempt, key, item.reason ?? 'rejected', now)) settled.due++
        return true
      case 'nack':
        if (attempt < group.maxAttempts) this.#wait(group, seq, attempt, now, ms ?? 0, settled)
        else if (this.#dead.exhausted(topic, group, seq, attempt, key, now)) settled.due++
        return true
      case 'return':
        this.#wait(group, seq, attempt - 1, now, 0, settled)
        return true
      case 'extend': {
        const renewed = this.#nonce()
        const expiresAt = now + (ms ?? group.leaseMs)
        this.#entries.lease(group.id, seq, attempt, renewed, expiresAt)
        return { nonce: renewed, expiresAt }
      }
    }
  }

  #wait(group: Group, seq: number, attempt: number, now: number, ms: number, settled: Settled): void {
    this.#entries.wait(group.id, seq, attempt, now + ms)
    if (ms <= 0) settled.due++
    else settled.nextAt = Math.min(settled.nextAt ?? Number.POSITIVE_INFINITY, now + ms)
  }

  /** Whether this lease was settled this way before, and would last still. */
  #repeated(group: Group, { nonce, until, kind }: SettleItem, now: number): boolean {
    return until > now && this.#remembered.get(until, nonce, group.id, outcomes[kind]) !== undefined
  }
}
