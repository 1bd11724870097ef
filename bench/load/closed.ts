import { Connection } from './connection.ts'
import type { Job, Outcome } from './job.ts'
import { batchRequest, eventRequest, IdCounter } from './payload.ts'
import { Tally } from './tally.ts'

/** Every connection sends its next request when the answer is there. Ends when the last answer is. */
export async function closedLoop(job: Job & { kind: 'closed' }): Promise<Outcome> {
  const ids = new IdCounter()
  const requests = Array.from({ length: job.connections }, () => requestOf(job, ids))
  const opened: Connection[] = []
  let tally!: Tally
  let deadline = 0
  const lanes = requests.map(({ next, events }) => {
    let sentAt = 0
    const { promise, resolve } = Promise.withResolvers<void>()
    let connection!: Connection
    const send = (): void => {
      sentAt = performance.now()
      tally.sent += events
      connection.send(next())
    }
    const open = async (): Promise<void> => {
      connection = await Connection.open(job.port, {
        end(status) {
          const now = performance.now()
          tally.latency.recordMs(now - sentAt)
          tally.answers++
          if (status === 200) tally.events += events
          else tally.fail(`status ${status}`)
          if (now < deadline) send()
          else resolve()
        },
        gone(reason) {
          tally.fail(reason)
          resolve()
        },
      })
      opened.push(connection)
    }
    return { open, send, done: promise }
  })
  try {
    await Promise.all(lanes.map(({ open }) => open()))
    tally = new Tally()
    deadline = tally.began + job.seconds * 1000
    for (const { send } of lanes) send()
    await Promise.all(lanes.map(({ done }) => done))
    return tally.outcome()
  } finally {
    for (const connection of opened) connection.close()
  }
}

function requestOf(job: Job & { kind: 'closed' }, ids: IdCounter): { next: () => Buffer; events: number } {
  if (job.form === 'event') {
    const bytes = eventRequest(job)
    return { next: () => bytes, events: 1 }
  }
  // A connection's answer came, so all of its request was read: the buffer may be changed.
  const block = batchRequest(job, job.size, ids)
  return { next: () => block.renew(), events: block.count }
}
