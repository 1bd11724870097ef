import assert from 'node:assert/strict'
import type { GroupOptions, Start } from '../../src/core/broker.ts'
import { requireSeek, unmet } from '../../src/core/capabilities.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { Event } from '../../src/core/event.ts'
import { assertQuiet, drain, share, take } from './consuming.ts'
import type { Context } from './context.ts'
import { assertSameIds, event, events, idOf, ids } from './events.ts'
import { refuses } from './refusal.ts'
import type { Scenario } from './scenario.ts'
import { individual } from './stage.ts'
import { nextMoment } from './waiting.ts'

const twoGroups: Scenario = {
  id: 14,
  title: 'Two groups: each receives every event',
  supported: ({ groups }) => groups === 'many',
  async run(context) {
    const topic = await context.topic('two-groups')
    const first = await context.group(topic)
    const second = await context.group(topic)
    const sent = events(100, 'e')
    await context.publish(topic, sent)
    const consumers = [await context.consumer(topic, first), await context.consumer(topic, second)]
    await Promise.all(consumers.map((consumer) => drain(context, consumer, ids(sent))))
    assertSameIds(await context.broker.groups.list(topic), [first, second], 'groups')
  },
  async refused(context) {
    const topic = await context.topic('two-groups')
    const first = await context.group(topic)
    const options = { start: 'latest', leaseMs: 30_000, maxAttempts: 16 } as const
    await refuses('a second group', () => context.broker.groups.create(topic, context.name('group'), options), 'groups')
    assert.deepEqual(await context.broker.groups.list(topic), [first], 'the refused group does not exist')
  },
}

const oneGroup: Scenario = {
  id: 15,
  title: 'One group, four consumers: the union is exact and no two hold an event at once',
  async run(context) {
    const topic = await context.topic('one-group')
    const group = await context.group(topic)
    const consumers = []
    for (let i = 0; i < 4; i++) consumers.push(await context.consumer(topic, group, 50))
    const sent = events(600, 'e').map((one, i) => event(idOf(one), { partitionkey: `k${i % 32}` }, one.data))
    const [delivered] = await Promise.all([share(context, consumers, ids(sent), 20), context.publish(topic, sent)])
    if (context.exact) assertSameIds(ids(delivered.map((one) => one.event)), ids(sent), 'deliveries')
  },
}

const isolated: Scenario = {
  id: 16,
  title: 'Topics are isolated, also where their names and the ids of their events are alike',
  async run(context) {
    const stem = context.name('like')
    const topics: string[] = []
    for (const topic of [`${stem}.a`, `${stem}-a`, `${stem}_a`, `${stem}a`]) {
      // A broker to which two names are one says so, and is not asked for both.
      if (await isCreated(context, topic)) topics.push(topic)
    }
    assert(topics.length >= 3, `of four names that are alike ${topics.length} can be had`)
    const groups = []
    for (const topic of topics) groups.push(await context.group(topic))
    for (const [i, topic] of topics.entries()) {
      await context.publish(topic, [event('same', { subject: topic }), event(`own-${i}`, { subject: topic })])
    }
    for (const [i, topic] of topics.entries()) {
      const delivered = await drain(context, await context.consumer(topic, groups[i]!), ['same', `own-${i}`])
      for (const delivery of delivered) assert.equal(delivery.event.attributes.subject, topic)
    }
    if (context.capabilities.replay) for (const topic of topics) await followsOnly(context, topic)
  },
}

async function isCreated(context: Context, topic: string): Promise<boolean> {
  try {
    await context.createTopic(topic)
    return true
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'conflict') return false
    throw error
  }
}

/** A live read goes on from its topic's history to what comes next there, and to nothing that other topics hold. */
async function followsOnly(context: Context, topic: string): Promise<void> {
  const gone = new AbortController()
  const late = setTimeout(() => gone.abort(), context.deadlineMs)
  const seen: Event[] = []
  for await (const { records } of context.broker.log!.read(topic, 'earliest', { follow: true, signal: gone.signal })) {
    if (seen.length < 2 && seen.length + records.length >= 2)
      await context.publish(topic, [event('next', { subject: topic })])
    seen.push(...records.map((record) => record.event))
    if (seen.some(({ attributes }) => attributes.id === 'next')) break
  }
  clearTimeout(late)
  assert.equal(seen.length, 3, `a live read of ${topic} saw its three events`)
  for (const { attributes } of seen) assert.equal(attributes.subject, topic)
}

const twentyTopics: Scenario = {
  id: 17,
  title: 'Twenty topics at once, published and consumed concurrently',
  async run(context) {
    const work = async (i: number): Promise<void> => {
      const topic = await context.topic(`t${i}`)
      const group = await context.group(topic)
      const sent = events(25, `t${i}`)
      const consumer = await context.consumer(topic, group)
      await Promise.all([share(context, [consumer], ids(sent)), context.publish(topic, sent)])
    }
    await Promise.all(Array.from({ length: 20 }, (_, i) => work(i)))
  },
}

