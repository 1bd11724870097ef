import type { Filter } from '../core/filter.ts'
import { wrongUse } from './exit.ts'
import { textOf } from './files.ts'

export interface FilterOptions {
  readonly filterType?: readonly string[]
  readonly filter?: readonly string[]
}

/** What `--filter-type` and `--filter` ask for together; undefined where neither is given. */
export async function filtersOf({ filterType = [], filter = [] }: FilterOptions): Promise<unknown[] | undefined> {
  const types: Filter[] = filterType.map((type) => ({ exact: { type } }))
  const filters: unknown[] = types.length > 1 ? [{ any: types }] : [...types]
  for (const one of filter) {
    const text = /^\s*[{[]/.test(one) ? one : await textOf(one)
    filters.push(...[parse(one, text)].flat())
  }
  return filters.length === 0 ? undefined : filters
}

function parse(given: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw wrongUse(`--filter must be JSON, or a file that holds it; ${given} is not.`)
  }
}
