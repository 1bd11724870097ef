import type { DataValue, Filter } from '../../core/filter.ts'
import { Pointer } from './pointer.ts'
import type { View } from './view.ts'

/** A filter, compiled. */
export interface Predicate {
  readonly test: (view: View) => boolean
  /** Whether it may ask for data. */
  readonly data: boolean
}

/** `filters` as one predicate: all of them must match. They are as deep as whoever accepted them allows. */
export function compile(filters: readonly Filter[]): Predicate {
  return all(filters.map(compileOne))
}

function compileOne(filter: Filter): Predicate {
  if ('exact' in filter) return texts(filter.exact, (text, wanted) => text === wanted)
  if ('prefix' in filter) return texts(filter.prefix, (text, wanted) => text.startsWith(wanted))
  if ('suffix' in filter) return texts(filter.suffix, (text, wanted) => text.endsWith(wanted))
  if ('all' in filter) return compile(filter.all)
  if ('any' in filter) return any(filter.any.map(compileOne))
  if ('not' in filter) {
    const { test, data } = compileOne(filter.not)
    return { test: (view) => !test(view), data }
  }
  return all(Object.entries(filter.data).map(([pointer, wanted]) => values(new Pointer(pointer), valuesOf(wanted))))
}

export function valuesOf(wanted: DataValue | readonly DataValue[]): readonly DataValue[] {
  return isList(wanted) ? wanted : [wanted]
}

function isList(wanted: DataValue | readonly DataValue[]): wanted is readonly DataValue[] {
  return Array.isArray(wanted)
}

function texts(wanted: Readonly<Record<string, string>>, test: (text: string, wanted: string) => boolean): Predicate {
  return all(
    Object.entries(wanted).map(([name, value]) => ({
      test: (view) => {
        const text = view.text(name)
        return text !== undefined && test(text, value)
      },
      data: false,
    })),
  )
}

/** JSON's types are kept apart: a set takes neither "1" nor true for 1. */
function values(pointer: Pointer, wanted: readonly DataValue[]): Predicate {
  const set = new Set<DataValue | undefined>(wanted)
  return { test: (view) => set.has(view.value(pointer)), data: true }
}

function all(parts: readonly Predicate[]): Predicate {
  if (parts.length === 1) return parts[0]!
  const tests = attributesFirst(parts)
  return { test: (view) => tests.every((test) => test(view)), data: parts.some(({ data }) => data) }
}

function any(parts: readonly Predicate[]): Predicate {
  if (parts.length === 1) return parts[0]!
  const tests = attributesFirst(parts)
  return { test: (view) => tests.some((test) => test(view)), data: parts.some(({ data }) => data) }
}

/** Data is parsed only where the attributes leave the answer open. */
function attributesFirst(parts: readonly Predicate[]): readonly Predicate['test'][] {
  return [...parts.filter(({ data }) => !data), ...parts.filter(({ data }) => data)].map(({ test }) => test)
}