const durable: Scenario = {
  id: 31,
  title:
    'A group created before the first publish loses nothing; latest begins after what is there; creating again moves nothing',
  async run(context) {
    const { groups } = context.broker
    const topic = await context.topic('durable')
    const group = await context.group(topic, { leaseMs: 45_000, maxAttempts: 7 })
    const sent = events(30, 'e')
    await context.publish(topic, sent)
    const again: GroupOptions = { start: 'latest', leaseMs: 1000, maxAttempts: 1 }
    assert.equal(await groups.create(topic, group, again), false, 'an existing group is left as it is')
    const state = await groups.describe(topic, group)
    assert.deepEqual([state.start, state.leaseMs, state.maxAttempts], ['latest', 45_000, 7])
    await drain(context, await context.consumer(topic, group), ids(sent))

    if (context.capabilities.groups === 'many') {
      const late = await context.group(topic)
      await context.publish(topic, [event('later')])
      await drain(context, await context.consumer(topic, late), ['later'])
      await groups.delete(topic, late)
    }
    await groups.delete(topic, group)
    await groups.delete(topic, group)
    assert.deepEqual(await groups.list(topic), [], 'a deleted group is not listed')
  },
}

/** Three generations of ten events, the moment between the first two, and the cursor after the second. */
async function generations(context: Context): Promise<{ topic: string; starts: [string, Start, string[]][] }> {
  const topic = await context.topic('starts')
  await context.publish(topic, events(10, 'a'))
  const moment = await nextMoment()
  await context.publish(topic, events(10, 'b'))
  let cursor = ''
  const signal = AbortSignal.timeout(context.deadlineMs)
  for await (const batch of context.broker.log!.read(topic, 'earliest', { signal })) cursor = batch.cursor
  await context.publish(topic, events(10, 'c'))
  const [a, b, c] = [ids(events(10, 'a')), ids(events(10, 'b')), ids(events(10, 'c'))]
  const starts: [string, Start, string[]][] = [
    ['earliest', 'earliest', [...a, ...b, ...c]],
    ['a time', moment, [...b, ...c]],
    ['a cursor', { cursor }, c],
    ['latest', 'latest', []],
  ]
  return { topic, starts }
}

const starts: Scenario = {
  id: 31,
  part: 'b',
  title: 'A group starts where it is told: earliest, at a time, after a cursor, latest',
  supported: ({ replay, groups }) => replay && groups === 'many',
  async run(context) {
    const { topic, starts } = await generations(context)
    for (const [what, start, expected] of starts) {
      const group = await context.group(topic, { start })
      const consumer = await context.consumer(topic, group)
      if (expected.length > 0) await drain(context, consumer, expected)
      else await assertQuiet(context, consumer, `a group that starts at ${what}`)
    }
  },
  async refused(context) {
    const { groups } = context.broker
    const topic = await context.topic('starts')
    const group = context.name('group')
    for (const start of ['earliest', new Date(), { cursor: '0' }] as const) {
      const attempt = () => groups.create(topic, group, { start, leaseMs: 30_000, maxAttempts: 16 })
      await refuses(`start ${JSON.stringify(start)}`, attempt, 'replay', 'groups')
    }
    assert.deepEqual(await groups.list(topic), [], 'the refused group does not exist')
    assert(
      unmet({ replay: true, groups: 'many' }, context.capabilities).length > 0,
      'a topic that requires it is refused',
    )
  },
}

const seek: Scenario = {
  id: 31,
  part: 'c',
  title: 'A group is moved to a time, a cursor, the beginning and the end; what was leased loses its lease',
  supported: (capabilities) => capabilities.seek,
  async run(context) {
    const move = requireSeek(context.broker)
    const { topic, starts } = await generations(context)
    const group = await context.group(topic, { start: 'earliest' })
    const consumer = await context.consumer(topic, group)
    const [held] = await take(context, consumer, 1)
    for (const [what, to, expected] of starts) {
      await context.within(`the group is moved to ${what}`, move(topic, group, to))
      if (expected.length > 0) await drain(context, consumer, expected)
      else await assertQuiet(context, consumer, `a group that was moved to ${what}`)
    }
    const kind = individual(context.capabilities) ? 'nack' : 'ack'
    const [late] = await consumer.settle([{ receipt: held!.receipt, outcome: { kind } }])
    assert(late?.status === 'failed' && late.error.code === 'lease_lost', 'a lease from before the move is lost')
  },
  async refused(context) {
    await refuses('seek', () => requireSeek(context.broker), 'seek')
  },
}

export const groupScenarios: readonly Scenario[] = [twoGroups, oneGroup, isolated, twentyTopics, durable, starts, seek]
