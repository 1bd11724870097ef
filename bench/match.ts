import type { Event } from '../src/core/event.ts'
import type { Filter } from '../src/core/filter.ts'
import { Matcher } from '../src/delivery/match/matcher.ts'
import { type Spread, spread } from './measure/row.ts'
import type { MatchOptions } from './options.ts'

/** What it costs to find whom an event goes to, among so many subscriptions with filters of one shape. */
export interface MatchRun {
  readonly filters: string
  readonly subscriptions: number
  /** Microseconds for one event, over the rounds. */
  readonly micros: Spread
  /** To the fewest subscriptions, in the same round. */
  readonly ratio: Spread
  /** Milliseconds to make the index, as after every change of a subscription. */
  readonly buildMs: number
}

const sizes = [10, 100, 1_000, 10_000]

/** The filters of the subscription `i`. An event for `i` matches that one and no other. */
const shapes: Readonly<Record<string, (i: string) => readonly Filter[]>> = {
  'exact type': (i) => [{ exact: { type: `com.example.order.${i}` } }],
  'prefix of subject': (i) => [{ exact: { source: '/shop' } }, { prefix: { subject: `customers/${i}/` } }],
  'one type, data': (i) => [{ exact: { source: '/shop' } }, { data: { '/customer/id': i } }],
  'data, or a type': (i) => [{ any: [{ data: { '/customer/id': i } }, { exact: { type: `vip.${i}` } }] }],
}

const encoder = new TextEncoder()

/** About 1 KiB, its strings made anew, as those of an event that has just come are. */
function eventFor(i: string): Event {
  const data = {
    padding: 'x'.repeat(600),
    lines: [1, 2, 3, 4].map((line) => ({ line, sku: `sku-${line}`, price: 9.5 })),
  }
  const attributes = {
    specversion: '1.0',
    id: crypto.randomUUID(),
    source: '/shop',
    type: `com.example.order.${i}`,
    subject: `customers/${i}/orders/7`,
    time: '2026-01-31T12:00:00Z',
    datacontenttype: 'application/json',
    partitionkey: i,
  }
  return {
    attributes: JSON.parse(JSON.stringify(attributes)),
    data: encoder.encode(JSON.stringify({ ...data, customer: { id: i } })),
  }
}

export function measureMatch({ rounds, quick }: MatchOptions): MatchRun[] {
  return Object.entries(shapes).flatMap(([filters, filtersOf]) =>
    measure(filters, filtersOf, rounds, quick ? 500 : 10_000),
  )
}

function measure(
  filters: string,
  filtersOf: (i: string) => readonly Filter[],
  rounds: number,
  events: number,
): MatchRun[] {
  const subjects = sizes.map((subscriptions) => {
    // Of one length, so that no prefix begins another.
    const names = Array.from({ length: subscriptions }, (_, i) => String(i).padStart(8, '0'))
    const entries = names.map((name) => ({ filters: filtersOf(name), value: name }))
    const began = performance.now()
    const matcher = new Matcher(entries)
    return { subscriptions, names, matcher, buildMs: performance.now() - began, micros: [] as number[] }
  })
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const { names, matcher, micros } of subjects) {
      const wanted = Array.from({ length: events }, (_, n) => names[(n * 7919) % names.length]!)
      const fresh = wanted.map(eventFor)
      const began = performance.now()
      const matched = fresh.map((event) => matcher.match(event))
      const took = performance.now() - began
      if (matched.some((found, n) => found.length !== 1 || found[0] !== wanted[n]))
        throw new Error('A match was wrong.')
      if (round > 0) micros.push((took * 1000) / events)
    }
  }
  const fewest = subjects[0]!.micros
  return subjects.map(({ subscriptions, micros, buildMs }) => ({
    filters,
    subscriptions,
    micros: spread(micros),
    ratio: spread(micros.map((value, round) => value / fewest[round]!)),
    buildMs,
  }))
}
