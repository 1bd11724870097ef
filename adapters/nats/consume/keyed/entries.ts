import type { Msg } from '@nats-io/transport-node'
import type { Ticket } from '../../message.ts'

/** An event of the group that this process has, and that is not settled. */
export interface Entry {
  readonly key: string | undefined
  message: Msg
  ticket: Ticket
  /** Whoever was given it; none where it waits here. */
  holder: object | undefined
  /** It was given back to the server, and comes again. */
  isAway: boolean
  /** The server was asked to settle it, or to take it back; `unknown` where it did not say whether it has. */
  ending: 'asked' | 'unknown' | undefined
  /** When the server would give it to somebody else, unless it hears of it before. */
  expiresAt: number
}

/** The unsettled events of a group by their place, and which of them are the first of their key. */
export class Entries {
  /** By their places, and in the order of them unless it is mixed. */
  #all = new Map<number, Entry>()
  #last = 0
  #isMixed = false
  /** The places of each key, in order. */
  readonly #keys = new Map<string, number[]>()

  get size(): number {
    return this.#all.size
  }

  /** How many the server has given out for certain: one that it was asked to settle, or to give again, may be gone there. */
  get unsettled(): number {
    let count = 0
    for (const { ending, isAway } of this.#all.values()) if (ending === undefined && !isAway) count++
    return count
  }

  /** Whose leases this process prolongs. */
  get leased(): Entry[] {
    return [...this.#all.values()].filter(isLeased)
  }

  /** Whether such a lease is over. */
  isLate(now: number): boolean {
    for (const entry of this.#all.values()) if (entry.expiresAt <= now && isLeased(entry)) return true
    return false
  }

  get inDoubt(): Entry[] {
    return this.inOrder.filter(({ ending }) => ending === 'unknown')
  }

  /** In the order of their places. */
  get inOrder(): Entry[] {
    return [...this.#sorted.values()]
  }

  /** What comes again may lie before what came meanwhile: that is rare, and put right when somebody looks. */
  get #sorted(): ReadonlyMap<number, Entry> {
    if (this.#isMixed) {
      this.#all = new Map([...this.#all].sort(([one], [other]) => one - other))
      this.#isMixed = false
    }
    return this.#all
  }

  get(seq: number): Entry | undefined {
    return this.#all.get(seq)
  }

  add(entry: Entry): void {
    const { key, ticket } = entry
    this.#all.set(ticket.seq, entry)
    if (ticket.seq < this.#last) this.#isMixed = true
    else this.#last = ticket.seq
    if (key === undefined) return
    const places = this.#keys.get(key)
    if (places === undefined) {
      this.#keys.set(key, [ticket.seq])
      return
    }
    let at = places.length
    while (at > 0 && places[at - 1]! > ticket.seq) at--
    places.splice(at, 0, ticket.seq)
  }

  delete(seq: number): void {
    const entry = this.#all.get(seq)
    if (entry === undefined) return
    this.#all.delete(seq)
    if (entry.key === undefined) return
    const places = this.#keys.get(entry.key)!
    places.splice(places.indexOf(seq), 1)
    if (places.length === 0) this.#keys.delete(entry.key)
  }

  clear(): void {
    this.#all.clear()
    this.#keys.clear()
    this.#last = 0
    this.#isMixed = false
  }

  /** What nobody has and may be given out, in order, up to `max`. Without `holdKeys` keys do not count. */
  ready(max: number, holdKeys: boolean): Entry[] {
    const found: Entry[] = []
    for (const entry of this.#sorted.values()) {
      if (found.length >= max) break
      if (entry.holder !== undefined || entry.isAway || entry.ending !== undefined) continue
      if (holdKeys && entry.key !== undefined && this.#keys.get(entry.key)![0] !== entry.ticket.seq) continue
      found.push(entry)
    }
    return found
  }

  count(holder: object): number {
    let count = 0
    for (const entry of this.#all.values()) if (entry.holder === holder) count++
    return count
  }
}

function isLeased({ isAway, ending }: Entry): boolean {
  return !isAway && ending !== 'unknown'
}
