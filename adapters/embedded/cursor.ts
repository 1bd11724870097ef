import { GatewayError } from '../../src/core/index.ts'

const pattern = /^([0-9a-f]{12})-(0|[1-9]\d{0,12})$/

/** A place in a log: after the event `seq`. It names the log, so that one of another log is told apart. */
export function writeCursor(incarnation: string, seq: number): string {
  return `${incarnation}-${seq}`
}

/** The event after which a cursor stands. Throws `stale_cursor` for one of another log, `invalid_argument` for none. */
export function readCursor(cursor: string, incarnation: string): number {
  const match = pattern.exec(cursor)
  if (match === null) throw new GatewayError('invalid_argument', 'This is no cursor of an embedded broker.')
  if (match[1] !== incarnation) throw new GatewayError('stale_cursor', 'The cursor belongs to another log.')
  return Number(match[2])
}

/** The event after which a cursor stands, of whatever log it is. */
export function seqOf(cursor: string): number {
  const match = pattern.exec(cursor)
  if (match === null) throw new GatewayError('invalid_argument', 'This is no cursor of an embedded broker.')
  return Number(match[2])
}
