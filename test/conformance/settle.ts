import assert from 'node:assert/strict'
import type { Delivery } from '../../src/core/broker.ts'
import { dispatch } from '../../src/core/dispatch.ts'
import { assertQuiet, drain, pull, quietMs, settle, share, take, takeOne } from './consuming.ts'
import { assertSameIds, event, idOf, ids } from './events.ts'
import { assertSettled, settleRefuses } from './refusal.ts'
import type { Scenario } from './scenario.ts'
import { assertGated, individual, stage } from './stage.ts'

const doubleAck: Scenario = {
  id: 19,
  title: 'The same ack again succeeds, in the same call and in a later one',
  async run(context) {
    const { consumer } = await stage(context, 3)
    const deliveries = await take(context, consumer, 3)
    await settle(context, consumer, [...deliveries, ...deliveries])
    await settle(context, consumer, deliveries)
    await assertQuiet(context, consumer, 'everything was acknowledged')
  },
}

const nack: Scenario = {
  id: 20,
  title: 'Nack: delivered again, as the next attempt, and nothing else is',
  supported: individual,
  async run(context) {
    const { consumer } = await stage(context, 5)
    const [first, ...others] = await take(context, consumer, 5)
    await settle(context, consumer, others)
    let delivery = first!
    for (let attempt = 1; attempt <= 4; attempt++) {
      if (context.capabilities.attempts) assert.equal(delivery.attempt, attempt, 'attempts are counted')
      await settle(context, consumer, [delivery], { kind: 'nack' })
      delivery = await takeOne(context, consumer)
      assert.equal(idOf(delivery.event), idOf(first!.event), 'the nacked event comes again')
    }
    await settle(context, consumer, [delivery])
    await assertQuiet(context, consumer, 'everything was acknowledged')
  },
  async refused(context) {
    const { consumer } = await stage(context, 1)
    const { receipt } = await takeOne(context, consumer)
    await settleRefuses('nack', () => consumer.settle([{ receipt, outcome: { kind: 'nack' } }]), 'settlement')
    await settle(context, consumer, [{ receipt } as Delivery])
  },
}

const nackDelay: Scenario = {
  id: 20,
  part: 'b',
  title: 'Nack with a delay: not delivered before it is over, and others meanwhile are',
  supported: ({ nackDelayMs }) => nackDelayMs > 0,
  async run(context) {
    const { topic, consumer } = await stage(context, 1)
    const delayMs = Math.min(2000, context.capabilities.nackDelayMs)
    const delivery = await takeOne(context, consumer)
    const before = Date.now()
    await settle(context, consumer, [delivery], { kind: 'nack', delayMs })
    await context.publish(topic, [event('other')])
    const next = await takeOne(context, consumer)
    if (Date.now() - before < delayMs)
      assert.equal(idOf(next.event), 'other', 'a delayed event does not hold up others')
    const last = await takeOne(context, consumer)
    const again = idOf(next.event) === 'other' ? last : next
    const waited = Date.now() - before
    assert(waited >= delayMs, `delivered again after ${waited} ms; a delay of ${delayMs} ms was asked`)
    assert.equal(idOf(again.event), idOf(delivery.event))
    await settle(context, consumer, [next, last])
  },
  refused: (context) => assertGated(context, { kind: 'nack', delayMs: 1500 }),
}

const handler: Scenario = {
  id: 21,
  title: 'A handler that throws, or is not done in time, is a nack; its neighbours are acknowledged',
  supported: individual,
  async run(context) {
    const { consumer, sent } = await stage(context, 4)
    const failedOnce = new Set<string>()
    const acked: string[] = []
    const aborts: string[] = []
    while (acked.length < sent.length) {
      const batch = await pull(context, consumer)
      await dispatch(
        consumer,
        batch,
        async (delivery, signal) => {
          const id = idOf(delivery.event)
          if (!failedOnce.has(id) && (id === 'e-1' || id === 'e-2')) {
            failedOnce.add(id)
            if (id === 'e-1') throw new Error('a handler that fails')
            await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
            aborts.push(id)
            return { kind: 'ack' }
          }
          acked.push(id)
          if (context.capabilities.attempts) assert.equal(delivery.attempt, failedOnce.has(id) ? 2 : 1)
          return { kind: 'ack' }
        },
        500,
      ).then((results) => assertSettled(results, batch.deliveries.length))
    }
    assertSameIds(acked, ids(sent), 'acknowledged')
    assert.deepEqual(aborts, ['e-2'], 'the handler that was too slow had its signal aborted')
    await assertQuiet(context, consumer, 'everything was acknowledged')
  },
  async refused(context) {
    const { consumer } = await stage(context, 1)
    const batch = await pull(context, consumer, 1, context.deadlineMs)
    const throwing = () => dispatch(consumer, batch, () => Promise.reject(new Error('a handler that fails')), 500)
    await settleRefuses('the nack of a failed handler', throwing, 'settlement')
    await settle(context, consumer, batch.deliveries)
  },
}

const prefetch: Scenario = {
  id: 24,
  title: 'Nothing beyond the prefetch is delivered while it is unsettled; other consumers are not held up',
  async run(context) {
    const { topic, group, sent, consumer } = await stage(context, 40, undefined, 5)
    const held = await take(context, consumer, 5)
    const more = await pull(context, consumer, 100, quietMs)
    assert.equal(more.deliveries.length, 0, 'a sixth delivery while five are unsettled')
    await settle(context, consumer, held.slice(0, 2))
    const next = await take(context, consumer, 2)
    assert.equal((await pull(context, consumer, 100, quietMs)).deliveries.length, 0, 'more than what was settled')
    const left = new Set(ids(sent))
    for (const delivery of [...held, ...next]) left.delete(idOf(delivery.event))
    // In the order of a topic one consumer at a time has all of it.
    const shared = individual(context.capabilities) && context.capabilities.ordering !== 'topic'
    if (shared) {
      const other = await context.consumer(topic, group, 100)
      await share(context, [other], left, 100)
    }
    await settle(context, consumer, [...held.slice(2), ...next])
    if (!shared) await drain(context, consumer, left)
  },
}

export const settleScenarios: readonly Scenario[] = [doubleAck, nack, nackDelay, handler, prefetch]
