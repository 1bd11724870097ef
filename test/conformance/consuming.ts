import assert from 'node:assert/strict'
import type { Batch, Consumer, Delivery, Outcome } from '../../src/core/broker.ts'
import type { Context } from './context.ts'
import { idOf } from './events.ts'
import { assertSettled } from './refusal.ts'

/** Pulls of a loop are short, so that the loop sees its own end. */
const pullMs = 250
/** How long a pull that must stay empty waits: a wrong delivery gets time to show itself. */
export const quietMs = 300

export function pull(context: Context, consumer: Consumer, max = 100, waitMs = pullMs): Promise<Batch> {
  return context.within(
    'a pull settles',
    consumer.pull({ max, waitMs, signal: AbortSignal.timeout(context.deadlineMs) }),
  )
}

/** Pulls until `count` deliveries are in hand, and settles none. */
export async function take(context: Context, consumer: Consumer, count: number): Promise<Delivery[]> {
  const taken: Delivery[] = []
  const end = Date.now() + context.deadlineMs
  while (taken.length < count) {
    if (Date.now() >= end) assert.fail(`Waited in vain for ${count} deliveries: ${taken.length} came.`)
    const { deliveries } = await pull(context, consumer, count - taken.length)
    assert(deliveries.length <= count - taken.length, `a pull of ${count - taken.length} brought ${deliveries.length}`)
    taken.push(...deliveries)
  }
  return taken
}

export async function takeOne(context: Context, consumer: Consumer): Promise<Delivery> {
  const [delivery] = await take(context, consumer, 1)
  assert(delivery !== undefined)
  return delivery
}

/** Settles all of them with one outcome, and expects every settlement to succeed. */
export async function settle(
  context: Context,
  consumer: Consumer,
  deliveries: readonly Delivery[],
  outcome: Outcome = { kind: 'ack' },
): Promise<void> {
  const settlements = deliveries.map(({ receipt }) => ({ receipt, outcome }))
  assertSettled(await context.within('a settle settles', consumer.settle(settlements)), deliveries.length)
}

/** Nothing is delivered any more, though a pull waits for it. */
export async function assertQuiet(context: Context, consumer: Consumer, why: string): Promise<void> {
  const { deliveries } = await pull(context, consumer, 10, quietMs)
  assert.deepEqual(
    deliveries.map(({ event }) => idOf(event)),
    [],
    why,
  )
}

/**
 * Several consumers of one group work until every expected event is acknowledged. Answers the deliveries in the order
 * in which they came. Fails on an event that was not expected, on one that two hold at once, and on one that comes back
 * after its acknowledgement (where the broker fences).
 */
export async function share(
  context: Context,
  consumers: readonly Consumer[],
  expected: Iterable<string>,
  max = 10,
): Promise<Delivery[]> {
  const open = new Set(expected)
  const total = open.size
  const acked = new Set<string>()
  const holders = new Map<string, number>()
  const delivered: Delivery[] = []
  const end = Date.now() + context.deadlineMs * 2
  let failed = false

  const arrive = (delivery: Delivery, holder: number): void => {
    const id = idOf(delivery.event)
    delivered.push(delivery)
    const other = holders.get(id)
    assert(other === undefined, `${id} is held by consumer ${other}, and came to consumer ${holder} as well`)
    if (acked.has(id)) assert(!context.exact, `${id} came back after its acknowledgement`)
    else assert(open.has(id), `${id} was not expected`)
    holders.set(id, holder)
  }

  const work = async (consumer: Consumer, holder: number): Promise<void> => {
    while (acked.size < total && !failed) {
      assert(Date.now() < end, `Waited in vain for ${open.size} of ${total} events, such as ${[...open][0]}.`)
      const { deliveries, revoked } = await pull(context, consumer, max)
      for (const delivery of deliveries) arrive(delivery, holder)
      if (!revoked.aborted) await settle(context, consumer, deliveries)
      for (const { event } of deliveries) {
        holders.delete(idOf(event))
        if (revoked.aborted) continue
        acked.add(idOf(event))
        open.delete(idOf(event))
      }
    }
  }

  const outcomes = await Promise.allSettled(
    consumers.map((consumer, holder) =>
      work(consumer, holder).catch((error: unknown) => {
        failed = true
        throw error
      }),
    ),
  )
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  return delivered
}

/** One consumer takes and acknowledges exactly the expected events; then nothing more comes. */
export async function drain(context: Context, consumer: Consumer, expected: Iterable<string>): Promise<Delivery[]> {
  const delivered = await share(context, [consumer], expected, 100)
  if (context.exact) await assertQuiet(context, consumer, 'nothing more was published')
  return delivered
}
