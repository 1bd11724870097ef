import assert from 'node:assert/strict'
import type { LogRecord, ReadOptions, Start } from '../../src/core/broker.ts'
import { requireLog } from '../../src/core/capabilities.ts'
import { drain, settle, take } from './consuming.ts'
import type { Context } from './context.ts'
import { assertSameEvent, assertSameIds, event, events, idOf, ids } from './events.ts'
import { refuses, rejects } from './refusal.ts'
import type { Scenario } from './scenario.ts'
import { nextMoment } from './waiting.ts'

async function read(
  context: Context,
  topic: string,
  from: Start,
  options: Partial<ReadOptions> = {},
): Promise<{ records: LogRecord[]; cursor: string }> {
  const records: LogRecord[] = []
  let cursor: string | undefined
  const signal = AbortSignal.timeout(context.deadlineMs)
  for await (const batch of requireLog(context.broker).read(topic, from, { signal, ...options })) {
    records.push(...batch.records)
    cursor = batch.cursor
  }
  assert(cursor !== undefined, 'a read yields at least one batch, for its cursor')
  return { records, cursor }
}

async function assertRange(
  context: Context,
  topic: string,
  from: Start,
  options: Partial<ReadOptions>,
  expected: string[],
) {
  const { records } = await read(context, topic, from, options)
  const what = `read from ${JSON.stringify(from)} ${JSON.stringify({ ...options, signal: undefined })}`
  assertSameIds(ids(records.map((one) => one.event)), expected, what)
}

const supported = ({ replay }: { replay: boolean }): boolean => replay
const refused = (context: Context) => refuses('reading a log', () => requireLog(context.broker), 'replay')

const ranges: Scenario = {
  id: 32,
  title:
    'Replay by time, cursor and position: the exact closed range, by key and limit; the group’s place is untouched',
  supported,
  refused,
  async run(context) {
    const topic = await context.topic('replay')
    const group = await context.group(topic)
    const make = (stem: string) =>
      events(40, stem).map((one, i) => event(idOf(one), { partitionkey: `k${i % 5}` }, one.data))
    const [a, b, c] = [make('a'), make('b'), make('c')]
    const empty = await read(context, topic, 'earliest')
    assert.deepEqual(empty.records, [], 'an empty log reads as empty')
    await context.publish(topic, a)
    const afterA = (await read(context, topic, { cursor: empty.cursor })).cursor
    const beforeB = await nextMoment()
    await context.publish(topic, b)
    const afterB = await nextMoment()
    await context.publish(topic, c)

    const consumer = await context.consumer(topic, group)
    const settled = await take(context, consumer, 3)
    await settle(context, consumer, settled)

    const all = [...a, ...b, ...c]
    await assertRange(context, topic, 'earliest', {}, ids(all))
    await assertRange(context, topic, 'latest', {}, [])
    await assertRange(context, topic, beforeB, {}, ids([...b, ...c]))
    await assertRange(context, topic, beforeB, { to: afterB }, ids(b))
    await assertRange(context, topic, 'earliest', { to: beforeB }, ids(a))
    await assertRange(context, topic, { cursor: afterA }, { to: afterB }, ids(b))
    await assertRange(context, topic, 'earliest', { key: 'k3' }, ids(all.filter((_, i) => i % 5 === 3)))
    const { records } = await read(context, topic, 'earliest')
    for (const place of [records[0]!, records[57]!, records[119]!]) {
      const single = await requireLog(context.broker).get(topic, place.position)
      assertSameEvent(single.event, place.event)
      assert.equal(single.position, place.position)
    }
    await rejects(
      'a position of no log',
      () => requireLog(context.broker).get(topic, '999999999999'),
      'not_found',
      'invalid_argument',
    )

    const left = new Set(ids(all))
    for (const delivery of settled) left.delete(idOf(delivery.event))
    await drain(context, consumer, left)
  },
}

const paging: Scenario = {
  id: 32,
  part: 'b',
  title: 'Reading on from each batch’s or each event’s cursor gives every event once, whatever the page’s limit',
  supported,
  refused,
  async run(context) {
    const topic = await context.topic('paging')
    const sent = events(101, 'e').map((one, i) => event(idOf(one), { partitionkey: `k${i % 7}` }))
    await context.publish(topic, sent)
    for (const byEvent of [false, true]) {
      const seen: string[] = []
      let from: Start = 'earliest'
      while (seen.length < sent.length) {
        const limit = context.random.between(1, 20)
        const page = await read(context, topic, from, { limit })
        assert(page.records.length <= limit, `a limit of ${limit} brought ${page.records.length}`)
        assert(page.records.length > 0, 'a page before the end of the log has events')
        seen.push(...ids(page.records.map((one) => one.event)))
        from = { cursor: byEvent ? page.records.at(-1)!.cursor : page.cursor }
      }
      assertSameIds(seen, ids(sent), byEvent ? 'paging by the cursors of events' : 'paging by the cursors of batches')
      assert.deepEqual((await read(context, topic, from)).records, [], 'nothing is left after the last page')
    }
    // A filter may leave nothing of a page, and the cursor still advances to the end.
    const nothing = await read(context, topic, 'earliest', { key: 'no such key' })
    assert.deepEqual(nothing.records, [])
    await context.publish(topic, [event('new')])
    await assertRange(context, topic, { cursor: nothing.cursor }, {}, ['new'])
  },
}

const staleCursors: Scenario = {
  id: 32,
  part: 'c',
  title: 'A cursor that is none, or of another log, is stale_cursor or invalid_argument, and never a wrong range',
  supported,
  refused,
  async run(context) {
    const topic = await context.topic('cursor')
    const other = await context.topic('cursor')
    await context.publish(topic, events(5, 'e'))
    await context.publish(other, events(50, 'o'))
    const { cursor } = await read(context, other, 'earliest')
    for (const wrong of [cursor, 'nonsense', '']) {
      const what = `cursor ${JSON.stringify(wrong)}`
      await rejects(what, () => read(context, topic, { cursor: wrong }), 'stale_cursor', 'invalid_argument')
    }
  },
}

const follow: Scenario = {
  id: 32,
  part: 'd',
  title: 'Following a log: what is there, then what is published later, until the signal ends it',
  supported,
  refused,
  async run(context) {
    const topic = await context.topic('follow')
    await context.publish(topic, events(10, 'old'))
    const controller = new AbortController()
    const seen: string[] = []
    let published = false
    const reading = (async () => {
      const options = { follow: true, signal: controller.signal }
      for await (const { records } of requireLog(context.broker).read(topic, 'earliest', options)) {
        seen.push(...ids(records.map((one) => one.event)))
        if (seen.length >= 20) controller.abort()
        if (seen.length < 10 || published) continue
        published = true
        await context.publish(topic, events(10, 'new'))
      }
    })()
    // Whether the end by a signal is a return or a rejection is left open; that it ends is not.
    await context.within('the reader ends', Promise.allSettled([reading]))
    assertSameIds(seen, [...ids(events(10, 'old')), ...ids(events(10, 'new'))], 'followed')
  },
}

export const logScenarios: readonly Scenario[] = [ranges, paging, staleCursors, follow]
