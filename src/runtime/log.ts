import type { Logger } from '../core/logger.ts'

export interface LogTarget {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Of lines that come often, people at a terminal see so much; JSON has everything. */
const brief: Readonly<Record<string, readonly string[] | undefined>> = {
  delivery: ['outcome', 'status', 'ms', 'host', 'topic', 'event', 'attempt', 'error', 'next'],
}

const colours = { info: 36, warn: 33, error: 31 } as const

/**
 * A line for every entry: JSON, or on a terminal one that people read. Callers give no header, no body and no secret.
 * Lines of one turn of the event loop are written together, because each write waits for the system; an error is written
 * at once, with what came before it, for the process may end there.
 */
export function createLog(target: LogTarget, colour: boolean, now: () => number = Date.now): Logger {
  const isTerminal = target.isTTY === true
  let waiting = ''
  let last = Number.NaN
  let time = ''
  const flush = (): void => {
    if (waiting === '') return
    const text = waiting
    waiting = ''
    target.write(text)
  }
  process.once('exit', flush)
  return (level, message, fields = {}) => {
    const at = now()
    if (at !== last) time = new Date(at).toISOString()
    last = at
    if (waiting === '' && level !== 'error') setImmediate(flush)
    if (isTerminal) {
      const tag = colour ? `\x1b[${colours[level]}m${level.padEnd(5)}\x1b[0m` : level.padEnd(5)
      const shown = brief[message] ?? Object.keys(fields)
      const rest = shown.map((name) => (fields[name] === undefined ? '' : ` ${name}=${show(fields[name])}`))
      waiting += `${time.slice(11, 23)} ${tag} ${message}${rest.join('')}\n`
    } else waiting += `${JSON.stringify({ time, level, message, ...fields })}\n`
    if (level === 'error') flush()
  }
}

function show(value: unknown): string {
  return typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)
}
