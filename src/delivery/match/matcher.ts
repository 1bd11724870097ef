import type { Event } from '../../core/event.ts'
import type { Filter } from '../../core/filter.ts'
import { Conditions, clausesOf } from './condition.ts'
import { compile, type Predicate } from './predicate.ts'
import { Tree } from './tree.ts'
import { View } from './view.ts'

/** Whom an event goes to, for a fixed set of subscriptions; `T` is whatever stands for one. */
export class Matcher<T> {
  readonly #entries: readonly { readonly predicate: Predicate; readonly value: T }[]
  readonly #tree: Tree

  constructor(entries: Iterable<{ readonly filters: readonly Filter[]; readonly value: T }>) {
    const conditions = new Conditions()
    const compiled = Array.from(entries, ({ filters, value }) => ({
      predicate: compile(filters),
      needs: conditions.needs(filters),
      value,
    }))
    this.#entries = compiled.map(({ predicate, value }) => ({ predicate, value }))
    this.#tree = new Tree(
      compiled.map(({ needs }, ordinal) => ({ ordinal, clauses: clausesOf(needs, conditions.counts), places: 1 })),
    )
  }

  /** Everything whose filters match, each once, in the order of the entries. */
  match(event: Event): T[] {
    const view = new View(event)
    const found: number[] = []
    this.#tree.collect(view, found)
    found.sort((a, b) => a - b)
    const matching: T[] = []
    for (let i = 0; i < found.length; i++) {
      if (found[i] === found[i - 1]) continue
      const { predicate, value } = this.#entries[found[i]!]!
      if (predicate.test(view)) matching.push(value)
    }
    return matching
  }
}

const compiled = new WeakMap<readonly Filter[], Predicate>()

/**
 * Whether one list of filters (an `all`; empty matches everything) matches. A list is compiled once, so it must not change
 * afterwards.
 */
export function matches(filters: readonly Filter[], event: Event): boolean {
  const predicate = compiled.get(filters) ?? compile(filters)
  compiled.set(filters, predicate)
  return predicate.test(new View(event))
}
