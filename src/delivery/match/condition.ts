import type { DataValue, Filter } from '../../core/filter.ts'
import { valuesOf } from './predicate.ts'

/**
 * Something about an event that a map can look up: of an attribute, or of where a JSON Pointer leads in data. Two that are
 * equal are the same object (`Conditions`).
 */
export type Condition =
  | { readonly kind: 'exact' | 'prefix' | 'suffix'; readonly name: string; readonly value: string }
  | { readonly kind: 'data'; readonly name: string; readonly value: DataValue }

/** A filter matches only where at least one of these holds; with none in it, never. */
export type Clause = readonly Condition[]

/** What of a filter can be looked up, in its own shape. An empty `all` says nothing. */
export type Need = Condition | { readonly all: readonly Need[] } | { readonly any: readonly Need[] }

/** Longer ones are looked up by their beginning or end; so an attribute is cut in so many ways at most. */
const affixLength = 128

/** The conditions of many filters, and how many times each of them occurs: what occurs seldom selects best. */
export class Conditions {
  /** By kind and name, then by value: JSON's types are apart there. */
  readonly #known = new Map<string, Map<DataValue, Condition>>()
  readonly counts = new Map<Condition, number>()

  needs(filters: readonly Filter[]): Need {
    return { all: filters.map((filter) => this.#need(filter)) }
  }

  #need(filter: Filter): Need {
    if ('exact' in filter) return this.#texts('exact', filter.exact, (value) => value)
    if ('prefix' in filter) return this.#texts('prefix', filter.prefix, (value) => value.slice(0, affixLength))
    if ('suffix' in filter) return this.#texts('suffix', filter.suffix, (value) => value.slice(-affixLength))
    if ('all' in filter) return this.needs(filter.all)
    if ('any' in filter) return { any: filter.any.map((branch) => this.#need(branch)) }
    if ('not' in filter) return { all: [] }
    const pointers = Object.entries(filter.data)
    return {
      all: pointers.map(([name, wanted]) => ({
        any: valuesOf(wanted).map((value) => this.#same({ kind: 'data', name, value })),
      })),
    }
  }

  #texts(
    kind: 'exact' | 'prefix' | 'suffix',
    wanted: Readonly<Record<string, string>>,
    cut: (value: string) => string,
  ): Need {
    return { all: Object.entries(wanted).map(([name, value]) => this.#same({ kind, name, value: cut(value) })) }
  }

  #same(condition: Condition): Condition {
    const key = `${condition.kind} ${condition.name}`
    const values = this.#known.get(key) ?? new Map<DataValue, Condition>()
    if (values.size === 0) this.#known.set(key, values)
    const known = values.get(condition.value)
    if (known === undefined) {
      values.set(condition.value, condition)
      this.counts.set(condition, 1)
      return condition
    }
    this.counts.set(known, this.counts.get(known)! + 1)
    return known
  }
}

/** Everything that must hold. Of what only one branch of an `any` needs, the best of each branch is taken. */
export function clausesOf(need: Need, counts: ReadonlyMap<Condition, number>): readonly Clause[] {
  if ('kind' in need) return [[need]]
  if ('all' in need) return need.all.flatMap((part) => clausesOf(part, counts))
  const branches = need.any.map((branch) => clausesOf(branch, counts))
  if (branches.length === 1) return branches[0]!
  const chosen = new Set<Condition>()
  for (const branch of branches) {
    const best = bestOf(branch, counts)
    if (best === undefined) return []
    for (const condition of best) chosen.add(condition)
  }
  return [[...chosen]]
}

/** The clause that selects best; one about data only where there is no other, for that takes parsing. */
export function bestOf(clauses: readonly Clause[], counts: ReadonlyMap<Condition, number>): Clause | undefined {
  let best: Clause | undefined
  let least = Number.POSITIVE_INFINITY
  for (const clause of clauses) {
    const weight = weigh(clause, counts)
    if (weight >= least) continue
    best = clause
    least = weight
  }
  return best
}

function weigh(clause: Clause, counts: ReadonlyMap<Condition, number>): number {
  let weight = 0
  for (const condition of clause) weight += (counts.get(condition) ?? 0) + (condition.kind === 'data' ? parsing : 0)
  return weight
}

/** More than any count. */
const parsing = 1e9
