// A consumer in a process of its own, for scenarios that end it by a signal. It opens what SLUICE_DRIVER says, consumes
// over the port, and reports on stdout, one JSON object a line. Only what was settled is reported as settled.

import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Broker, Delivery } from '../../src/core/broker.ts'
import { type Clock, systemClock } from '../../src/core/clock.ts'

export interface DriverTask {
  readonly module: string
  readonly export: string
  readonly config: unknown
  readonly topic: string
  readonly group: string
  /** So many deliveries are acknowledged, then so many are held. */
  readonly ack: number
  readonly hold: number
}

export type DriverReport =
  | { readonly event: 'received'; readonly id: string; readonly attempt: number }
  | { readonly event: 'settled'; readonly id: string }
  /** Everything that was asked for is acknowledged or held. */
  | { readonly event: 'holding' }
  | { readonly event: 'closed' }

interface Opener {
  open(config: unknown, dependencies: { clock: Clock }): Promise<Broker>
}

function report(line: DriverReport): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

async function opener(task: DriverTask): Promise<Opener> {
  const url = isAbsolute(task.module) ? pathToFileURL(task.module).href : task.module
  const exported: Record<string, Opener | undefined> = await import(url)
  const found = exported[task.export]
  if (found === undefined) throw new Error(`${task.module} has no export ${task.export}.`)
  return found
}

async function main(task: DriverTask): Promise<void> {
  const terminated = new Promise<void>((resolve) => process.once('SIGTERM', () => resolve()))
  const broker = await (await opener(task)).open(task.config, { clock: systemClock })
  const consumer = await broker.open(task.topic, task.group, { prefetch: task.ack + task.hold })
  const signal = new AbortController().signal

  const settle = async (deliveries: readonly Delivery[]): Promise<void> => {
    const outcome = { kind: 'ack' } as const
    const results = await consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome })))
    results.forEach((result, i) => {
      if (result.status === 'ok') report({ event: 'settled', id: deliveries[i]!.event.attributes.id })
    })
  }

  const take = async (count: number): Promise<Delivery[]> => {
    const taken: Delivery[] = []
    while (taken.length < count) {
      const { deliveries } = await consumer.pull({ max: count - taken.length, waitMs: 1000, signal })
      for (const delivery of deliveries) {
        report({ event: 'received', id: delivery.event.attributes.id, attempt: delivery.attempt })
      }
      taken.push(...deliveries)
    }
    return taken
  }

  if (task.ack > 0) await settle(await take(task.ack))
  const held = await take(task.hold)
  report({ event: 'holding' })

  // A worker that is told to end finishes what it has in hand, and then ends by itself: an open handle would show.
  const alive = setInterval(() => undefined, 60_000)
  await terminated
  clearInterval(alive)
  await settle(held)
  await consumer.close()
  await broker.close()
  report({ event: 'closed' })
}

await main(JSON.parse(process.env.SLUICE_DRIVER ?? 'null') as DriverTask)
