import assert from 'node:assert/strict'
import type { Consumer, PublishResult } from '../../src/core/broker.ts'
import { GatewayError } from '../../src/core/errors.ts'
import { share, take } from './consuming.ts'
import { type Context, shortLeaseMs } from './context.ts'
import { event, events, idOf, ids } from './events.ts'
import { publishFails, rejects } from './refusal.ts'
import type { Scenario } from './scenario.ts'
import { within } from './waiting.ts'

const afterClose: Scenario = {
  id: 11,
  title: 'After close every call is a typed error; closing twice, also at once, is harmless',
  async run(context) {
    const { broker } = context
    const topic = await context.topic('closed')
    const group = await context.group(topic)
    await context.publish(topic, events(3, 'early'))
    const consumer = await context.consumer(topic, group)
    const [held] = await take(context, consumer, 1)
    await context.within('two closes at once', Promise.all([broker.close(), broker.close()]))
    await context.within('a third close', broker.close())

    const options = { start: 'latest', leaseMs: 30_000, maxAttempts: 16 } as const
    const signal = AbortSignal.timeout(context.deadlineMs)
    await publishFails('publish', () => context.publishRaw(topic, [event('late')]))
    const calls: [string, () => Promise<unknown>][] = [
      ['open', () => broker.open(topic, group, { prefetch: 1 })],
      ['groups.create', () => broker.groups.create(topic, 'late', options)],
      ['groups.describe', () => broker.groups.describe(topic, group)],
      ['health', () => broker.health()],
      ['pull', () => consumer.pull({ max: 1, waitMs: 0, signal })],
      ['settle', () => settleOrThrow(consumer, held!.receipt)],
    ]
    const { log, admin } = broker
    if (log !== undefined) {
      calls.push(['log.read', () => log.read(topic, 'earliest', { signal })[Symbol.asyncIterator]().next()])
    }
    if (admin !== undefined) calls.push(['admin.describe', () => admin.describe(topic)])
    for (const [name, call] of calls) {
      await rejects(`${name} after close`, () => context.within(`${name} settles after close`, call()))
    }
    await context.within('a consumer of a closed broker closes', consumer.close())
  },
}

async function settleOrThrow(consumer: Consumer, receipt: string): Promise<void> {
  const [result] = await consumer.settle([{ receipt, outcome: { kind: 'ack' } }])
  if (result?.status === 'failed') throw new GatewayError(result.error.code, result.error.detail)
}

/** Starts many publishes and a waiting pull, closes in their midst, and answers what was said to be stored. */
async function closeInTheMidst(context: Context, topic: string, group: string): Promise<string[]> {
  const consumer = await context.consumer(topic, group)
  const signal = AbortSignal.timeout(context.deadlineMs)
  const { broker } = context
  const publishes: Promise<readonly PublishResult[]>[] = []
  let closing: Promise<void> | undefined
  const closeAt = context.random.between(20, 180)
  for (let i = 0; i < 200; i++) {
    publishes.push(context.publisher(topic).publish([event(`p${i}`)]))
    // Lets some of them reach the broker before the others are begun.
    if (i % 10 === 0) await new Promise(setImmediate)
    if (i === closeAt) closing = broker.close()
  }
  const waiting = consumer.pull({ max: 1, waitMs: 30_000, signal })
  const all = [...publishes, waiting, closing]
  const settled = await within(context.deadlineMs, 'every promise settles', Promise.allSettled(all))
  const unforeseen = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  for (const reason of unforeseen) {
    assert(reason instanceof GatewayError, `rejected with ${String(reason)}, which is no GatewayError`)
  }
  const results = (await Promise.allSettled(publishes)).flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  return results.filter(({ status }) => status === 'stored').map(({ id }) => id)
}

const closeWhilePublishing: Scenario = {
  id: 12,
  title: 'Close during concurrent publishes and a waiting pull: every promise settles',
  async run(context) {
    const topic = await context.topic('closing')
    const group = await context.group(topic)
    await closeInTheMidst(context, topic, group)
    await rejects('health after close', () => context.broker.health())
  },
}

