// What is asked of a client library alone, in a process of its own: what is left of its speed is what the gateway is
// compared to. Each broker brings the library's calls.
import { answerJobs } from '../load/answer.ts'
import { eventBytes, type Outcome } from '../load/job.ts'
import { order } from '../load/payload.ts'
import { Tally } from '../load/tally.ts'
import { startTicker } from '../load/ticker.ts'
import type { ClientJob } from './job.ts'

/** A client library as its users would have it. */
export interface Client {
  /** Messages of a send, and sends at a time, where it is at its best. */
  readonly batches: { readonly size: number; readonly parallel: number }
  /** Resolves when the broker has acknowledged so many messages of this content; rejects where it has not. */
  send(topic: string, value: Buffer, count: number): Promise<void>
  readonly consume: Consume
}

/**
 * Takes so many events that are there and, where there is a group, acknowledges them. Resolves with the milliseconds from
 * being consumer to the last event or acknowledgement: joining a group is no reading.
 */
export type Consume = (topic: string, events: number, group: string | undefined) => Promise<number>

type Of<K> = ClientJob & { readonly kind: K }

const value = Buffer.from(order(eventBytes))

export function serveClient<E extends object>(open: (entry: E) => Promise<Client>): void {
  let opened: Promise<Client> | undefined
  answerJobs(async (job: ClientJob): Promise<Outcome> => {
    opened ??= open(job.entry as E)
    const client = await opened
    if (job.kind === 'send') return oneByOne(client, job)
    if (job.kind === 'paced') return paced(client, job)
    if (job.kind === 'batches') return batches(client, job)
    return consume(client.consume, job)
  })
}

async function send(client: Client, topic: string, count: number, tally: Tally, from: number): Promise<void> {
  tally.sent += count
  try {
    await client.send(topic, value, count)
    tally.events += count
  } catch (error) {
    tally.fail(String(error))
  }
  tally.latency.recordMs(performance.now() - from)
  tally.answers++
}

async function oneByOne(client: Client, job: Of<'send'>): Promise<Outcome> {
  const tally = new Tally()
  await sendUntilOver(client, job, 1, tally)
  return tally.outcome()
}

async function batches(client: Client, job: Of<'batches'>): Promise<Outcome> {
  const { size, parallel } = client.batches
  const tally = new Tally()
  await Promise.all(Array.from({ length: parallel }, () => sendUntilOver(client, job, size, tally)))
  return tally.outcome()
}

async function sendUntilOver(
  client: Client,
  { topic, seconds }: ClientJob,
  count: number,
  tally: Tally,
): Promise<void> {
  const deadline = tally.began + seconds * 1000
  for (let now = performance.now(); now < deadline; now = performance.now()) {
    await send(client, topic, count, tally, now)
  }
}

/** As the open loop of HTTP: timed from when a message was due. */
async function paced(client: Client, job: Of<'paced'>): Promise<Outcome> {
  const intervalMs = 1000 / job.ratePerSecond
  const count = Math.round(job.seconds * job.ratePerSecond)
  const sends: Promise<void>[] = []
  let tally: Tally | undefined
  await startTicker({ intervalMs, count }, (due) => {
    tally ??= new Tally()
    while (sends.length < Math.max(1, due)) {
      const dueAt = tally.began + sends.length * intervalMs
      tally.lateness.recordMs(performance.now() - dueAt)
      sends.push(send(client, job.topic, 1, tally, dueAt))
    }
  })
  await Promise.all(sends)
  return tally!.outcome()
}

export async function consume(take: Consume, { topic, events, group, seconds }: Of<'consume'>): Promise<Outcome> {
  const tally = new Tally()
  const deadline = tally.began + seconds * 1000
  let ms = 0
  do {
    const taken = await take(topic, events, group)
    ms += taken
    tally.latency.recordMs(taken)
    tally.events += events
    tally.answers++
  } while (performance.now() < deadline)
  return { ...tally.outcome(), seconds: ms / 1000 }
}
