import { describe, expect, test } from 'vitest'
import type { AttributeValue, Event } from '../../src/core/event.ts'
import type { DataValue, Filter } from '../../src/core/filter.ts'
import { Matcher, matches } from '../../src/delivery/match/matcher.ts'

const utf8 = new TextEncoder()

/** Small numbers with a seed (mulberry32), so that a failure can be repeated. */
function randomOf(seed: number) {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n: number) => Math.floor(next() * n)
  const pick = <X>(from: readonly X[]): X => from[below(from.length)]!
  return { below, pick }
}
type Random = ReturnType<typeof randomOf>

// Few letters, so that filters and events meet.
const names = ['type', 'source', 'subject', 'flag', 'count', '__proto__', 'constructor']
const words = ['a', 'b', 'ab', 'ba', 'aba', 'abb', 'true', '1', '-1', '__proto__']
const pointers = [
  '',
  '/a',
  '/b',
  '/a/b',
  '/a/0',
  '/l/1',
  '/~0~1',
  '/__proto__',
  '/constructor/name',
  'bad',
  '/l/length',
]
const scalars: readonly DataValue[] = [null, true, false, 0, 1, -1, '1', 'true', 'a', 'b', '', 'null']

function recordOf<X>(random: Random, keys: readonly string[], value: () => X): Record<string, X> {
  const record: Record<string, X> = {}
  for (let i = random.below(3); i >= 0; i--) {
    const settings = { value: value(), enumerable: true, configurable: true, writable: true }
    Object.defineProperty(record, random.pick(keys), settings)
  }
  return record
}

function filterOf(random: Random, depth: number): Filter {
  const several = () => Array.from({ length: random.below(4) }, () => filterOf(random, depth - 1))
  switch (random.below(depth > 0 ? 10 : 6)) {
    case 0:
    case 1:
      return { exact: recordOf(random, names, () => random.pick(words)) }
    case 2:
      return { prefix: recordOf(random, names, () => random.pick(words)) }
    case 3:
      return { suffix: recordOf(random, names, () => random.pick(words)) }
    case 4:
    case 5: {
      const one = () => random.pick(scalars)
      const value = () => (random.below(2) === 0 ? one() : Array.from({ length: random.below(4) }, one))
      return { data: recordOf(random, pointers, value) }
    }
    case 6:
      return { not: filterOf(random, depth - 1) }
    case 7:
      return { all: several() }
    default:
      return { any: several() }
  }
}

function documentOf(random: Random, depth: number): unknown {
  const kind = random.below(depth > 0 ? 4 : 2)
  if (kind < 2) return random.pick(scalars)
  if (kind === 2) return Array.from({ length: random.below(3) }, () => documentOf(random, depth - 1))
  const keys = ['a', 'b', 'l', '~/', '__proto__', 'constructor']
  return recordOf(random, keys, () => documentOf(random, depth - 1))
}

function eventOf(random: Random): Event {
  const core = { specversion: '1.0', id: 'a', source: random.pick(words), type: random.pick(words) } as const
  const values: readonly AttributeValue[] = [...words, true, false, 1, -1]
  const attributes = { ...core, ...recordOf(random, names.slice(2), () => random.pick(values)) }
  const kind = random.below(8)
  if (kind === 0) return { attributes }
  if (kind === 1) return { attributes, data: utf8.encode('{"a":') }
  const data = utf8.encode(JSON.stringify(documentOf(random, 3)))
  return { attributes: kind === 2 ? { ...attributes, datacontenttype: 'text/plain' } : attributes, data }
}

