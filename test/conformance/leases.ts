import assert from 'node:assert/strict'
import type { Consumer, Delivery } from '../../src/core/broker.ts'
import { assertQuiet, pull, quietMs, settle, takeOne } from './consuming.ts'
import { type Context, shortLeaseMs } from './context.ts'
import { idOf } from './events.ts'
import { assertLost } from './refusal.ts'
import type { Scenario } from './scenario.ts'
import { assertGated, individual, portable, stage } from './stage.ts'
import { pause, until } from './waiting.ts'

const expiry: Scenario = {
  id: 22,
  title: 'A lease that ends returns its event, not before; a receipt bound to a connection lasts as long as that',
  async run(context) {
    const { topic, group, consumer } = await stage(context, 1, shortLeaseMs)
    const held = await takeOne(context, consumer)
    const other = await context.consumer(topic, group)
    if (!portable(context.capabilities)) {
      const { deliveries } = await pull(context, other, 1, shortLeaseMs + quietMs)
      assert.equal(deliveries.length, 0, 'while its connection lives, a delivery stays with it')
      await consumer.close()
    }
    const again = await takeOne(context, other)
    if (portable(context.capabilities)) {
      assert(Date.now() >= held.expiresAt, 'delivered again before the lease was over')
    }
    assert.equal(idOf(again.event), idOf(held.event))
    if (context.capabilities.attempts) assert.equal(again.attempt, held.attempt + 1)
    await finish(context, other, again)
  },
}

const extension: Scenario = {
  id: 22,
  part: 'b',
  title: 'Extend prolongs a lease: its event stays past the old end, and the renewed receipt settles',
  supported: (capabilities) => capabilities.extend,
  async run(context) {
    const { topic, group, consumer } = await stage(context, 1, 2 * shortLeaseMs)
    const other = await context.consumer(topic, group)
    // A machine that is slow enough lets the first lease end before it is extended: then the next attempt counts.
    const { first, renewed, expiresAt } = await until(context.deadlineMs, 'a lease is extended in time', async () => {
      const first = await takeOne(context, consumer)
      const outcome = { kind: 'extend', durationMs: 60_000 } as const
      const [result] = await consumer.settle([{ receipt: first.receipt, outcome }])
      if (result?.status !== 'ok') return undefined
      return { first, renewed: result.renewed, expiresAt: result.expiresAt }
    })
    assert(renewed !== undefined, 'extend answers with a renewed receipt')
    assert(expiresAt !== undefined && expiresAt > first.expiresAt, 'the renewed lease ends later')
    while (Date.now() <= first.expiresAt + quietMs) await pause(50)
    await assertQuiet(context, other, 'the extended lease is not over')
    await settle(context, consumer, [{ ...first, receipt: renewed }])
    await assertQuiet(context, other, 'it was acknowledged')
  },
  refused: (context) => assertGated(context, { kind: 'extend' }),
}

const stale: Scenario = {
  id: 23,
  title: 'A stale ack, of a lease that ended or was given back, settles nothing of the newer attempt',
  async run(context) {
    const { topic, group, consumer } = await stage(context, 1, shortLeaseMs)
    const old = await takeOne(context, consumer)
    const other = await context.consumer(topic, group)
    if (!portable(context.capabilities)) await consumer.close()
    const newer = await takeOne(context, other)
    await assertStale(context, consumer, old, 'an ack after the lease')
    // Where nothing fences, the stale ack may have settled the newer attempt: that is what is declared.
    if (!context.exact) return
    if (!individual(context.capabilities)) return settle(context, other, [newer])
    // That the newer attempt is unsettled shows in that it can be given back, and comes again.
    const [given] = await other.settle([{ receipt: newer.receipt, outcome: { kind: 'nack' } }])
    const newest = await takeOne(context, other)
    if (given?.status === 'ok') await assertStale(context, other, newer, 'an ack after a nack')
    await finish(context, other, newest)
  },
}

/** Acknowledges whichever attempt is the newest: the short lease may end on the way. */
async function finish(context: Context, consumer: Consumer, delivery: Delivery): Promise<void> {
  let newest = delivery
  await until(context.deadlineMs, 'the newest attempt is acknowledged', async () => {
    const [result] = await consumer.settle([{ receipt: newest.receipt, outcome: { kind: 'ack' } }])
    if (result?.status === 'ok') return true
    newest = await takeOne(context, consumer)
    return false
  })
  await assertQuiet(context, consumer, 'it was acknowledged')
}

async function assertStale(context: Context, consumer: Consumer, old: Delivery, what: string): Promise<void> {
  const settling = consumer.settle([{ receipt: old.receipt, outcome: { kind: 'ack' } }])
  const [outcome] = await context.within(`${what} settles`, Promise.allSettled([settling]))
  // Where nothing fences, which is declared, it may succeed; a closed consumer may also refuse as a whole.
  if (outcome.status === 'rejected' || !context.exact) return
  assertLost(outcome.value[0], what)
}

export const leaseScenarios: readonly Scenario[] = [expiry, extension, stale]
