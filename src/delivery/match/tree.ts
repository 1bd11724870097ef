import type { DataValue } from '../../core/filter.ts'
import { bestOf, type Clause, type Condition } from './condition.ts'
import { Pointer } from './pointer.ts'
import type { View } from './view.ts'

/** One entry in a part of the tree. */
export interface Member {
  readonly ordinal: number
  /** What must hold, and was not looked up on the way here. */
  readonly clauses: readonly Clause[]
  /** In how many places the entry may be, because of clauses with several conditions. */
  readonly places: number
}

type Place = readonly number[] | Tree

/** So few are tried one after the other. */
const few = 8
/** Bounds of what a filter with many conditions, or alternatives of alternatives, can make the tree grow to. */
const deepest = 8
const mostPlaces = 256

/**
 * Where entries are kept under something that must hold for them to match: each under one clause, and where many share a
 * place, under a further one there. So data is not read before the attributes lead to an entry that asks for it, and what
 * an event costs depends on how many entries nearly match, not on how many there are. It grows with the number of
 * different lengths of prefixes and suffixes of one attribute, and of different pointers.
 */
export class Tree {
  readonly #exact = new Map<string, Map<string, Place>>()
  readonly #prefix = new Map<string, Affixes>()
  readonly #suffix = new Map<string, Affixes>()
  readonly #data = new Map<string, { readonly pointer: Pointer; readonly places: Map<DataValue, Place> }>()
  /** Entries of which nothing can be looked up (any more). */
  readonly #rest: number[] = []

  constructor(members: readonly Member[], depth = 0) {
    const counts = new Map<Condition, number>()
    for (const { clauses } of members) {
      for (const clause of clauses) {
        for (const condition of clause) counts.set(condition, (counts.get(condition) ?? 0) + 1)
      }
    }
    const groups = new Map<Condition, Member[]>()
    for (const { ordinal, clauses, places } of members) {
      const fitting = clauses.filter(({ length }) => length <= 1 || places === 1 || places * length <= mostPlaces)
      const best = depth < deepest ? bestOf(fitting, counts) : undefined
      if (best === undefined) {
        this.#rest.push(ordinal)
        continue
      }
      const member = { ordinal, clauses: clauses.filter((clause) => clause !== best), places: places * best.length }
      for (const condition of best) {
        const group = groups.get(condition)
        if (group === undefined) groups.set(condition, [member])
        else group.push(member)
      }
    }
    for (const [condition, group] of groups) {
      this.#put(condition, group.length > few ? new Tree(group, depth + 1) : group.map(({ ordinal }) => ordinal))
    }
  }

  /** Adds to `found` the ordinals of all entries that may match, in no order; some of them twice. */
  collect(view: View, found: number[]): void {
    for (const ordinal of this.#rest) found.push(ordinal)
    if (this.#exact.size + this.#prefix.size + this.#suffix.size > 0) this.#collectTexts(view, found)
    for (const { pointer, places } of this.#data.values()) {
      const value = view.value(pointer)
      if (value !== undefined) follow(places.get(value), view, found)
    }
  }

  #collectTexts(view: View, found: number[]): void {
    for (const name of view.names) {
      const text = view.text(name)
      if (text === undefined) continue
      follow(this.#exact.get(name)?.get(text), view, found)
      const prefixes = this.#prefix.get(name)
      for (const length of prefixes?.lengths ?? none) {
        if (length <= text.length) follow(prefixes?.places.get(text.slice(0, length)), view, found)
      }
      const suffixes = this.#suffix.get(name)
      for (const length of suffixes?.lengths ?? none) {
        if (length <= text.length) follow(suffixes?.places.get(text.slice(text.length - length)), view, found)
      }
    }
  }

  #put(condition: Condition, place: Place): void {
    if (condition.kind === 'data') {
      const { name, value } = condition
      const known = this.#data.get(name) ?? { pointer: new Pointer(name), places: new Map<DataValue, Place>() }
      this.#data.set(name, known)
      known.places.set(value, place)
      return
    }
    const { kind, name, value } = condition
    if (kind === 'exact') {
      const known = this.#exact.get(name) ?? new Map<string, Place>()
      this.#exact.set(name, known)
      known.set(value, place)
      return
    }
    const affixes = kind === 'prefix' ? this.#prefix : this.#suffix
    const known = affixes.get(name) ?? { lengths: new Set<number>(), places: new Map<string, Place>() }
    affixes.set(name, known)
    known.lengths.add(value.length)
    known.places.set(value, place)
  }
}

/** The places of prefixes, or suffixes, of one attribute; and which lengths these have. */
interface Affixes {
  readonly lengths: Set<number>
  readonly places: Map<string, Place>
}

const none: readonly number[] = []

function follow(place: Place | undefined, view: View, found: number[]): void {
  if (place === undefined) return
  if (place instanceof Tree) place.collect(view, found)
  else for (const ordinal of place) found.push(ordinal)
}
