/**
 * What clients know of the events that they published, and the comparison with what the log then holds:
 * A attempted, K acknowledged, F failed for certain, R read. Lost = K − R, unexpected = R − A and R ∩ F; both must be
 * empty. An event is known by a token in its data, because its id may be the gateway's.
 */
export interface Published {
  readonly token: string
  /** Events of one key are attempted one after the other, so that their order is known. */
  readonly key?: string
  /** Events of one atomic publish are all there or none. */
  readonly atom?: string
}

export interface ReadEvent {
  readonly token: string
  readonly id: string
  readonly position: string
}

export interface Violation {
  readonly kind: 'lost' | 'unexpected' | 'reordered' | 'doubled' | 'torn' | 'changed'
  readonly token: string
  readonly detail: string
}

export interface Report {
  readonly attempted: number
  readonly acknowledged: number
  /** Attempted, with an outcome that no client ever learnt. */
  readonly unknown: number
  /** Published more than once, because the first outcome was not learnt. */
  readonly repeated: number
  /** Events of the log that were compared. */
  readonly checked: number
  readonly violations: readonly Violation[]
}

interface Entry {
  readonly place: number
  readonly published: Published
  attempts: number
  acknowledged?: { id: string; position: string | undefined }
  failed: boolean
}

export class Ledger {
  readonly #entries = new Map<string, Entry>()
  #acknowledged = 0

  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Notes that an event is about to be sent, the first time or again. */
  attempt(published: Published): void {
    const known = this.#entries.get(published.token)
    if (known !== undefined) known.attempts++
    else this.#entries.set(published.token, { place: this.#entries.size, published, attempts: 1, failed: false })
  }

  acknowledge(token: string, id: string, position: string | undefined): void {
    const entry = this.#entry(token)
    if (entry.acknowledged === undefined) this.#acknowledged++
    entry.acknowledged = { id, position }
  }

  /** The gateway said that it stored nothing of it. A timeout or a lost connection is no such answer. */
  fail(token: string): void {
    this.#entry(token).failed = true
  }

  #entry(token: string): Entry {
    const entry = this.#entries.get(token)
    if (entry === undefined) throw new Error(`${token} was answered, and never attempted.`)
    return entry
  }

  /**
   * Compares with the whole log, read in its order. `deduplicated` says that every repetition was published inside the
   * deduplication window; else an event may be there twice where it was published twice.
   */
  check(read: readonly ReadEvent[], deduplicated: boolean): Report {
    const violations: Violation[] = []
    const found = new Map<string, ReadEvent>()
    const lastOfKey = new Map<string, Entry>()
    for (const event of read) {
      const { token } = event
      const entry = this.#entries.get(token)
      const earlier = found.get(token)
      if (entry === undefined) {
        violations.push({ kind: 'unexpected', token, detail: `${event.id} at ${event.position} was never attempted` })
        continue
      }
      if (entry.failed) violations.push({ kind: 'unexpected', token, detail: 'its publish was said to have failed' })
      if (earlier !== undefined) {
        const allowed = !deduplicated && entry.attempts > 1 && earlier.id === event.id
        const detail = `at ${earlier.position} and at ${event.position}, attempted ${entry.attempts} times`
        if (!allowed) violations.push({ kind: 'doubled', token, detail })
        continue
      }
      found.set(token, event)
      const { key } = entry.published
      if (key === undefined) continue
      const last = lastOfKey.get(key)
      if (last !== undefined && last.place > entry.place) {
        const { token: later } = last.published
        const detail = `at ${event.position} comes after ${later} of key ${key}, at ${found.get(later)?.position}`
        violations.push({ kind: 'reordered', token, detail })
      }
      lastOfKey.set(key, entry)
    }
    violations.push(...this.#missing(found), ...this.#torn(found))
    const entries = [...this.#entries.values()]
    return {
      attempted: this.#entries.size,
      acknowledged: this.#acknowledged,
      unknown: entries.filter((one) => one.acknowledged === undefined && !one.failed).length,
      repeated: entries.filter(({ attempts }) => attempts > 1).length,
      checked: read.length,
      violations,
    }
  }

  *#missing(found: ReadonlyMap<string, ReadEvent>): Iterable<Violation> {
    for (const [token, { acknowledged }] of this.#entries) {
      if (acknowledged === undefined) continue
      const event = found.get(token)
      const { id, position } = acknowledged
      if (event === undefined) {
        yield { kind: 'lost', token, detail: `acknowledged as ${id} at ${position ?? 'no position'}` }
      } else if (event.id !== id || (position !== undefined && event.position !== position)) {
        const detail = `acknowledged as ${id} at ${position}, read as ${event.id} at ${event.position}`
        yield { kind: 'changed', token, detail }
      }
    }
  }

  *#torn(found: ReadonlyMap<string, ReadEvent>): Iterable<Violation> {
    const atoms = Map.groupBy(this.#entries.values(), ({ published }) => published.atom)
    for (const [atom, entries] of atoms) {
      if (atom === undefined) continue
      const there = entries.filter(({ published }) => found.has(published.token)).length
      if (there === 0 || there === entries.length) continue
      yield { kind: 'torn', token: atom, detail: `${there} of ${entries.length} events of an atomic publish are there` }
    }
  }
}
