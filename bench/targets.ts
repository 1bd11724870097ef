import type { LagRun } from './kafka/lag.ts'
import type { MatchRun } from './match.ts'
import type { Row } from './measure/row.ts'
import type { StartRow } from './measure/start.ts'
import type { MemoryRun } from './memory.ts'
import type { ServerKind } from './server.ts'

/** A figure that was promised, and what was reached. */
export interface Check {
  readonly what: string
  readonly value: number
  readonly unit: '×' | '/s' | 'ms' | 'µs' | 'MB'
  readonly goal: number
  /** Below it, the promise is broken and not only missed. */
  readonly floor?: number
  readonly better: 'more' | 'less'
  readonly verdict: 'met' | 'missed' | 'below floor'
}

type Target = Omit<Check, 'value' | 'verdict'>

/** A promise about rows: which row, and which of its figures. */
export interface RowTarget extends Target {
  readonly section: string
  readonly setting: string
  readonly server: ServerKind
  readonly of: (row: Row) => number | undefined
}

export const p99 = (row: Row): number => row.p99
export const ratio = (row: Row): number | undefined => row.ratio?.median
export const p99Ratio = (row: Row): number | undefined => row.p99Ratio?.median
export const p99Over = (row: Row): number | undefined => row.p99Over?.median
export const p50Over = (row: Row): number | undefined => row.p50Over?.median
export const perSecond = (row: Row): number | undefined => row.perSecond

function closed(server: 'memory' | 'durable', connections: number, goal: number, floor?: number): RowTarget {
  const setting = connections === 1 ? '1 connection' : `${connections} connections`
  const what = `${server}, ${setting}: requests/s over the ceiling's`
  const row = { section: 'closed', setting, server, of: ratio } as const
  return { what, ...row, unit: '×', goal, ...(floor !== undefined && { floor }), better: 'more' }
}

function each(target: (server: 'memory' | 'durable') => RowTarget): RowTarget[] {
  return [target('memory'), target('durable')]
}

const publishTargets: readonly RowTarget[] = [
  closed('memory', 64, 0.75, 0.6),
  closed('durable', 64, 0.6, 0.45),
  closed('durable', 1, 0.33),
  ...each((server) => ({
    what: `${server}, 64 connections: p99 over the ceiling's`,
    section: 'closed',
    setting: '64 connections',
    server,
    of: p99Ratio,
    unit: '×',
    goal: 2.5,
    better: 'less',
  })),
  ...each((server) => ({
    what: `${server}, 500/s: p99 above the ceiling's`,
    section: 'open',
    setting: '500/s',
    server,
    of: p99Over,
    unit: 'ms',
    goal: 2,
    better: 'less',
  })),
  { ...stream('memory', 100_000) },
  { ...stream('durable', 50_000), floor: 25_000 },
  ...each((server) => ({
    what: `${server}: log read as NDJSON`,
    section: 'log read',
    setting: '',
    server,
    of: perSecond,
    unit: '/s',
    goal: 150_000,
    better: 'more',
  })),
]

function stream(server: 'memory' | 'durable', goal: number): RowTarget {
  const row = { section: 'NDJSON', setting: '', server, of: perSecond } as const
  return { what: `${server}: NDJSON streaming`, ...row, unit: '/s', goal, better: 'more' }
}

/** Requests/s of the ceiling at 64 connections where the goals in events/s and in milliseconds were set. */
const referenceCeiling = 28_000

/** How fast this machine is now, as a part of the one that the absolute goals were set on; undefined where not measured. */
export function machineSpeed(rows: readonly Row[]): number | undefined {
  const row = rows.find(
    ({ section, setting, server }) =>
      section.startsWith('closed') && setting === '64 connections' && server === 'ceiling',
  )
  return row === undefined ? undefined : row.perSecond / referenceCeiling
}

/** The promises of which something was measured. */
export function checkRows(rows: readonly Row[], targets = publishTargets): Check[] {
  return targets.flatMap(({ section, setting, server, of, ...target }) => {
    const row = rows.find(
      (row) => row.section.startsWith(section) && row.setting.startsWith(setting) && row.server === server,
    )
    const value = row === undefined ? undefined : of(row)
    return value === undefined ? [] : [judge(target, value)]
  })
}

export function checkStart(rows: readonly StartRow[]): Check[] {
  return rows
    .filter(({ server }) => server !== 'ceiling')
    .map(({ server, firstAnswer }) => {
      const what = `${server}: start of node to the first answer`
      return judge({ what, unit: 'ms', goal: 400, better: 'less' }, firstAnswer.median)
    })
}

export function checkMemory(runs: readonly MemoryRun[]): Check[] {
  return runs.flatMap(({ server, maxMB, growth }) => [
    judge({ what: `${server}: most resident memory`, unit: 'MB', goal: 200, better: 'less' }, maxMB),
    judge({ what: `${server}: last minute over the second`, unit: '×', goal: 1.1, better: 'less' }, growth),
  ])
}

export function checkLag({ maxMB }: LagRun): Check {
  return judge({ what: 'most resident memory with readers far behind', unit: 'MB', goal: 300, better: 'less' }, maxMB)
}

/** Of a gateway that delivers, whatever was measured of it. */
export function checkRss(rows: readonly Row[]): Check[] {
  const peaks = rows.filter(({ server }) => server === 'fanout').map(({ peakMB, rssMB }) => peakMB ?? rssMB)
  if (peaks.length === 0) return []
  return [judge({ what: 'most resident memory', unit: 'MB', goal: 200, better: 'less' }, Math.max(...peaks))]
}

/** At the most subscriptions. */
export function checkMatch(runs: readonly MatchRun[]): Check[] {
  const most = Math.max(...runs.map(({ subscriptions }) => subscriptions))
  return runs
    .filter(({ subscriptions }) => subscriptions === most)
    .map(({ filters, micros }) => {
      const what = `${filters}: an event, ${most} subscriptions`
      return judge({ what, unit: 'µs', goal: 50, better: 'less' }, micros.median)
    })
}

function judge(target: Target, value: number): Check {
  const reaches = (bound: number): boolean => (target.better === 'more' ? value >= bound : value <= bound)
  const floor = target.floor ?? (target.better === 'more' ? 0 : Number.POSITIVE_INFINITY)
  const verdict = reaches(target.goal) ? 'met' : reaches(floor) ? 'missed' : 'below floor'
  return { ...target, value, verdict }
}