const closeLosesNothing: Scenario = {
  id: 12,
  part: 'b',
  title: 'Close during concurrent publishes: what was said to be stored is there after a restart',
  needs: ['reopen'],
  async run(context) {
    const topic = await context.topic('closing')
    // What the waiting pull got in the last moment comes again when its lease ends.
    const group = await context.group(topic, { leaseMs: 2 * shortLeaseMs })
    const stored = await closeInTheMidst(context, topic, group)
    await context.reopen()
    const last = event('last')
    await context.publish(topic, [last])
    // What was unknown may be there too: it is allowed, and not asked for.
    const consumer = await context.consumer(topic, group)
    const missing = new Set([...stored, 'last'])
    while (missing.size > 0) {
      const [delivery] = await take(context, consumer, 1)
      missing.delete(idOf(delivery!.event))
      await consumer.settle([{ receipt: delivery!.receipt, outcome: { kind: 'ack' } }])
    }
  },
}

const tenCloses: Scenario = {
  id: 37,
  title: 'Ten consumers that hold deliveries are closed at once, each twice; one more consumer gets the full set',
  async run(context) {
    const topic = await context.topic('ten')
    const group = await context.group(topic)
    const sent = events(200, 'e')
    await context.publish(topic, sent)
    const consumers = await Promise.all(Array.from({ length: 10 }, () => context.consumer(topic, group, 10)))
    const signal = AbortSignal.timeout(context.deadlineMs)
    const pulls = consumers.map((consumer) => consumer.pull({ max: 10, waitMs: 1000, signal }))
    const held = (await context.within('ten pulls', Promise.all(pulls))).flatMap(({ deliveries }) => deliveries)
    assert(held.length > 0, 'something is held when the consumers close')
    await context.within('ten closes', Promise.all(consumers.flatMap((one) => [one.close(), one.close()])))
    await share(context, [await context.consumer(topic, group)], ids(sent), 100)
  },
}

const cancel: Scenario = {
  id: 36,
  title: 'Cancel: a waiting pull ends with its signal or its consumer, and what was not settled is returned at once',
  async run(context) {
    const topic = await context.topic('cancel')
    const group = await context.group(topic)
    const waiting = await context.consumer(topic, group)
    const controller = new AbortController()
    const aborted = waiting.pull({ max: 1, waitMs: 600_000, signal: controller.signal })
    controller.abort()
    await assertEndsEmpty(context, aborted, 'a pull whose signal aborts')
    const signal = new AbortController().signal
    const closed = waiting.pull({ max: 1, waitMs: 600_000, signal })
    await context.within('a consumer with a waiting pull closes', waiting.close())
    await assertEndsEmpty(context, closed, 'a pull whose consumer closes')

    const sent = events(20, 'e')
    await context.publish(topic, sent)
    const first = await context.consumer(topic, group)
    const held = await take(context, first, 20)
    const done = held.slice(0, 8)
    const settlements = done.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } as const }))
    for (const result of await first.settle(settlements)) assert.equal(result.status, 'ok')
    await context.within('a consumer that holds deliveries closes', first.close())
    // The lease of this group outlasts the deadline by far: what comes now was returned by the close.
    const left = ids(held.slice(8).map((one) => one.event))
    const again = await share(context, [await context.consumer(topic, group)], left)
    if (context.capabilities.attempts) {
      for (const delivery of again) assert(delivery.attempt >= 2, `${idOf(delivery.event)} came again as attempt 1`)
    }
  },
}

async function assertEndsEmpty(context: Context, pulling: Promise<{ deliveries: readonly unknown[] }>, what: string) {
  const outcome = await context.within(`${what} ends`, Promise.allSettled([pulling]))
  if (outcome[0].status === 'fulfilled') assert.equal(outcome[0].value.deliveries.length, 0, what)
}

export const closingScenarios: readonly Scenario[] = [
  afterClose,
  closeWhilePublishing,
  closeLosesNothing,
  cancel,
  tenCloses,
]