/** The rules again, as plainly as they can be said. */
function plainly(filter: Filter, event: Event): boolean {
  const text = (name: string) => Object.getOwnPropertyDescriptor(event.attributes, name)?.value?.toString()
  if ('exact' in filter) return Object.keys(filter.exact).every((name) => text(name) === filter.exact[name])
  if ('prefix' in filter) return Object.keys(filter.prefix).every((name) => text(name)?.startsWith(filter.prefix[name]))
  if ('suffix' in filter) return Object.keys(filter.suffix).every((name) => text(name)?.endsWith(filter.suffix[name]))
  if ('all' in filter) return filter.all.every((part) => plainly(part, event))
  if ('any' in filter) return filter.any.some((part) => plainly(part, event))
  if ('not' in filter) return !plainly(filter.not, event)
  const found = scalarsOf(event)
  return Object.entries(filter.data).every(([pointer, wanted]) =>
    [wanted].flat().some((value) => found.get(pointer) === value && found.has(pointer)),
  )
}

/** Every scalar of the data by its pointer. */
function scalarsOf({ attributes, data }: Event): Map<string, unknown> {
  const found = new Map<string, unknown>()
  const walk = (value: unknown, path: string) => {
    if (typeof value !== 'object' || value === null) found.set(path, value)
    else
      for (const [key, part] of Object.entries(value))
        walk(part, `${path}/${key.replace('~', '~0').replace('/', '~1')}`)
  }
  if (data === undefined || attributes.datacontenttype !== undefined) return found
  try {
    walk(JSON.parse(new TextDecoder().decode(data)), '')
  } catch {
    // No JSON holds nothing.
  }
  return found
}

test('random filters: the index, the compiled filters and the plain rules agree', { timeout: 120_000 }, () => {
  let hits = 0
  let cases = 0
  for (let seed = 1; seed <= 60; seed++) {
    const random = randomOf(seed)
    const entries = Array.from({ length: random.pick([1, 5, 20, 150]) }, (_, value) => ({
      filters: Array.from({ length: random.below(4) }, () => filterOf(random, 3)),
      value,
    }))
    const matcher = new Matcher(entries)
    for (let i = 0; i < 40; i++) {
      const event = eventOf(random)
      const expected = entries.filter(({ filters }) => filters.every((filter) => plainly(filter, event)))
      const values = expected.map(({ value }) => value)
      const where = `seed ${seed}, event ${i}`
      expect(
        entries.filter(({ filters }) => matches(filters, event)).map(({ value }) => value),
        where,
      ).toEqual(values)
      expect(matcher.match(event), where).toEqual(values)
      hits += values.length
      cases += entries.length
    }
  }
  // Filters that never or always matched would prove little.
  expect(cases).toBeGreaterThan(50_000)
  expect(hits / cases).toBeGreaterThan(0.1)
  expect(hits / cases).toBeLessThan(0.7)
})

