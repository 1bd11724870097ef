import type { Chunks } from './chunks.ts'
import { resolve } from './groups.ts'
import type { Reads } from './operations.ts'
import { recordLength } from './records.ts'

/** What only reads, over one connection. */
export function readsOf(chunks: Chunks): Reads {
  return {
    locate: ({ topic, place }) => {
      const bounds = chunks.bounds(topic)
      return { from: resolve(place, bounds, (time) => chunks.atTime(topic, time, bounds)), next: bounds.next }
    },
    range: (request) => chunks.range(request),
    record: ({ topic, seq }) => {
      const place = chunks.record(topic, seq)
      return place === undefined ? null : place.bytes.slice(place.at, place.at + recordLength(place.view, place.at))
    },
  }
}
