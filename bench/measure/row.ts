import { Latencies } from '../histogram.ts'
import type { ServerKind } from '../server.ts'
import type { Samples } from './lab.ts'
import type { Sample } from './subject.ts'

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** What one server reached in one setting, over all rounds. */
export interface Row {
  readonly section: string
  readonly setting: string
  readonly server: ServerKind
  /** Events a second: the median of the rounds. */
  readonly perSecond: number
  /** Whom the row is compared to, in the same cycle; absent for that one itself. */
  readonly base?: ServerKind
  readonly ratio?: Spread
  /** Events/s over those of the server that sends one record for each request. */
  readonly overOne?: Spread
  /** Milliseconds, of all rounds together. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** p99 of a round over that of the base in the same cycle, and the differences in milliseconds. */
  readonly p99Ratio?: Spread
  readonly p99Over?: Spread
  readonly p50Over?: Spread
  /** Of the server's process, all threads. */
  readonly cpuSecondsPer100k: number
  /** Of the broker that it works with. */
  readonly brokerCpuSecondsPer100k?: number
  /** The most after any round; and the most ever, where the system says. */
  readonly rssMB: number
  readonly peakMB?: number
  readonly failures: number
  readonly failure?: string
  /** How busy the load process was at most, of one core. Near 1 it, not the server, set the pace. */
  readonly loadCpuShare: number
  /** Mean of the cores that other processes took from the measurement, where the system says. */
  readonly foreignCores?: number
  /** Open loop: p99 of how late the load process was itself, which is in the latencies. */
  readonly lateP99?: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)! }
}

/** A row for each server, compared to the slowest of `bases`. */
export function rowsOf(
  section: string,
  setting: string,
  samples: Samples,
  bases: readonly ServerKind[] = ['ceiling'],
): Row[] {
  const base = slowest(samples, bases)
  const theirs = samples.get(base)
  const one = samples.get('one')
  return [...samples].map(([server, own]) => {
    const merged = Latencies.merge(own.map(({ outcome }) => outcome.latency))
    const events = sum(own, ({ outcome }) => outcome.events)
    const peaks = own.flatMap(({ peakMB }) => peakMB ?? [])
    const late = own.flatMap(({ outcome }) => outcome.lateness ?? [])
    const foreign = own.flatMap(({ foreignCores }) => foreignCores ?? [])
    const broker = own.flatMap(({ brokerCpuSeconds }) => brokerCpuSeconds ?? [])
    const failure = own.find(({ outcome }) => outcome.failure !== undefined)?.outcome.failure
    return {
      section,
      setting,
      server,
      perSecond: spread(own.map(rate)).median,
      ...(theirs !== undefined && !bases.includes(server) && { base, ...compare(own, theirs) }),
      ...(one !== undefined && server !== 'one' && server !== base && { overOne: ratioOf(own, one) }),
      p50: merged.percentileMs(50),
      p99: merged.percentileMs(99),
      p999: merged.percentileMs(99.9),
      cpuSecondsPer100k: (sum(own, ({ cpuSeconds }) => cpuSeconds) / events) * 100_000,
      ...(broker.length > 0 && { brokerCpuSecondsPer100k: (broker.reduce((a, b) => a + b) / events) * 100_000 }),
      rssMB: Math.max(...own.map(({ rssMB }) => rssMB)),
      ...(peaks.length > 0 && { peakMB: Math.max(...peaks) }),
      failures: sum(own, ({ outcome }) => outcome.failures),
      ...(failure !== undefined && { failure }),
      loadCpuShare: Math.max(...own.map(({ outcome }) => outcome.cpuShare)),
      ...(foreign.length > 0 && { foreignCores: foreign.reduce((a, b) => a + b) / foreign.length }),
      ...(late.length > 0 && { lateP99: Latencies.merge(late).percentileMs(99) }),
    }
  })
}

function slowest(samples: Samples, bases: readonly ServerKind[]): ServerKind {
  const median = (kind: ServerKind): number => spread((samples.get(kind) ?? []).map(rate)).median
  return bases.toSorted((one, other) => median(one) - median(other))[0]!
}

type Comparison = Pick<Row, 'ratio' | 'p99Ratio' | 'p99Over' | 'p50Over'>

function compare(own: readonly Sample[], base: readonly Sample[]): Comparison {
  const pairs = own.map((sample, i) => [sample, base[i]!] as const)
  return {
    ratio: ratioOf(own, base),
    p99Ratio: spread(pairs.map(([mine, theirs]) => percentile(mine, 99) / percentile(theirs, 99))),
    p99Over: spread(pairs.map(([mine, theirs]) => percentile(mine, 99) - percentile(theirs, 99))),
    p50Over: spread(pairs.map(([mine, theirs]) => percentile(mine, 50) - percentile(theirs, 50))),
  }
}

function ratioOf(own: readonly Sample[], base: readonly Sample[]): Spread {
  return spread(own.map((sample, i) => rate(sample) / rate(base[i]!)))
}

function rate({ outcome }: Sample): number {
  return outcome.events / outcome.seconds
}

function percentile({ outcome }: Sample, of: number): number {
  return Latencies.decode(outcome.latency).percentileMs(of)
}

function sum(samples: readonly Sample[], of: (sample: Sample) => number): number {
  return samples.reduce((total, sample) => total + of(sample), 0)
}
