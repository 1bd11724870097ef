import { batchEvents } from '../load/job.ts'
import { type Count, countStored } from './count.ts'
import type { HttpSubject, Lab } from './lab.ts'
import { type Row, rowsOf } from './row.ts'
import type { Task } from './subject.ts'

export interface Measured {
  readonly rows: readonly Row[]
  readonly counts: readonly Count[]
}

interface Plan {
  readonly section: string
  readonly warmUp: Task
  readonly settings: readonly { readonly name: string; readonly task: Task }[]
}

/** Open-loop clients: more than the server needs at these rates, so that none waits for a connection. */
const openConnections = 64

export function closed(lab: Lab): Promise<Measured> {
  const { seconds } = lab.options
  const task = (connections: number): Task => ({ kind: 'closed', form: 'event', connections, seconds })
  return measure(lab, {
    section: 'closed loop, one event a request',
    warmUp: task(64),
    settings: [1, 16, 64, 256].map((n) => ({ name: n === 1 ? '1 connection' : `${n} connections`, task: task(n) })),
  })
}

export function open(lab: Lab): Promise<Measured> {
  // Longer than other rounds: at these rates a p99 needs the time to see a few hundred requests.
  const seconds = lab.options.seconds * 2
  const task = (ratePerSecond: number): Task => ({ kind: 'open', ratePerSecond, connections: openConnections, seconds })
  return measure(lab, {
    section: 'open loop, from the due time',
    warmUp: { kind: 'closed', form: 'event', connections: 64, seconds: lab.options.seconds },
    settings: [500, 2000].map((n) => ({ name: `${n}/s`, task: task(n) })),
  })
}

export function ndjson(lab: Lab): Promise<Measured> {
  const task: Task = { kind: 'stream', connections: 4, seconds: lab.options.seconds }
  return measure(lab, { section: 'NDJSON', warmUp: task, settings: [{ name: '4 streams', task }] })
}

export function batch(lab: Lab): Promise<Measured> {
  const task: Task = { kind: 'closed', form: 'batch', size: batchEvents, connections: 8, seconds: lab.options.seconds }
  return measure(lab, {
    section: `batches of ${batchEvents}`,
    warmUp: task,
    settings: [{ name: '8 connections', task }],
  })
}

function measure(lab: Lab, { section, warmUp, settings }: Plan): Promise<Measured> {
  return lab.withServers(warmUp, async (subjects) => {
    const rows: Row[] = []
    for (const { name, task } of settings) {
      const entries = subjects.map((subject) => ({ kind: subject.kind, round: () => subject.run(task) }))
      const samples = await lab.interleave(`${section} · ${name}`, entries)
      rows.push(...rowsOf(section, name, samples))
    }
    return { rows, counts: await countDurable(section, subjects) }
  })
}

export async function countDurable(section: string, subjects: readonly HttpSubject[]): Promise<Count[]> {
  const durable = subjects.filter(({ kind }) => kind === 'durable')
  return Promise.all(durable.map((subject) => countStored(section, subject)))
}
