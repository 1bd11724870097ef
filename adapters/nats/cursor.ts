import { GatewayError } from '../../src/core/index.ts'

const pattern = /^([0-9a-z]{8,20})-([0-9a-z]{1,11})$/

/** The place after the event with the sequence `seq`, of one incarnation of a stream. */
export function writeCursor(incarnation: string, seq: number): string {
  return `${incarnation}-${seq.toString(36)}`
}

/** The sequence that a cursor stands behind. Throws `stale_cursor` for one of another stream, `invalid_argument` for none. */
export function readCursor(cursor: string, incarnation: string): number {
  const seq = seqOf(cursor)
  if (cursor.startsWith(`${incarnation}-`)) return seq
  throw new GatewayError('stale_cursor', 'The cursor belongs to another topic, or to one that was deleted.')
}

/** The same, whatever stream the cursor is of. */
export function seqOf(cursor: string): number {
  const seq = Number.parseInt(pattern.exec(cursor)?.[2] ?? '', 36)
  if (Number.isSafeInteger(seq)) return seq
  throw new GatewayError('invalid_argument', 'This is no cursor of a topic of NATS.')
}

/** Undefined where the text is no position. */
export function readPosition(position: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(position) ? Number(position) : undefined
}
