import { z } from 'zod'
import type { Filter } from '../core/filter.ts'

const depthMax = 8
const filtersMax = 100
const entriesMax = 50
/** Of all filters as JSON: they stay in memory, each event is held against them, and a list of subscriptions shows them. */
const charactersMax = 65_536

const attribute = /^[a-z0-9]{1,64}$/
const badEscape = /~(?![01])/

const error = 'must be a string, a number, a boolean, null, or a list of them'
const data = z.union([z.string().max(4096), z.number(), z.boolean(), z.null()], { error })

/** A map that has an entry at least; `complain` says what is wrong with a name. */
function map<T extends z.ZodType>(value: T, complain: (name: string) => string | undefined) {
  return z.record(z.string(), value).superRefine((entries, context) => {
    const names = Object.keys(entries)
    if (names.length === 0) context.addIssue({ code: 'custom', message: 'must not be empty' })
    if (names.length > entriesMax) {
      context.addIssue({ code: 'custom', message: `must have at most ${entriesMax} entries` })
    }
    for (const name of names) {
      const message = complain(name)
      if (message !== undefined) context.addIssue({ code: 'custom', path: [name], message })
    }
  })
}

const attributes = map(z.string().min(1, 'must not be empty').max(4096), (name) => {
  if (name === 'data') return 'is no attribute: the dialect data looks into it'
  return attribute.test(name) ? undefined : 'is no name of an attribute: lower-case letters and digits'
})

const pointers = map(z.union([data, z.array(data).min(1, 'must not be empty').max(100)], { error }), (pointer) =>
  (pointer === '' || pointer.startsWith('/')) && !badEscape.test(pointer)
    ? undefined
    : 'is no JSON Pointer (RFC 6901), like /customer/country',
)

/** One dialect, which `Filter` says with a union; here each is optional, so that what is wrong is told where it stands. */
type FilterForm = { [D in Dialect]?: Extract<Filter, Readonly<Record<D, unknown>>>[D] | undefined }
type Dialect = Filter extends infer F ? (F extends Filter ? keyof F : never) : never

const filter: z.ZodType<FilterForm> = z
  .strictObject({
    exact: attributes.optional(),
    prefix: attributes.optional(),
    suffix: attributes.optional(),
    get all() {
      return list.min(1, 'must not be empty').optional()
    },
    get any() {
      return list.min(1, 'must not be empty').optional()
    },
    get not() {
      return nested.optional()
    },
    data: pointers.optional(),
  })
  .refine((given) => Object.values(given).filter((value) => value !== undefined).length === 1, {
    error: 'must have exactly one of exact, prefix, suffix, all, any, not and data',
  })
  .meta({ id: 'Filter', minProperties: 1, maxProperties: 1 })

// Exactly one dialect is what was checked, so the form is a filter.
const nested = filter as unknown as z.ZodType<Filter>
const list = z.array(nested).max(filtersMax)

/** Every one of them must match; none matches everything. */
export const filtersForm = list.superRefine((filters, context) => {
  const { count, depth } = measure(filters)
  if (count > filtersMax) context.addIssue({ code: 'custom', message: `must be at most ${filtersMax} filters in all` })
  if (JSON.stringify(filters).length > charactersMax) {
    context.addIssue({ code: 'custom', message: `must have at most ${charactersMax} characters as JSON` })
  }
  if (depth > depthMax) context.addIssue({ code: 'custom', message: `must be nested at most ${depthMax} deep` })
})

function measure(filters: readonly Filter[]): { count: number; depth: number } {
  let count = filters.length
  let depth = 0
  for (const filter of filters) {
    const inner = measure(
      'all' in filter ? filter.all : 'any' in filter ? filter.any : 'not' in filter ? [filter.not] : [],
    )
    count += inner.count
    depth = Math.max(depth, inner.depth)
  }
  return { count, depth: filters.length === 0 ? 0 : depth + 1 }
}
