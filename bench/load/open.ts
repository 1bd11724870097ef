import { Connection } from './connection.ts'
import type { Job, Outcome } from './job.ts'
import { eventRequest } from './payload.ts'
import { Tally } from './tally.ts'
import { startTicker } from './ticker.ts'

/**
 * Requests come at an even rate, whatever the server does. Each is timed from when it was due: one that had to wait for
 * a connection, or for this process, counts its waiting, or a stall of the server would hide the requests it held up
 * ("coordinated omission").
 */
export async function openLoop(job: Job & { kind: 'open' }): Promise<Outcome> {
  const bytes = eventRequest(job)
  const intervalMs = 1000 / job.ratePerSecond
  const count = Math.round(job.seconds * job.ratePerSecond)
  const free: Lane[] = []
  const connections: Connection[] = []
  let tally = new Tally()
  let came = 0
  let began = -1
  const { promise: done, resolve } = Promise.withResolvers<void>()

  const sendDue = (): void => {
    while (tally.sent < came && free.length > 0) {
      const lane = free.shift()!
      lane.dueAt = began + tally.sent * intervalMs
      tally.sent++
      tally.lateness.recordMs(performance.now() - lane.dueAt)
      lane.connection.send(bytes)
    }
  }
  const settled = (): void => {
    if (tally.answers === count || connections.length === broken) resolve()
  }
  let broken = 0
  const open = async (): Promise<void> => {
    const lane = { dueAt: 0 } as Lane
    lane.connection = await Connection.open(job.port, {
      end(status) {
        tally.latency.recordMs(performance.now() - lane.dueAt)
        tally.answers++
        if (status === 200) tally.events++
        else tally.fail(`status ${status}`)
        free.push(lane)
        sendDue()
        settled()
      },
      gone(reason) {
        broken++
        tally.answers++
        tally.fail(reason)
        settled()
      },
    })
    connections.push(lane.connection)
    free.push(lane)
  }
  try {
    await Promise.all(Array.from({ length: job.connections }, open))
    const ticking = startTicker({ intervalMs, count }, (due) => {
      if (began < 0) {
        tally = new Tally()
        began = tally.began
      }
      came = due === 0 ? 1 : due
      sendDue()
    })
    await Promise.all([ticking, done])
    return tally.outcome()
  } finally {
    for (const connection of connections) connection.close()
  }
}

interface Lane {
  connection: Connection
  dueAt: number
}
