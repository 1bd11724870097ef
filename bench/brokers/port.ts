// An adapter's consumer without HTTP, in a process of its own: what the gateway's own deliveries are made from.
import { type Broker, systemClock } from '../../src/core/index.ts'
import { nodeAdapters } from '../../src/runtime/adapters.ts'
import { answerJobs } from '../load/answer.ts'
import { consume } from './client.ts'
import type { ClientJob } from './job.ts'

/** As the gateway has them for its own group. */
const max = 2000
const prefetch = 2 * max
/** Batches that are being acknowledged while the next are pulled. */
const settling = 4
const waitMs = 10_000

let opened: Promise<Broker> | undefined

answerJobs((job: ClientJob & { readonly kind: 'consume' }) => {
  opened ??= open(job.entry as { readonly type: string })
  const broker = opened
  return consume(async (topic, events, group) => take(await broker, topic, events, group!), job)
})

async function open(entry: { readonly type: string }): Promise<Broker> {
  const adapter = await nodeAdapters.load(entry.type, process.cwd())
  return adapter.open(adapter.config.parse(entry), { clock: systemClock })
}

async function take(broker: Broker, topic: string, events: number, group: string): Promise<number> {
  const consumer = await broker.open(topic, group, { prefetch })
  const { signal } = new AbortController()
  const began = performance.now()
  const open = new Set<Promise<void>>()
  for (let left = events; left > 0; ) {
    const { deliveries } = await consumer.pull({ max: Math.min(max, left), waitMs, signal })
    if (deliveries.length === 0) throw new Error(`${left} of ${events} events did not come.`)
    left -= deliveries.length
    const acks = deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } }) as const)
    const settled = consumer.settle(acks).then((results) => {
      const failed = results.find(({ status }) => status === 'failed')
      if (failed !== undefined) throw new Error(JSON.stringify(failed))
      open.delete(settled)
    })
    open.add(settled)
    if (open.size >= settling) await Promise.race(open)
  }
  await Promise.all(open)
  const ms = performance.now() - began
  await consumer.close()
  return ms
}
