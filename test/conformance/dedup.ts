import assert from 'node:assert/strict'
import type { PublishResult } from '../../src/core/broker.ts'
import { UnsupportedError } from '../../src/core/errors.ts'
import { drain, take } from './consuming.ts'
import type { Context } from './context.ts'
import { event, idOf } from './events.ts'
import { assertStored, refuses } from './refusal.ts'
import type { Scenario } from './scenario.ts'
import { pause } from './waiting.ts'

const hour = 3_600_000

/** The same event a hundred times: as many calls at once, and several of them with it twice in one batch. */
async function hundredTimes(context: Context, topic: string): Promise<readonly PublishResult[]> {
  const same = () => event('same')
  const calls = Array.from({ length: 80 }, (_, i) =>
    context.publisher(topic).publish(i < 20 ? [same(), same()] : [same()]),
  )
  const results = (await context.within('a hundred publishes', Promise.all(calls))).flat()
  assertStored(results, 100)
  return results
}

const dedup: Scenario = {
  id: 13,
  title: 'Deduplication: the same (topic, source, id) 100 times at once is one event, and nothing else is',
  supported: ({ dedupWindowMs }) => dedupWindowMs > 0,
  async run(context) {
    const spec = { dedupWindowMs: Math.min(hour, context.capabilities.dedupWindowMs) }
    const topic = await context.topic('dedup', spec)
    const other = await context.topic('dedup', spec)
    const group = await context.group(topic)
    const otherGroup = await context.group(other)
    const results = await hundredTimes(context, topic)
    const duplicates = results.filter((result) => result.status === 'stored' && result.duplicate === true)
    assert.equal(duplicates.length, 99, 'all but the first are said to be duplicates')
    const places = new Set(results.map((result) => (result.status === 'stored' ? result.position : undefined)))
    assert(places.size === 1 || places.has(undefined), 'a duplicate is answered with the position of the event')

    const foreign = event('same', { source: '/elsewhere' })
    const [fresh] = await context.publish(topic, [foreign])
    assert(fresh?.status === 'stored' && fresh.duplicate !== true, 'the same id of another source is another event')
    const [elsewhere] = await context.publish(other, [event('same')])
    assert(
      elsewhere?.status === 'stored' && elsewhere.duplicate !== true,
      'the same id in another topic is another event',
    )

    const consumer = await context.consumer(topic, group)
    const delivered = await take(context, consumer, 2)
    const sources = delivered.map((delivery) => delivery.event.attributes.source)
    assert.deepEqual(sources.sort(), ['/conformance', '/elsewhere'])
    const { deliveries } = await consumer.pull({
      max: 10,
      waitMs: 300,
      signal: AbortSignal.timeout(context.deadlineMs),
    })
    assert.deepEqual(
      deliveries.map((delivery) => idOf(delivery.event)),
      [],
      'a third delivery',
    )
    await drain(context, await context.consumer(other, otherGroup), ['same'])
  },
  async refused(context) {
    const topic = context.name('dedup')
    const { admin } = context.broker
    if (admin !== undefined) {
      await refuses('a window', () => admin.ensure(topic, { dedupWindowMs: hour }), 'dedupWindowMs')
    }
    await context.createTopic(topic)
    await context.group(topic)
    for (const result of await hundredTimes(context, topic)) {
      assert(
        result.status === 'stored' && result.duplicate !== true,
        'a broker without deduplication claims no duplicate',
      )
    }
  },
}

const windowMs = 3000

const afterWindow: Scenario = {
  id: 13,
  part: 'b',
  title: 'Deduplication ends after the window, not before: the same id is then another event',
  supported: ({ dedupWindowMs }) => dedupWindowMs > 0,
  async run(context) {
    const topic = context.name('window')
    try {
      await context.createTopic(topic, { dedupWindowMs: windowMs })
    } catch (error) {
      // A broker whose window cannot be chosen says so, and its length is in describe().
      assert(error instanceof UnsupportedError && error.capability === 'dedupWindowMs', String(error))
      return
    }
    const group = await context.group(topic)
    const startedAt = Date.now()
    await context.publish(topic, [event('same')])
    const end = startedAt + context.deadlineMs
    for (;;) {
      const [result] = await context.publish(topic, [event('same')])
      const answeredAt = Date.now()
      if (result?.status === 'stored' && result.duplicate !== true) {
        const passed = answeredAt - startedAt
        assert(passed >= windowMs, `forgotten within ${passed} ms; the window is ${windowMs} ms`)
        break
      }
      assert(answeredAt < end, 'still a duplicate long after the window')
      await pause(100)
    }
    const delivered = await take(context, await context.consumer(topic, group), 2)
    assert.deepEqual(
      delivered.map((delivery) => idOf(delivery.event)),
      ['same', 'same'],
    )
  },
  async refused(context) {
    const topic = await context.topic('no-window')
    const state = await context.broker.admin?.describe(topic)
    assert.equal(state?.dedupWindowMs ?? 0, 0, 'the topic has no window either')
  },
}

export const dedupScenarios: readonly Scenario[] = [dedup, afterWindow]
