import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** What a process used up to now. */
export interface Usage {
  /** User and system, all threads. */
  readonly cpuSeconds: number
  readonly rssMB: number
  /** The most that was resident at once; undefined where the system does not say. */
  readonly peakMB: number | undefined
}

/** Linux counts in hundredths of a second on every architecture that Node runs on (USER_HZ). */
const ticksPerSecond = 100

export function usageOf(pid: number): Usage {
  return process.platform === 'linux' ? fromProc(pid) : fromPs(pid)
}

/**
 * What all processes used since boot, and what the host took from this machine, in seconds of a core; undefined where the
 * system does not say.
 */
export function busySeconds(): number | undefined {
  if (process.platform !== 'linux') return undefined
  const ticks = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]!.split(/\s+/).slice(1).map(Number)
  const [user = 0, nice = 0, system = 0, , , , , stolen = 0] = ticks
  return (user + nice + system + stolen) / ticksPerSecond
}

function fromProc(pid: number): Usage {
  // The name in field 2 may hold spaces and brackets: count from its end.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const megabytes = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) * 1024) / 1e6
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    rssMB: megabytes('VmRSS'),
    peakMB: megabytes('VmHWM'),
  }
}

/** `time` is [days-]hours:minutes:seconds, with fractions on some systems. */
function fromPs(pid: number): Usage {
  try {
    const [rss = '', time = ''] = execFileSync('ps', ['-o', 'rss=,time=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .split(/\s+/)
    const parts = time.split(/[-:]/).map(Number)
    const weights = [1, 60, 3600, 86_400]
    const cpuSeconds = parts.reverse().reduce((sum, part, i) => sum + part * weights[i]!, 0)
    return { cpuSeconds, rssMB: (Number(rss) * 1024) / 1e6, peakMB: undefined }
  } catch {
    return { cpuSeconds: Number.NaN, rssMB: Number.NaN, peakMB: undefined }
  }
}
