// The process that publishes: so many events as fast as they are taken, or at an even rate with the time they were due.
import { answerJobs } from '../load/answer.ts'
import { Connection } from '../load/connection.ts'
import type { Outcome } from '../load/job.ts'
import { IdCounter } from '../load/payload.ts'
import { Tally } from '../load/tally.ts'
import { startTicker } from '../load/ticker.ts'
import { micros } from './clock.ts'
import { PublishRequest } from './events.ts'

interface Common {
  readonly port: number
  readonly connections: number
  /** How many types the events are of, in turn. */
  readonly types: number
  /** About as long as it takes. */
  readonly seconds: number
}

export type PublishJob = Common &
  (
    | { readonly kind: 'burst'; readonly events: number; readonly batch: number }
    | { readonly kind: 'even'; readonly ratePerSecond: number }
  )

async function burst(job: PublishJob & { kind: 'burst' }): Promise<Outcome> {
  const { port, connections, types, batch, events } = job
  const ids = new IdCounter()
  const tally = new Tally()
  const loop = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const request = new PublishRequest(port, batch, types, ids)
      let connection: Connection | undefined
      const next = (): void => {
        if (tally.sent >= events) {
          connection!.close()
          resolve()
          return
        }
        const number = tally.sent
        tally.sent += batch
        connection!.send(request.renew(number))
      }
      const end = (status: number): void => {
        tally.answers++
        if (status === 200) tally.events += batch
        else tally.fail(`status ${status}`)
        next()
      }
      Connection.open(port, { end, gone: (reason) => reject(new Error(reason)) }).then((opened) => {
        connection = opened
        next()
      }, reject)
    })
  await Promise.all(Array.from({ length: connections }, loop))
  return tally.outcome()
}

async function even(job: PublishJob & { kind: 'even' }): Promise<Outcome> {
  const { port, connections, types, ratePerSecond, seconds } = job
  const ids = new IdCounter()
  const intervalMs = 1000 / ratePerSecond
  const count = Math.round(seconds * ratePerSecond)
  const free: { connection: Connection; request: PublishRequest; due: number }[] = []
  const all: Connection[] = []
  const { promise: done, resolve, reject } = Promise.withResolvers<void>()
  const tally = new Tally()
  let came = 0
  let began = 0
  const sendDue = (): void => {
    while (tally.sent < came && free.length > 0) {
      const lane = free.shift()!
      lane.due = began + tally.sent * intervalMs * 1000
      tally.lateness.recordMs((micros() - lane.due) / 1000)
      lane.connection.send(lane.request.renew(tally.sent++, Math.round(lane.due)))
    }
  }
  for (let i = 0; i < connections; i++) {
    const end = (status: number): void => {
      tally.answers++
      if (status === 200) tally.events++
      else tally.fail(`status ${status}`)
      tally.latency.recordMs((micros() - lane.due) / 1000)
      free.push(lane)
      sendDue()
      if (tally.answers === count) resolve()
    }
    const connection = await Connection.open(port, { end, gone: (reason) => reject(new Error(reason)) })
    const lane = { connection, request: new PublishRequest(port, 1, types, ids), due: 0 }
    free.push(lane)
    all.push(connection)
  }
  const ticking = startTicker({ intervalMs, count }, (due) => {
    if (came === 0) began = micros()
    came = Math.max(1, due)
    sendDue()
  })
  await Promise.all([ticking, done])
  for (const connection of all) connection.close()
  return tally.outcome()
}

answerJobs((job: PublishJob) => (job.kind === 'burst' ? burst(job) : even(job)))
