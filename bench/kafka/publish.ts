import { eventBytes } from '../load/job.ts'
import type { Entry, Lab } from '../measure/lab.ts'
import type { Measured } from '../measure/publish.ts'
import { type Row, rowsOf } from '../measure/row.ts'
import type { Task } from '../measure/subject.ts'
import type { ServerKind } from '../server.ts'
import type { Cluster } from './cluster.ts'
import { Contest } from './contest.ts'
import type { ClientTask } from './job.ts'

/** Of the client library: how it is used where events come in batches. */
const batchSize = 500
const parallel = 3
const warmMs = 5000

interface Setting {
  readonly name: string
  readonly base: ServerKind
  readonly entries: readonly Entry[]
}

const closedTask = (connections: number, seconds: number): Task => ({
  kind: 'closed',
  form: 'event',
  connections,
  seconds,
})

/** Full speed beside the HTTP stack, and a single caller beside the client library. */
export async function closed(lab: Lab, cluster: Cluster): Promise<Measured> {
  const { seconds } = lab.options
  const kinds = ['ceiling', 'kafka', 'one', 'client'] as const
  const section = 'closed loop, one event a request'
  const { result: rows, counts } = await Contest.hold(lab, cluster, 'closed', kinds, async (contest) => {
    const single: ClientTask = { kind: 'send', seconds }
    const full = contest.http(closedTask(64, seconds), 'ceiling', 'kafka', 'one')
    await warm(lab, [...full, contest.own(single)])
    return measure(lab, section, [
      {
        name: '1 connection',
        base: 'client',
        entries: [...contest.http(closedTask(1, seconds), 'ceiling', 'kafka'), contest.own(single)],
      },
      { name: '64 connections', base: 'ceiling', entries: full },
    ])
  })
  return { rows, counts }
}

/** The same at full speed on three nodes, where a record waits for its replicas. */
export async function three(lab: Lab, cluster: Cluster): Promise<Measured> {
  const kinds = ['ceiling', 'kafka', 'one'] as const
  const section = 'three nodes, one event a request'
  const { result: rows, counts } = await Contest.hold(lab, cluster, 'three', kinds, async (contest) => {
    const entries = contest.http(closedTask(64, lab.options.seconds), ...kinds)
    await warm(lab, entries)
    return measure(lab, section, [{ name: '64 connections', base: 'ceiling', entries }])
  })
  return { rows, counts }
}

export async function open(lab: Lab, cluster: Cluster): Promise<Measured> {
  // Longer than other rounds: at this rate a p99 needs the time to see a few hundred requests.
  const seconds = lab.options.seconds * 2
  const ratePerSecond = 500
  const { result: rows, counts } = await Contest.hold(lab, cluster, 'open', ['kafka', 'client'], async (contest) => {
    const entries = [
      ...contest.http({ kind: 'open', ratePerSecond, connections: 64, seconds }, 'kafka'),
      contest.own({ kind: 'paced', ratePerSecond, seconds }),
    ]
    await warm(lab, entries)
    return measure(lab, 'open loop, from the due time', [{ name: `${ratePerSecond}/s`, base: 'client', entries }])
  })
  return { rows, counts }
}

export function batch(lab: Lab, cluster: Cluster): Promise<Measured> {
  const { seconds } = lab.options
  const task: Task = { kind: 'closed', form: 'batch', size: batchSize, connections: parallel, seconds }
  return besideBatches(lab, cluster, { section: 'batch', setting: `${batchSize} × ${parallel}`, task })
}

export function ndjson(lab: Lab, cluster: Cluster): Promise<Measured> {
  const task: Task = { kind: 'stream', connections: 4, seconds: lab.options.seconds }
  return besideBatches(lab, cluster, { section: 'NDJSON', setting: '4 streams', task })
}

async function besideBatches(
  lab: Lab,
  cluster: Cluster,
  { section, setting, task }: { section: string; setting: string; task: Task },
): Promise<Measured> {
  const name = section.toLowerCase()
  const { result: rows, counts } = await Contest.hold(lab, cluster, name, ['kafka', 'client'], async (contest) => {
    const own = contest.own({ kind: 'batches', size: batchSize, parallel, seconds: lab.options.seconds })
    const entries = [...contest.http(task, 'kafka'), own]
    await warm(lab, entries)
    return measure(lab, `${section}, events of ${eventBytes} bytes`, [{ name: setting, base: 'client', entries }])
  })
  return { rows, counts }
}

/** Longer than a round: the machine code of Kafka is made meanwhile. */
async function warm(lab: Lab, entries: readonly Entry[]): Promise<void> {
  for (const { kind, round } of entries) {
    const until = performance.now() + (kind === 'ceiling' || lab.options.quick ? 0 : warmMs)
    do await round()
    while (performance.now() < until)
  }
}

export async function measure(lab: Lab, section: string, settings: readonly Setting[]): Promise<Row[]> {
  const rows: Row[] = []
  for (const { name, base, entries } of settings) {
    const samples = await lab.interleave(`${section} · ${name}`, entries)
    rows.push(...rowsOf(section, name, samples, base))
  }
  return rows
}
