import type { Event } from '../../core/event.ts'
import type { Filter } from '../../core/filter.ts'
import { compile, type Predicate } from './predicate.ts'
import { View } from './view.ts'

/** Whom an event goes to, for a fixed set of subscriptions; `T` is whatever stands for one. */
export class Matcher<T> {
  readonly #entries: readonly { readonly predicate: Predicate; readonly value: T }[]

  constructor(entries: Iterable<{ readonly filters: readonly Filter[]; readonly value: T }>) {
    this.#entries = Array.from(entries, ({ filters, value }) => ({ predicate: compile(filters), value }))
  }

  /** Everything whose filters match, each once, in the order of the entries. */
  match(event: Event): T[] {
    const view = new View(event)
    return this.#entries.filter(({ predicate }) => predicate.test(view)).map(({ value }) => value)
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
