import assert from 'node:assert/strict'
import { unmet } from '../../src/core/capabilities.ts'
import { keyOf } from '../../src/core/event.ts'
import { assertQuiet, settle, share, take, takeOne } from './consuming.ts'
import { event, idOf, ids } from './events.ts'
import type { Scenario } from './scenario.ts'
import { individual } from './stage.ts'

const order: Scenario = {
  id: 29,
  title: 'Order per key on first delivery: 1,000 events, 16 keys, 10 consumers, published while they consume',
  supported: ({ ordering }) => ordering !== 'none',
  async run(context) {
    const topic = await context.topic('order')
    const group = await context.group(topic)
    const sent = Array.from({ length: 1000 }, (_, i) => {
      const key = context.random.between(0, 15)
      return event(`e-${i}`, { partitionkey: `key-${key}` })
    })
    const consumers = []
    for (let i = 0; i < 10; i++) consumers.push(await context.consumer(topic, group, 50))
    const publishing = (async () => {
      for (let at = 0; at < sent.length; ) {
        const part = sent.slice(at, at + context.random.between(1, 60))
        await context.publish(topic, part)
        at += part.length
      }
    })()
    const [delivered] = await Promise.all([share(context, consumers, ids(sent), 20), publishing])
    const seen = new Set<string>()
    const last = new Map<string, number>()
    for (const delivery of delivered) {
      const id = idOf(delivery.event)
      if (seen.has(id)) continue
      seen.add(id)
      const key = keyOf(delivery.event) ?? ''
      const place = Number(id.slice(2))
      assert(place > (last.get(key) ?? -1), `${id} of ${key} was first delivered after e-${last.get(key)}`)
      last.set(key, place)
    }
  },
  async refused(context) {
    const found = unmet({ ordering: 'key' }, context.capabilities)
    assert.deepEqual(
      found.map(({ capability }) => capability),
      ['ordering'],
      'a topic that requires order is refused',
    )
  },
}

const heldKey: Scenario = {
  id: 30,
  title: 'Order after a nack: the key is held until its event is settled, and others proceed',
  supported: ({ exclusiveKeys, settlement }) => exclusiveKeys && settlement === 'individual',
  async run(context) {
    const topic = await context.topic('held-key')
    const group = await context.group(topic)
    const consumer = await context.consumer(topic, group)
    const make = (id: string) => event(id, { partitionkey: id[0]! })
    await context.publish(topic, ['a1', 'a2', 'b1', 'a3', 'b2'].map(make))
    await context.publish(topic, [event('free1'), event('free2')])

    // The first of each key and what has none; no successor of an unsettled one.
    const [a1, b1, ...free] = (await take(context, consumer, 4)).sort((x, y) =>
      idOf(x.event) < idOf(y.event) ? -1 : 1,
    )
    assert.deepEqual(
      [a1, b1, ...free].map((one) => idOf(one!.event)),
      ['a1', 'b1', 'free1', 'free2'],
    )
    await assertQuiet(context, consumer, 'a2 and b2 wait for a1 and b1')

    await settle(context, consumer, [b1!, ...free])
    const b2 = await takeOne(context, consumer)
    assert.equal(idOf(b2.event), 'b2', 'another key proceeds')
    await settle(context, consumer, [b2])

    const delayMs = Math.min(2000, context.capabilities.nackDelayMs)
    const before = Date.now()
    await settle(context, consumer, [a1!], delayMs > 0 ? { kind: 'nack', delayMs } : { kind: 'nack' })
    for (const expected of ['a1', 'a2', 'a3']) {
      const next = await takeOne(context, consumer)
      assert.equal(idOf(next.event), expected, 'a nacked event keeps its place before its successors')
      if (expected === 'a1') assert(Date.now() - before >= delayMs, 'delivered again before its delay was over')
      await settle(context, consumer, [next])
    }
    await assertQuiet(context, consumer, 'everything was acknowledged')
  },
  async refused(context) {
    const found = unmet({ exclusiveKeys: true, settlement: 'individual' }, context.capabilities)
    assert(found.length > 0, 'a topic that requires exclusive keys is refused')
  },
}

const heldAcrossClose: Scenario = {
  id: 30,
  part: 'b',
  title: 'Order after a close: what a closed consumer held comes before its successors, whoever takes it',
  supported: ({ exclusiveKeys }) => exclusiveKeys,
  async run(context) {
    const topic = await context.topic('held-close')
    const group = await context.group(topic)
    const sent = Array.from({ length: 60 }, (_, i) => event(`e-${i}`, { partitionkey: `key-${i % 4}` }))
    await context.publish(topic, sent)
    const order: string[] = []
    while (order.length < sent.length) {
      const consumer = await context.consumer(topic, group)
      const keysLeft = new Set(sent.filter((one) => !order.includes(idOf(one))).map(keyOf))
      const held = await take(context, consumer, keysLeft.size)
      // Some are settled, some go back with the close; where only a place can be settled, the first ones are.
      const done = individual(context.capabilities)
        ? held.filter(() => context.random.next() < 0.7)
        : held.slice(0, context.random.between(1, held.length))
      await settle(context, consumer, done)
      order.push(...done.map((one) => idOf(one.event)))
      await context.within('the consumer closes', consumer.close())
    }
    for (let key = 0; key < 4; key++) {
      const ofKey = order.filter((id) => Number(id.slice(2)) % 4 === key)
      const expected = ids(sent).filter((_, i) => i % 4 === key)
      assert.deepEqual(ofKey, expected, `key-${key} was completed in order`)
    }
  },
  async refused(context) {
    assert.equal(unmet({ exclusiveKeys: true }, context.capabilities).length, 1, 'a topic that requires it is refused')
  },
}

export const orderScenarios: readonly Scenario[] = [order, heldKey, heldAcrossClose]
