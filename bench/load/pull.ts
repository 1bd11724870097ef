import { Connection } from './connection.ts'
import type { Job, Outcome } from './job.ts'
import { jsonRequest } from './payload.ts'
import { Tally } from './tally.ts'

/** With nothing new for so long, what is missing does not come any more. */
const patienceMs = 10_000

/** Every connection pulls, and settles what it got, until so many events are acknowledged. Timed to the last of them. */
export async function pullAll(job: Job & { kind: 'pull' }): Promise<Outcome> {
  const lanes = await Promise.all(Array.from({ length: job.connections }, () => Lane.open(job.port)))
  const tally = new Tally()
  const { promise: done, resolve } = Promise.withResolvers<void>()
  let heardAt = tally.began
  let isOver = false
  const end = (failure?: string): void => {
    if (failure !== undefined) tally.fail(failure)
    isOver = true
    resolve()
  }
  const ask = async (lane: Lane, path: string, body: object): Promise<string> => {
    const { status, text } = await lane.ask(jsonRequest(job, path, JSON.stringify(body)))
    tally.answers++
    if (status !== 200) throw new Error(`status ${status}: ${text}`)
    return text
  }
  const run = async (lane: Lane): Promise<void> => {
    while (!isOver) {
      const pulled = await ask(lane, `${job.path}/pull`, { max: job.max, wait: '1s' })
      // The data is known to have no such member, and reading all of it would cost more than asking for it.
      const leases = [...pulled.matchAll(/"lease":"([^"]+)"/g)]
      if (leases.length === 0 && performance.now() - heardAt > patienceMs) end('The events did not come.')
      if (leases.length === 0) continue
      heardAt = performance.now()
      const settlements = leases.map(([, lease]) => ({ lease, outcome: 'ack' }))
      const settled = await ask(lane, `${job.path}/settle`, { settlements })
      const count = settled.split('"status":"ok"').length - 1
      tally.events += count
      if (count < leases.length) tally.fail(settled)
      if (tally.events >= job.events) end()
    }
  }
  try {
    for (const lane of lanes) run(lane).catch((error: Error) => end(error.message))
    await done
    return tally.outcome()
  } finally {
    for (const lane of lanes) lane.close()
  }
}

interface Answer {
  readonly status: number
  readonly text: string
}

/** A connection that is asked one thing after the other, and whose answers are kept. */
class Lane {
  #connection!: Connection
  #answered = Promise.withResolvers<Answer>()
  #text = ''

  static async open(port: number): Promise<Lane> {
    const lane = new Lane()
    lane.#connection = await Connection.open(port, {
      body(chunk, from, to) {
        lane.#text += chunk.toString('latin1', from, to)
      },
      end(status) {
        const text = lane.#text
        lane.#text = ''
        lane.#answered.resolve({ status, text })
      },
      gone: (reason) => lane.#answered.reject(new Error(reason)),
    })
    return lane
  }

  ask(request: string): Promise<Answer> {
    this.#answered = Promise.withResolvers()
    this.#connection.send(request)
    return this.#answered.promise
  }

  close(): void {
    this.#connection.close()
  }
}
