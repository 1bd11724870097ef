import type { ServerKind } from '../server.ts'
import { type Check, checkRows, p99Over, type RowTarget, ratio } from '../targets.ts'
import type { BrokerResult } from './run.ts'

/** What is promised of the gateway over every broker. */
function targetsOf(server: ServerKind): RowTarget[] {
  const more = { setting: '', of: ratio, unit: '×', better: 'more' } as const
  return [
    {
      ...more,
      what: "64 connections: requests/s over the ceiling's or the client's",
      section: 'closed',
      server,
      goal: 0.6,
    },
    ...(['batch', 'NDJSON'] as const).map(
      (section): RowTarget => ({ ...more, what: `${section}: events/s over the client's`, section, server, goal: 0.8 }),
    ),
    {
      what: "500/s: p99 above the client's",
      section: 'open',
      setting: '',
      server,
      of: p99Over,
      unit: 'ms',
      goal: 2,
      better: 'less',
    },
    { ...more, what: "consume to ack: events/s over the client's", section: 'consume', server: 'port', goal: 0.7 },
  ]
}

export function checkBrokers(results: readonly BrokerResult[]): Check[] {
  return results.flatMap(({ broker, type, rows }) =>
    checkRows(rows, targetsOf(type)).map((check) => ({ ...check, what: `${broker}, ${check.what}` })),
  )
}
