// A member of a group in a process of its own: it pulls over the port, handles what it gets in a short random time,
// settles it, and reports on stdout, one JSON object a line. It begins with the first message, its task; SIGTERM ends it
// once it has settled what it has in hand.

import { once } from 'node:events'
import { kafka } from '../../../adapters/kafka/index.ts'
import type { Batch, Consumer, Delivery } from '../../../src/core/broker.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { Random } from '../../conformance/random.ts'
import { pause } from '../../conformance/waiting.ts'
import { sharedClock, type WorkerReport, type WorkerTask } from './report.ts'

type Unstamped<T> = T extends unknown ? Omit<T, 'at'> : never

const waitMs = 500
const most = 20

function report(line: Unstamped<WorkerReport>): void {
  process.stdout.write(`${JSON.stringify({ ...line, at: sharedClock() })}\n`)
}

class Worker {
  readonly #task: WorkerTask
  readonly #random: Random
  readonly #stop = new AbortController()
  readonly #epochs = new Set<number>()
  /** Handled, and not to be settled yet. */
  readonly #backlog: Delivery[][] = []
  #held: boolean

  constructor(task: WorkerTask) {
    this.#task = task
    this.#random = new Random(task.seed)
    this.#held = task.held
  }

  stop(): void {
    this.#stop.abort()
  }

  release(): void {
    this.#held = false
  }

  async run(): Promise<void> {
    const { config, topic, group, prefetch } = this.#task
    const broker = await kafka.open(config)
    const consumer = await broker.open(topic, group, { prefetch })
    report({ event: 'joined' })
    while (!this.#stop.signal.aborted) {
      const batch = await this.#pull(consumer)
      if (batch !== undefined) await this.#work(consumer, batch)
      if (this.#held) continue
      for (const part of this.#backlog.splice(0)) await this.#settle(consumer, part)
    }
    await consumer.close()
    await broker.close()
    report({ event: 'closed' })
  }

  async #pull(consumer: Consumer): Promise<Batch | undefined> {
    try {
      const max = this.#random.between(1, most)
      const batch = await consumer.pull({ max, waitMs, signal: this.#stop.signal })
      this.#note(batch)
      return batch
    } catch (error) {
      if (!(error instanceof GatewayError) || !error.retryable) throw error
      report({ event: 'fault', error: `${error.code}: ${error.message}` })
      await pause(100)
      return undefined
    }
  }

  #note({ deliveries, epoch, revoked }: Batch): void {
    for (const { event, position } of deliveries) {
      const { id, partitionkey } = event.attributes
      report({ event: 'received', position: position!, token: id, key: String(partitionkey), epoch })
    }
    if (deliveries.length === 0 || this.#epochs.has(epoch)) return
    this.#epochs.add(epoch)
    revoked.addEventListener('abort', () => report({ event: 'revoked', epoch }), { once: true })
  }

  async #work(consumer: Consumer, { deliveries, revoked }: Batch): Promise<void> {
    if (this.#task.early) await this.#settle(consumer, deliveries)
    for (let left = deliveries; left.length > 0; ) {
      const part = left.slice(0, this.#random.between(1, left.length))
      left = left.slice(part.length)
      for (const { position } of part) {
        await pause(this.#random.between(0, this.#task.handleMs))
        // Somebody else has it.
        if (revoked.aborted) return
        report({ event: 'handled', position: position! })
      }
      if (this.#held) this.#backlog.push(part)
      else if (!this.#task.early) await this.#settle(consumer, part)
    }
  }

  async #settle(consumer: Consumer, deliveries: readonly Delivery[]): Promise<void> {
    const outcome = { kind: 'ack' } as const
    const results = await consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome })))
    results.forEach((result, i) => {
      const error = result.status === 'failed' ? { error: result.error.code } : {}
      report({ event: 'settled', position: deliveries[i]!.position!, ...error })
    })
  }
}

// Whoever lost its parent has nobody to work for.
const orphaned = (): never => process.exit(1)
process.once('disconnect', orphaned)
const [task] = (await once(process, 'message')) as [WorkerTask]
const worker = new Worker(task)
process.once('SIGTERM', () => worker.stop())
process.once('message', () => worker.release())
await worker.run()
process.off('disconnect', orphaned)
process.disconnect()
