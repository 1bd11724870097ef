import { Lab } from './measure/lab.ts'
import type { MemoryOptions } from './options.ts'

/** Ten minutes at full rate, with a retention that is reached early. */
export interface MemoryRun {
  readonly server: 'memory' | 'durable'
  readonly retention: string
  readonly events: number
  readonly perSecond: number
  readonly failures: number
  readonly secondsPerPoint: number
  /** Resident megabytes: the most of every 15 seconds. */
  readonly series: readonly number[]
  readonly maxMB: number
  /** Mean of the last minute over the mean of the second; of tenths of a run that is shorter than ten minutes. */
  readonly growth: number
}

const durableRetention = '1GiB'
const secondsPerPoint = 15
const connections = 64

/** One server after the other: at full rate, two would share the machine. */
export async function measureMemory(options: MemoryOptions): Promise<MemoryRun[]> {
  const lab = new Lab(options)
  try {
    const runs: MemoryRun[] = []
    for (const server of options.servers) runs.push(await measure(lab, server, options.minutes))
    return runs
  } finally {
    await lab.releases.all()
  }
}

async function measure(lab: Lab, server: 'memory' | 'durable', minutes: number): Promise<MemoryRun> {
  const seconds = minutes * 60
  const subject = await lab.start(server, server === 'durable' ? { retention: durableRetention } : {})
  const perSecond: number[] = []
  const watch = setInterval(() => {
    perSecond.push(subject.server.usage().rssMB)
    if (perSecond.length % secondsPerPoint === 0) {
      lab.progress(`${server} · ${perSecond.length} s: ${Math.round(perSecond.at(-1)!)} MB`)
    }
  }, 1000)
  try {
    const { outcome } = await subject.run({ kind: 'closed', form: 'event', connections, seconds })
    const minute = Math.max(1, Math.floor(perSecond.length / Math.max(10, minutes)))
    return {
      server,
      retention: server === 'durable' ? durableRetention : 'the default of memory mode',
      events: outcome.events,
      perSecond: outcome.events / outcome.seconds,
      failures: outcome.failures,
      secondsPerPoint,
      series: points(perSecond, secondsPerPoint),
      maxMB: Math.max(...perSecond),
      growth: mean(perSecond.slice(-minute)) / mean(perSecond.slice(minute, 2 * minute)),
    }
  } finally {
    clearInterval(watch)
    await subject.server.stop()
  }
}

/** The most of every `size` values. */
export function points(values: readonly number[], size: number): number[] {
  const count = Math.ceil(values.length / size)
  return Array.from({ length: count }, (_, i) => Math.max(...values.slice(i * size, (i + 1) * size)))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
