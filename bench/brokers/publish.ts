import { eventBytes } from '../load/job.ts'
import type { Entry, Lab } from '../measure/lab.ts'
import type { Measured } from '../measure/publish.ts'
import { type Row, rowsOf } from '../measure/row.ts'
import type { Task } from '../measure/subject.ts'
import type { ServerKind } from '../server.ts'
import type { Broker } from './broker.ts'
import { Contest } from './contest.ts'

const batchSize = 500
const parallel = 3
const warmMs = 5000

interface Setting {
  readonly name: string
  readonly bases: readonly ServerKind[]
  readonly entries: readonly Entry[]
}

export function closedTask(connections: number, seconds: number): Task {
  return { kind: 'closed', form: 'event', connections, seconds }
}

export function batchTask(seconds: number): Task {
  return { kind: 'closed', form: 'batch', size: batchSize, connections: parallel, seconds }
}

/** Full speed beside the HTTP stack and the client library, whichever is the slower. */
export async function full(lab: Lab, broker: Broker): Promise<Measured> {
  const { seconds } = lab.options
  const section = 'closed loop, one event a request'
  const kinds = ['ceiling', 'gateway', 'client'] as const
  const { result: rows, counts } = await Contest.hold(lab, broker, 'full', kinds, async (contest) => {
    const own = contest.own({ kind: 'batches', seconds })
    const entries = [...contest.http(closedTask(64, seconds), 'ceiling', 'gateway'), own]
    await warm(lab, entries)
    return measure(lab, section, [{ name: '64 connections', bases: ['ceiling', 'client'], entries }])
  })
  return { rows, counts }
}

export async function open(lab: Lab, broker: Broker): Promise<Measured> {
  // Longer than other rounds: at this rate a p99 needs the time to see a few hundred requests.
  const seconds = lab.options.seconds * 2
  const ratePerSecond = 500
  const { result: rows, counts } = await Contest.hold(lab, broker, 'open', ['gateway', 'client'], async (contest) => {
    const entries = [
      ...contest.http({ kind: 'open', ratePerSecond, connections: 64, seconds }, 'gateway'),
      contest.own({ kind: 'paced', ratePerSecond, seconds }),
    ]
    await warm(lab, entries)
    return measure(lab, 'open loop, from the due time', [{ name: `${ratePerSecond}/s`, bases: ['client'], entries }])
  })
  return { rows, counts }
}

export function batch(lab: Lab, broker: Broker): Promise<Measured> {
  const task = batchTask(lab.options.seconds)
  return besideBatches(lab, broker, { section: 'batch', setting: `${batchSize} × ${parallel}`, task })
}

export function ndjson(lab: Lab, broker: Broker): Promise<Measured> {
  const task: Task = { kind: 'stream', connections: 4, seconds: lab.options.seconds }
  return besideBatches(lab, broker, { section: 'NDJSON', setting: '4 streams', task })
}

async function besideBatches(
  lab: Lab,
  broker: Broker,
  { section, setting, task }: { section: string; setting: string; task: Task },
): Promise<Measured> {
  const name = section.toLowerCase()
  const { result: rows, counts } = await Contest.hold(lab, broker, name, ['gateway', 'client'], async (contest) => {
    const own = contest.own({ kind: 'batches', seconds: lab.options.seconds })
    const entries = [...contest.http(task, 'gateway'), own]
    await warm(lab, entries)
    return measure(lab, `${section}, events of ${eventBytes} bytes`, [{ name: setting, bases: ['client'], entries }])
  })
  return { rows, counts }
}

/** Longer than a round: the machine code of a broker is made meanwhile. */
export async function warm(lab: Lab, entries: readonly Entry[]): Promise<void> {
  for (const { kind, round } of entries) {
    const until = performance.now() + (kind === 'ceiling' || lab.options.quick ? 0 : warmMs)
    do await round()
    while (performance.now() < until)
  }
}

export async function measure(lab: Lab, section: string, settings: readonly Setting[]): Promise<Row[]> {
  const rows: Row[] = []
  for (const { name, bases, entries } of settings) {
    const samples = await lab.interleave(`${section} · ${name}`, entries)
    rows.push(...rowsOf(section, name, samples, bases))
  }
  return rows
}
