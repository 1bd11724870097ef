import { p50Over, p99Over, type RowTarget, ratio } from '../targets.ts'

const server = 'kafka'
const full = '64 connections'

/** What is promised of the gateway over Kafka. */
export const kafkaTargets: readonly RowTarget[] = [
  {
    what: "one node, 64 connections: requests/s over the ceiling's",
    section: 'closed',
    setting: full,
    server,
    of: ratio,
    unit: '×',
    goal: 0.7,
    floor: 0.5,
    better: 'more',
  },
  {
    what: "one connection: p50 above the client's own",
    section: 'closed',
    setting: '1 connection',
    server,
    of: p50Over,
    unit: 'ms',
    goal: 0.3,
    better: 'less',
  },
  {
    what: "500/s: p99 above the client's own",
    section: 'open',
    setting: '',
    server,
    of: p99Over,
    unit: 'ms',
    goal: 2,
    better: 'less',
  },
  ...(['batch', 'NDJSON'] as const).map(
    (section): RowTarget => ({
      what: `${section}: events/s over the client's own`,
      section,
      setting: '',
      server,
      of: ratio,
      unit: '×',
      goal: 0.6,
      floor: 0.4,
      better: 'more',
    }),
  ),
  {
    what: "log read as NDJSON: events/s over the client's own",
    section: 'log read',
    setting: '',
    server,
    of: ratio,
    unit: '×',
    goal: 0.5,
    better: 'more',
  },
  {
    what: 'three nodes, 64 connections: requests/s over one record a request',
    section: 'three',
    setting: full,
    server,
    of: (row) => row.overOne?.median,
    unit: '×',
    goal: 8,
    better: 'more',
  },
]
