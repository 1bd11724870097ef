import { Connection } from './connection.ts'
import type { Job, Outcome } from './job.ts'
import { readRequest } from './payload.ts'
import { Tally } from './tally.ts'

/** Reads the whole log as lines, again and again until the time is over; the last line of each is the cursor. */
export async function readLog(job: Job & { kind: 'read' }): Promise<Outcome> {
  const lanes = Array.from({ length: job.connections }, () => ({ lines: 0, askedAt: 0, done: Promise.withResolvers() }))
  const connections: Connection[] = []
  let tally!: Tally
  let deadline = 0
  const asks = await Promise.all(
    lanes.map(async (lane) => {
      const connection = await Connection.open(job.port, {
        body(chunk, from, to) {
          tally.bytes += to - from
          for (let at = chunk.indexOf(0x0a, from); at >= 0 && at < to; at = chunk.indexOf(0x0a, at + 1)) lane.lines++
        },
        end(status) {
          const now = performance.now()
          tally.answers++
          tally.latency.recordMs(now - lane.askedAt)
          if (status === 200) tally.events += Math.max(0, lane.lines - 1)
          else tally.fail(`status ${status}`)
          if (now < deadline) ask()
          else lane.done.resolve(undefined)
        },
        gone(reason) {
          tally.fail(reason)
          lane.done.resolve(undefined)
        },
      })
      const ask = (): void => {
        lane.lines = 0
        lane.askedAt = performance.now()
        connection.send(readRequest(job, job.path))
      }
      connections.push(connection)
      return ask
    }),
  )
  try {
    tally = new Tally()
    deadline = tally.began + job.seconds * 1000
    for (const ask of asks) ask()
    await Promise.all(lanes.map(({ done }) => done.promise))
    return tally.outcome()
  } finally {
    for (const connection of connections) connection.close()
  }
}
