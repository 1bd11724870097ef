// The client library alone, in a process of its own: what is left of its speed is what the gateway is compared to.
import { Consumer, MessagesStreamModes, Producer } from '@platformatic/kafka'
import { answerJobs } from '../load/answer.ts'
import { eventBytes, type Outcome } from '../load/job.ts'
import { order } from '../load/payload.ts'
import { Tally } from '../load/tally.ts'
import { startTicker } from '../load/ticker.ts'
import type { ClientJob } from './job.ts'
import { clientOptions, producerOptions } from './library.ts'

type Of<K> = ClientJob & { readonly kind: K }

const value = Buffer.from(order(eventBytes))
const producers = new Map<string, Producer>()

function producerFor({ bootstrap }: ClientJob): Producer {
  const key = bootstrap.join()
  const producer = producers.get(key) ?? new Producer(producerOptions([...bootstrap]))
  producers.set(key, producer)
  return producer
}

async function sendOne(producer: Producer, topic: string, tally: Tally, from: number): Promise<void> {
  tally.sent++
  try {
    await producer.send({ messages: [{ topic, value }] })
    tally.events++
  } catch (error) {
    tally.fail(String(error))
  }
  tally.latency.recordMs(performance.now() - from)
  tally.answers++
}

async function oneByOne(job: Of<'send'>): Promise<Outcome> {
  const producer = producerFor(job)
  const tally = new Tally()
  const deadline = tally.began + job.seconds * 1000
  for (let now = performance.now(); now < deadline; now = performance.now()) {
    await sendOne(producer, job.topic, tally, now)
  }
  return tally.outcome()
}

/** As the open loop of HTTP: timed from when a message was due. */
async function paced(job: Of<'paced'>): Promise<Outcome> {
  const producer = producerFor(job)
  const intervalMs = 1000 / job.ratePerSecond
  const count = Math.round(job.seconds * job.ratePerSecond)
  const sends: Promise<void>[] = []
  let tally: Tally | undefined
  await startTicker({ intervalMs, count }, (due) => {
    tally ??= new Tally()
    while (sends.length < Math.max(1, due)) {
      const dueAt = tally.began + sends.length * intervalMs
      tally.lateness.recordMs(performance.now() - dueAt)
      sends.push(sendOne(producer, job.topic, tally, dueAt))
    }
  })
  await Promise.all(sends)
  return tally!.outcome()
}

async function batches(job: Of<'batches'>): Promise<Outcome> {
  const producer = producerFor(job)
  const tally = new Tally()
  const deadline = tally.began + job.seconds * 1000
  const lane = async (): Promise<void> => {
    for (let now = performance.now(); now < deadline; now = performance.now()) {
      const messages = Array.from({ length: job.size }, () => ({ topic: job.topic, value }))
      tally.sent += job.size
      try {
        await producer.send({ messages })
        tally.events += job.size
      } catch (error) {
        tally.fail(String(error))
      }
      tally.latency.recordMs(performance.now() - now)
      tally.answers++
    }
  }
  await Promise.all(Array.from({ length: job.parallel }, lane))
  return tally.outcome()
}

/** Counts the time from an assigned consumer to its last message: joining a group is no reading. */
async function consume(job: Of<'consume'>): Promise<Outcome> {
  const consumer = new Consumer({ ...clientOptions([...job.bootstrap]), groupId: `bench-${crypto.randomUUID()}` })
  const tally = new Tally()
  const deadline = tally.began + job.seconds * 1000
  let reading = 0
  try {
    do {
      reading += await readAll(consumer, job, tally)
    } while (performance.now() < deadline)
    return { ...tally.outcome(), seconds: reading / 1000 }
  } finally {
    await consumer.close(true)
  }
}

async function readAll(consumer: Consumer, { topic, events }: Of<'consume'>, tally: Tally): Promise<number> {
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false })
  const began = performance.now()
  let read = 0
  await new Promise<void>((resolve, reject) => {
    stream.on('error', reject).on('data', (message) => {
      tally.bytes += message.value.length
      if (++read === events) resolve()
    })
  })
  const ms = performance.now() - began
  await stream.close()
  tally.events += read
  tally.answers++
  tally.latency.recordMs(ms)
  return ms
}

answerJobs((job: ClientJob): Promise<Outcome> => {
  if (job.kind === 'send') return oneByOne(job)
  if (job.kind === 'paced') return paced(job)
  if (job.kind === 'batches') return batches(job)
  return consume(job)
})
