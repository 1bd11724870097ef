import assert from 'node:assert/strict'
import type { PublishResult } from '../../src/core/broker.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { Event } from '../../src/core/event.ts'
import { drain, settle, share, take, takeOne } from './consuming.ts'
import type { Context } from './context.ts'
import { assertSameIds, event, eventOfSize, events, idOf, ids } from './events.ts'
import { assertStored } from './refusal.ts'
import type { Scenario } from './scenario.ts'
import { settles, within } from './waiting.ts'

const acknowledged: Scenario = {
  id: 2,
  title: 'The broker’s own acknowledgement comes first: while it is held, no publish answers stored',
  needs: ['holdAck'],
  async run(context) {
    const topic = await context.topic('held')
    const group = await context.group(topic)
    await context.publish(topic, [event('before')])
    const release = await context.hook('holdAck')(context.broker)
    const publishing = context.publishRaw(topic, [event('held')])
    try {
      assert.equal(await settles(publishing, 500), false, 'publish settled although the broker acknowledged nothing')
    } finally {
      await release()
      await Promise.allSettled([publishing])
    }
    assertStored(await publishing, 1)
    await drain(context, await context.consumer(topic, group), ['before', 'held'])
  },
}

/**
 * Publishes a batch with one item that no broker takes, and answers the ids that are then stored. A broker that takes a
 * batch as a whole may refuse it as a whole; the core reads that as the failure of every item.
 */
async function publishWithBadItem(context: Context, topic: string, batch: readonly Event[]): Promise<string[]> {
  const [outcome] = await Promise.allSettled([context.publishRaw(topic, batch)])
  if (outcome.status === 'rejected') {
    const { reason } = outcome
    assert(reason instanceof GatewayError && reason.code === 'too_large', `the batch is refused with ${String(reason)}`)
    return []
  }
  const results = outcome.value
  assert.deepEqual(
    results.map(({ id }) => id),
    ids(batch),
    'a result per item, in order',
  )
  for (const result of results) assert.notEqual(result.status, 'unknown', 'what was never sent has failed')
  return ids(batch.filter((_, i) => results[i]?.status === 'stored'))
}

const partial: Scenario = {
  id: 8,
  title: 'Batch with a bad item: the results say what is stored, and a retry of the others alone completes the set',
  async run(context) {
    const topic = await context.topic('partial')
    const group = await context.group(topic)
    const good = events(10, 'item')
    const bad = eventOfSize('item-2', context.capabilities.maxEventBytes + 1)
    const stored = await publishWithBadItem(context, topic, good.with(2, bad))
    assert([0, 9].includes(stored.length) && !stored.includes('item-2'), `stored: ${stored.join(', ')}`)
    const consumer = await context.consumer(topic, group)
    await drain(context, consumer, stored)
    const retried = good.filter((one) => !stored.includes(idOf(one)))
    await context.publish(topic, retried)
    await drain(context, consumer, ids(retried))
  },
}

const partialKeyed: Scenario = {
  id: 8,
  part: 'b',
  title: 'Batch with a bad item: later items of its key are not stored before it',
  async run(context) {
    const topic = await context.topic('partial-keyed')
    const group = await context.group(topic)
    const keyOf = (i: number) => ({ partitionkey: i % 2 === 0 ? 'a' : 'b' })
    const bad = eventOfSize('item-2', context.capabilities.maxEventBytes + 1, keyOf(2))
    const batch = Array.from({ length: 10 }, (_, i) => (i === 2 ? bad : event(`item-${i}`, keyOf(i))))
    const stored = await publishWithBadItem(context, topic, batch)
    const others = ['item-0', 'item-1', 'item-3', 'item-5', 'item-7', 'item-9']
    assert.deepEqual(stored, stored.length === 0 ? [] : others)
    await drain(context, await context.consumer(topic, group), stored)
  },
}

