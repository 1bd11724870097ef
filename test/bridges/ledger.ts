import type { Made } from '../delivery/faults/load.ts'
import type { ReadEvent } from '../http/events.ts'

export interface Report {
  readonly checked: number
  /** How often an event came again. */
  readonly repeated: number
  readonly violations: readonly string[]
}

/**
 * Holds what the target has, in the order of its keys, against what was published to the source: everything that was
 * acknowledged, nothing else, every event as it was, and of each key in order where first seen.
 */
export function compare(made: ReadonlyMap<string, Made>, target: readonly ReadEvent[]): Report {
  const violations: string[] = []
  const seen = new Map<string, string>()
  const places = new Map<string, number>()
  let repeated = 0
  for (const event of target) {
    // An event that its publisher repeated has a time for each.
    const { time: _, ...lasting } = event
    const { id, partitionkey, source, type, data } = event
    const known = made.get(id)
    if (known === undefined) {
      violations.push(`unexpected ${id}`)
      continue
    }
    const text = JSON.stringify(lasting)
    const before = seen.get(id)
    if (before !== undefined) {
      repeated++
      if (before !== text) violations.push(`${id} differs from itself`)
      continue
    }
    seen.set(id, text)
    const place = (data as { place?: number }).place
    if (partitionkey !== known.key || source !== '/load' || type !== known.type || place !== known.place) {
      violations.push(`${id} is not as it was published`)
    }
    const last = places.get(known.key) ?? -1
    if (known.place < last) violations.push(`${id} came after ${known.key}-${last}`)
    places.set(known.key, Math.max(last, known.place))
  }
  for (const { id, acknowledged } of made.values()) if (acknowledged && !seen.has(id)) violations.push(`lost ${id}`)
  return { checked: seen.size, repeated, violations }
}
