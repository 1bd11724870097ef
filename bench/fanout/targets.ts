import { p99, p99Ratio, perSecond, type RowTarget, ratio } from '../targets.ts'

function backlog(setting: string): RowTarget[] {
  const row = { section: 'a backlog', setting, server: 'fanout', better: 'more' } as const
  return [
    { ...row, what: `a backlog, ${setting}: over the bare loop`, of: ratio, unit: '×', goal: 0.6, floor: 0.4 },
    { ...row, what: `a backlog, ${setting}`, of: perSecond, unit: '/s', goal: 12_000 },
  ]
}

function both(setting: string): RowTarget {
  const row = { section: 'publishing and delivering', setting, server: 'fanout', better: 'more' } as const
  return { ...row, what: `publishing and delivering, ${setting}`, of: perSecond, unit: '/s', goal: 8000, floor: 5000 }
}

export const fanoutTargets: readonly RowTarget[] = [
  ...backlog('1 destination'),
  ...backlog('1 of 100 destinations'),
  ...backlog('each of 50 destinations'),
  ...backlog('each of 100 destinations'),
  ...backlog('from the log'),
  both('one event a request'),
  both('batches'),
  {
    what: 'publish to delivery at 500/s: p99',
    section: 'publish to delivery',
    setting: '1 destination',
    server: 'fanout',
    of: p99,
    unit: 'ms',
    goal: 5,
    better: 'less',
  },
  {
    what: 'one hung and one dead endpoint: p99 of the others over that without',
    section: 'publish to delivery',
    setting: '1 of 1000',
    server: 'troubled',
    of: p99Ratio,
    unit: '×',
    goal: 1.5,
    better: 'less',
  },
]
