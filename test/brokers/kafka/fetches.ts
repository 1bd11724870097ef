import { Connection } from '@platformatic/kafka'
import { vi } from 'vitest'

const fetchKey = 1
/** Before the topics of a Fetch request (version 17): waits, bounds, isolation and session. */
const headBytes = 21
const uuidBytes = 16
/** Of each partition after its number: epochs, offsets, a bound and no tags. */
const restBytes = 29

/** The partitions that the client library is told to fetch while `work` runs, each once. */
export async function fetchedWhile(work: () => Promise<unknown>): Promise<number[]> {
  const partitions = new Set<number>()
  const send = vi.spyOn(Connection.prototype, 'send')
  try {
    await work()
    for (const [apiKey, version, createPayload] of send.mock.calls) {
      if (apiKey !== fetchKey) continue
      if (version !== 17) throw new Error(`Fetch is of version ${version} here`)
      const payload = createPayload()
      if (!('buffer' in payload)) throw new Error('A payload that comes later')
      for (const partition of partitionsOf(payload.buffer)) partitions.add(partition)
    }
  } finally {
    send.mockRestore()
  }
  return [...partitions].sort((a, b) => a - b)
}

/** Of a request for one topic, and fewer than 127 partitions. */
function partitionsOf(request: Buffer): number[] {
  const count = request[headBytes + 1 + uuidBytes]! - 1
  const first = headBytes + 1 + uuidBytes + 1
  return Array.from({ length: count }, (_, i) => request.readInt32BE(first + i * (4 + restBytes)))
}
