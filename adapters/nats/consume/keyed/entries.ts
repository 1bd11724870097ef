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
  readonly #all = new Map<number, Entry>()
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
    return [...this.#all.values()].filter(({ isAway, ending }) => !isAway && ending !== 'unknown')
  }

  get inDoubt(): Entry[] {
    return this.inOrder.filter(({ ending }) => ending === 'unknown')
  }

  /** In the order of their places. */
  get inOrder(): Entry[] {
    return [...this.#all.values()].sort((one, other) => one.ticket.seq - other.ticket.seq)
  }

  get(seq: number): Entry | undefined {
    return this.#all.get(seq)
  }

  add(entry: Entry): void {
    const { key, ticket } = entry
    this.#all.set(ticket.seq, entry)
    if (key === undefined) return
    const places = this.#keys.get(key)
    if (places === undefined) {
      this.#keys.set(key, [ticket.seq])
      return
    }
    // What comes again may lie before what came meanwhile.
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
  }

  /** What nobody has and may be given out, in order, up to `max`. Without `holdKeys` keys do not count. */
  ready(max: number, holdKeys: boolean): Entry[] {
    const found: Entry[] = []
    // Not as they came: what was lost on its way comes after what is newer.
    for (const entry of this.inOrder) {
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
