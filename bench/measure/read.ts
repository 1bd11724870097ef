import { wholeLog } from './count.ts'
import type { HttpSubject, Lab } from './lab.ts'
import { countDurable, type Measured } from './publish.ts'
import { rowsOf } from './row.ts'
import type { Sample } from './subject.ts'

/** About 60 MiB: what memory mode keeps by default. */
const logEvents = 50_000

/** Reading the whole log as lines, over one connection. The ceiling streams as many bytes. */
export function read(lab: Lab): Promise<Measured> {
  const section = 'log read as NDJSON'
  const { seconds } = lab.options
  return lab.withServers({ kind: 'stream', connections: 4, seconds: 0 }, async (subjects) => {
    const gateways = subjects.filter(({ kind }) => kind !== 'ceiling')
    for (const subject of gateways) await fill(subject, logEvents)
    let bytesPerEvent = 0
    let bytes = 0
    for (const subject of gateways) {
      const { outcome } = await subject.run({ kind: 'read', path: wholeLog, connections: 1, seconds: 0 })
      bytes = outcome.bytes
      bytesPerEvent = outcome.bytes / outcome.events
    }
    const ceilingPath = `/v1/topics/bench/events?bytes=${bytes}`
    const round = async (subject: HttpSubject): Promise<Sample> => {
      const isCeiling = subject.kind === 'ceiling'
      const path = isCeiling ? ceilingPath : wholeLog
      const sample = await subject.run({ kind: 'read', path, connections: 1, seconds })
      // The ceiling streams bytes; as events they can be compared.
      return isCeiling ? inEvents(sample, bytesPerEvent) : sample
    }
    const entries = subjects.map((subject) => ({ kind: subject.kind, round: () => round(subject) }))
    const samples = await lab.interleave(section, entries)
    const setting = `${Math.round(bytes / bytesPerEvent)} events`
    return { rows: rowsOf(section, setting, samples), counts: await countDurable(section, subjects) }
  })
}

/** Publishes until it acknowledged at least so many. */
export async function fill(subject: HttpSubject, events: number): Promise<void> {
  while (subject.acknowledged < events) {
    const before = subject.acknowledged
    const { outcome } = await subject.run({ kind: 'stream', connections: 4, seconds: 0.2 })
    if (subject.acknowledged === before) throw new Error(`The log could not be filled: ${outcome.failure}`)
  }
}

function inEvents(sample: Sample, bytesPerEvent: number): Sample {
  const events = Math.round(sample.outcome.bytes / bytesPerEvent)
  return { ...sample, outcome: { ...sample.outcome, events } }
}