describe('when data is read', () => {
  const bytes = utf8.encode('{"customer":"c7","region":"eu"}')

  /** An event that counts how many times somebody reached for its data. */
  function watched(type: string) {
    let reads = 0
    const event: Event = {
      attributes: { specversion: '1.0', id: '1', source: '/s', type },
      form: 'json',
      get data() {
        reads++
        return bytes
      },
    }
    return { event, reads: () => reads }
  }
  // Whether there is data, and then the data.
  const once = 2
  const values = (filters: readonly (readonly Filter[])[]) =>
    new Matcher(filters.map((each, value) => ({ filters: each, value })))

  test.each<[string, (i: number) => readonly Filter[]]>([
    ['in one filter', (i) => [{ all: [{ data: { '/customer': `c${i}` } }, { exact: { type: 'order' } }] }]],
    ['in two', (i) => [{ data: { '/customer': `c${i}` } }, { exact: { type: 'order' } }]],
    ['in an any of one', (i) => [{ data: { '/customer': `c${i}` } }, { any: [{ prefix: { type: 'ord' } }] }]],
    ['in a not', (i) => [{ data: { '/customer': `c${i}` } }, { not: { not: { exact: { type: 'order' } } } }].reverse()],
  ])('only where the attributes lead to it: %s', (label, filterOfOne) => {
    for (const size of [1, 5, 500]) {
      const matcher = values(Array.from({ length: size }, (_, i) => filterOfOne(size === 1 ? 7 : i)))
      const other = watched('invoice')
      expect(matcher.match(other.event)).toEqual([])
      // Nothing about a not can be looked up: the data is what is left to look at.
      if (label !== 'in a not') expect(other.reads()).toBe(0)
      const own = watched('order')
      expect(matcher.match(own.event)).toEqual(size === 1 ? [0] : size === 500 ? [7] : [])
      expect(own.reads()).toBe(once)
    }
  })

  test('at most once, whoever asks', () => {
    const matcher = values([
      [{ data: { '/customer': 'c7' } }],
      [{ not: { data: { '/region': 'us' } } }],
      [{ any: [{ exact: { type: 'x' } }, { data: { '/region': 'eu' } }] }],
    ])
    const { event, reads } = watched('order')
    expect(matcher.match(event)).toEqual([0, 1, 2])
    expect(reads()).toBe(once)
  })

  test('not where an attribute decides already', () => {
    const matcher = values([
      [{ not: { all: [{ data: { '/region': 'eu' } }, { exact: { type: 'x' } }] } }],
      [{ any: [{ not: { data: { '/region': 'eu' } } }, { exact: { type: 'order' } }] }],
    ])
    const { event, reads } = watched('order')
    expect(matcher.match(event)).toEqual([0, 1])
    expect(reads()).toBe(0)
  })
})

test('what nearly everybody asks for does not make everybody a candidate', () => {
  const size = 2_000
  let tested = 0
  // The index leads to an entry by something else; only then its predicate asks for this attribute.
  const shapes: readonly ((i: number) => Filter)[] = [
    (i) => ({ exact: { type: 'order', subject: `s${i}` } }),
    (i) => ({ all: [{ exact: { type: 'order' } }, { all: [{ prefix: { subject: `s${i}` } }] }] }),
    (i) => ({ any: [{ exact: { type: 'order', subject: `s${i}` } }, { exact: { type: 'x', subject: `s${i}` } }] }),
    (i) => ({ all: [{ exact: { type: 'order' } }, { data: { '/s': `s${i}` } }] }),
  ]
  for (const shape of shapes) {
    const matcher = new Matcher(
      Array.from({ length: size }, (_, value) => ({
        // Met only by an entry that is tried out, for nothing in a not can be looked up.
        filters: [shape(value), { not: { exact: { watched: 'no' } } }],
        value,
      })),
    )
    const attributes = { specversion: '1.0', id: '1', source: '/s', type: 'order', subject: 's1234' } as const
    const event: Event = {
      attributes: Object.defineProperty({ ...attributes }, 'watched', {
        get: () => {
          tested++
          return 'yes'
        },
      }),
      data: utf8.encode('{"s":"s1234"}'),
    }
    tested = 0
    // As a prefix, s1, s12 and s123 match too.
    const expected = shape === shapes[1] ? [1, 12, 123, 1234] : [1234]
    expect(matcher.match(event)).toEqual(expected)
    expect(tested).toBe(expected.length)
  }
})

test('filters with very many conditions and alternatives are bounded in what they make of the index', () => {
  const many = Array.from({ length: 12 }, (_, n) => n)
  const filters = many.map((n): Filter => ({ any: many.map((value) => ({ exact: { [`a${n}`]: `${value}` } })) }))
  const matcher = new Matcher(Array.from({ length: 50 }, (_, value) => ({ filters, value })))
  const core = { specversion: '1.0', id: '1', source: '/s', type: 't' } as const
  const extensions = Object.fromEntries(many.map((n) => [`a${n}`, n]))
  expect(matcher.match({ attributes: { ...core, ...extensions } })).toHaveLength(50)
  expect(matcher.match({ attributes: { ...core, ...extensions, a11: 12 } })).toEqual([])
})
