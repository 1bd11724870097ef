import type { Start } from '../../src/core/index.ts'
import { readCursor } from './cursor.ts'
import type { Place } from './engine/operations.ts'

/** Where a start lies in the log of this incarnation. Throws where its cursor is none of it. */
export function placeOf(start: Start, incarnation: string): Place {
  if (start === 'earliest' || start === 'latest') return start
  if (start instanceof Date) return { at: start.getTime() }
  return { after: readCursor(start.cursor, incarnation) }
}

/** A start as it is shown. */
export function showStart(start: Start): string {
  if (start === 'earliest' || start === 'latest') return start
  return start instanceof Date ? start.toISOString() : start.cursor
}
