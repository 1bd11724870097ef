import type { Store } from '../../src/store/store.ts'
import type { Entry } from '../measure/lab.ts'
import { type Row, rowsOf } from '../measure/row.ts'
import type { Bench } from './bench.ts'
import { freePort } from './free-port.ts'
import { parkRows } from './parked.ts'
import { Site, type Wish } from './site.ts'

const ratePerSecond = 500
const connections = 32
const endpoints = 1000
const subscriptions = 10_000
const matching = 5000

/** From when an event was due to be published to its whole request at the endpoint, at an even rate. */
function even({ lab, receiver }: Bench, site: Site, types: number, lost: ReadonlySet<number>): Entry['round'] {
  const seconds = lab.options.seconds * (lab.options.quick ? 2 : 4)
  const events = Math.round(ratePerSecond * seconds)
  let expected = 0
  for (let i = 0; i < events; i++) if (!lost.has(i % types)) expected++
  return async () => {
    await receiver.clear(true)
    const before = await receiver.count()
    const publishing = site.publish({ kind: 'even', ratePerSecond, types, connections, seconds })
    const sample = await site.sample(expected, async () => before)
    const { failures, failure, lateness } = await publishing
    return { ...sample, outcome: { ...sample.outcome, failures, failure, lateness } }
  }
}

export async function latency(bench: Bench): Promise<Row[]> {
  const rows: Row[] = []
  for (const destinations of [1, 100]) {
    const list = bench.opened.ports.slice(0, destinations)
    const wishes = list.map((port, i) => ({ port, ...(destinations > 1 && { wants: i }) }))
    const site = await start(bench, 'fanout', wishes)
    try {
      const round = even(bench, site, destinations, new Set())
      await round()
      const name = destinations === 1 ? '1 destination' : `1 of ${destinations} destinations`
      const samples = await bench.lab.interleave(`latency, ${name}`, [{ kind: 'fanout', round }])
      rows.push(...rowsOf(`publish to delivery at ${ratePerSecond}/s`, name, samples, ['fanout']))
    } finally {
      await site.stop()
    }
  }
  return rows
}

/** A thousand endpoints; with one that hangs and one that is dead among them, what the others notice. */
export async function among(bench: Bench): Promise<Row[]> {
  const { opened } = bench
  const well = opened.ports.slice(0, endpoints).map((port, i) => ({ port, wants: i }))
  const hung = 100
  const dead = 200
  const troubled = well
    .with(hung, { port: opened.hanging, wants: hung })
    .with(dead, { port: await freePort(), wants: dead })
  const name = `1 of ${endpoints}; one hung, one dead`
  return compare(bench, name, well, troubled, new Set([hung, dead]))
}

/** The happy path beside many rows of others that wait for another hour. */
export async function parked(bench: Bench): Promise<Row[]> {
  const well = bench.opened.ports.slice(0, 100).map((port, i) => ({ port, wants: i }))
  const name = `1 of 100 destinations; ${bench.parkedRows} parked rows`
  return compare(bench, name, well, well, new Set(), (store) => parkRows(store, bench.parkedRows))
}

async function compare(
  bench: Bench,
  name: string,
  well: readonly Wish[],
  troubled: readonly Wish[],
  lost: ReadonlySet<number>,
  fill?: (store: Store) => Promise<void>,
): Promise<Row[]> {
  const sites = [await start(bench, 'fanout', well), await start(bench, 'troubled', troubled, fill)]
  try {
    const entries = sites.map((site) => {
      const own = site.kind === 'troubled' ? lost : new Set<number>()
      return { kind: site.kind, round: even(bench, site, well.length, own) }
    })
    for (const { round } of entries) await round()
    const samples = await bench.lab.interleave(name, entries)
    return rowsOf(`publish to delivery at ${ratePerSecond}/s`, name, samples, ['fanout'])
  } finally {
    for (const site of sites) await site.stop()
  }
}

/** So many subscriptions, half of which want one event: what that costs in memory, and in time. */
export async function many(bench: Bench): Promise<Row[]> {
  const { lab, receiver, opened } = bench
  const ports = opened.ports.slice(0, 100)
  const wishes = Array.from({ length: subscriptions }, (_, i) => ({
    port: ports[i % ports.length]!,
    wants: i % 2 === 0 ? 0 : i,
  }))
  const site = await start(bench, 'fanout', wishes)
  try {
    const round = async (): ReturnType<Entry['round']> => {
      await site.quiet()
      await receiver.clear()
      const first = await receiver.count()
      const publishing = site.publish({ kind: 'burst', events: 10, batch: 1, types: 1, connections: 10, seconds: 10 })
      const sample = await site.sample(matching * 10, async () => first)
      await publishing
      return sample
    }
    await round()
    const samples = await lab.interleave('many', [{ kind: 'fanout', round }])
    return rowsOf('10 events at once', `each to ${matching} of ${subscriptions}`, samples, ['fanout'])
  } finally {
    await site.stop()
  }
}

function start(
  { lab, receiver, database }: Bench,
  kind: 'fanout' | 'troubled',
  subscriptions: readonly Wish[],
  fill?: (store: Store) => Promise<void>,
): Promise<Site> {
  return Site.start(kind, lab, receiver, { subscriptions, database, ...(fill !== undefined && { fill }) })
}
