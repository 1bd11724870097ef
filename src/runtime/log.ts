import type { Logger } from '../core/logger.ts'

export interface LogTarget {
  readonly isTTY?: boolean
  write(text: string): unknown
}

const colours = { info: 36, warn: 33, error: 31 } as const

/** A line for every entry: JSON, or on a terminal one that people read. Callers give no header, no body and no secret. */
export function createLog(target: LogTarget, colour: boolean, now: () => number = Date.now): Logger {
  return (level, message, fields = {}) => {
    const time = new Date(now()).toISOString()
    if (target.isTTY !== true) {
      target.write(`${JSON.stringify({ time, level, message, ...fields })}\n`)
      return
    }
    const tag = colour ? `\x1b[${colours[level]}m${level.padEnd(5)}\x1b[0m` : level.padEnd(5)
    const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${show(value)}`)
    target.write(`${time.slice(11, 23)} ${tag} ${message}${rest.join('')}\n`)
  }
}

function show(value: unknown): string {
  return typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)
}