const concurrent: Scenario = {
  id: 9,
  title: 'Concurrent publishers: 50 with 100 events each, the exact set arrives',
  async run(context) {
    const topic = await context.topic('concurrent')
    const group = await context.group(topic)
    const publishers = Array.from({ length: 50 }, (_, i) => events(100, `p${i}`))
    await context.within(
      'all publishers are done',
      Promise.all(
        publishers.map(async (own) => {
          for (let at = 0; at < own.length; ) {
            const part = own.slice(at, at + context.random.between(1, 20))
            assertStored(await context.publisher(topic).publish(part), part.length)
            at += part.length
          }
        }),
      ),
    )
    const expected = publishers.flatMap(ids)
    const delivered = await share(context, [await context.consumer(topic, group)], expected, 500)
    if (context.exact) assertSameIds(ids(delivered.map((one) => one.event)), expected, 'deliveries')
  },
}

/** Whatever the publish said of the event must be true of the topic. */
async function assertHonest(context: Context, topic: string, group: string, id: string, said: string): Promise<void> {
  await context.publish(topic, [event('marker')])
  const consumer = await context.consumer(topic, group)
  const seen: string[] = []
  while (!seen.includes('marker') || (said === 'stored' && !seen.includes(id))) {
    const delivery = await takeOne(context, consumer)
    seen.push(idOf(delivery.event))
    await settle(context, consumer, [delivery])
  }
  if (said === 'failed') assert(!seen.includes(id), 'an event that is said to have failed was delivered')
}

/** What a publish says of its one event: by its result, or by its typed rejection. */
async function verdict(publishing: Promise<readonly PublishResult[]>): Promise<string> {
  try {
    const [result] = await publishing
    return result?.status ?? 'no result'
  } catch (error) {
    assert(error instanceof GatewayError, `publish rejected with ${String(error)}, which is no GatewayError`)
    return error.code === 'unknown_outcome' || error.code === 'internal' ? 'unknown' : 'failed'
  }
}

const aborted: Scenario = {
  id: 10,
  title: 'Cancel: a publish whose signal is aborted settles, and what it says is true',
  async run(context) {
    const topic = await context.topic('aborted')
    const group = await context.group(topic)
    const before = context.publishRaw(topic, [event('before')], { signal: AbortSignal.abort() })
    const said = await verdict(before)
    await assertHonest(context, topic, group, 'before', said)

    const controller = new AbortController()
    const during = context.publishRaw(topic, events(10, 'during'), { signal: controller.signal })
    controller.abort()
    const results = await during.catch((error: unknown) => {
      assert(error instanceof GatewayError, `publish rejected with ${String(error)}`)
    })
    if (results !== undefined) assert.equal(results.length, 10, 'a result per event')
  },
}

const deadline: Scenario = {
  id: 10,
  part: 'b',
  title:
    'Deadline: while the broker acknowledges nothing, an aborted publish settles soon as unknown; its id is safe to retry',
  needs: ['holdAck'],
  async run(context) {
    const dedupWindowMs = Math.min(3_600_000, context.capabilities.dedupWindowMs)
    const topic = await context.topic('deadline', dedupWindowMs > 0 ? { dedupWindowMs } : {})
    const key = { partitionkey: 'k' }
    await context.listened(topic)
    // What a broker asks for before the first event of a key is answered by then: the next one is really sent.
    await context.publish(topic, [event('before', key)])
    const group = await context.group(topic)
    const release = await context.hook('holdAck')(context.broker)
    let said: string
    try {
      const signal = AbortSignal.timeout(300)
      const publishing = context.broker.publish(topic, [event('held', key)], { signal })
      publishing.catch(() => undefined)
      said = await within(10_000, 'publish settles after its deadline', verdict(publishing))
    } finally {
      await release()
    }
    assert.equal(said, 'unknown', 'the outcome of a publish that was sent and not answered')
    await context.publish(topic, [event('held', key), event('marker')])
    const consumer = await context.consumer(topic, group)
    const seen: string[] = []
    while (!seen.includes('marker') || !seen.includes('held')) {
      const [delivery] = await take(context, consumer, 1)
      seen.push(idOf(delivery!.event))
      await settle(context, consumer, [delivery!])
    }
    assertSameIds(new Set(seen), ['held', 'marker'], 'deliveries')
    if (dedupWindowMs > 0) assertSameIds(seen, ['held', 'marker'], 'deliveries of a broker that deduplicates')
  },
}

export const acknowledgeScenarios: readonly Scenario[] = [
  acknowledged,
  partial,
  partialKeyed,
  concurrent,
  aborted,
  deadline,
]
