import { afterEach, beforeEach, expect, test } from 'vitest'
import { seedOfRun } from '../conformance/random.ts'
import { nextMoment, pause, until, within } from '../conformance/waiting.ts'
import type { Operation } from './faults/api.ts'
import type { Seen } from './faults/endpoints.ts'
import { Load } from './faults/load.ts'
import { Stage } from './faults/stage.ts'

const events = 300
const policy = { timeout: '3s', retry: { schedule: ['200ms', '200ms'] } }
let stage: Stage
let load: Load
/** Its only subscription. */
let id: string

beforeEach(async () => {
  stage = await Stage.create({ store: 'sqlite', broker: 'embedded' })
  stage.replica.start()
  const types = { 'load.odd': 30 }
  load = new Load(stage.topic, [stage.replica], {
    seed: seedOfRun(),
    publishers: 1,
    batch: 50,
    paceMs: 0,
    keys: 5,
    types,
  })
  id = (await stage.subscribe('/p', { policy })).id
})

afterEach(() => stage.remove())

function replay(more: Record<string, unknown>): Promise<Operation> {
  return stage.api.ask('POST', '/v1/replays', { subscription: id, ...more })
}

function replayed(operation: string): readonly Seen[] {
  return stage.endpoints.seen('/p').filter(({ replay }) => replay === operation)
}

function eventsOf(seen: readonly Seen[]): string[] {
  return seen.map(({ event }) => event).sort()
}

test('a replay is exactly its range and its filter, marked, and live deliveries are as they were', async () => {
  await load.burst(50)
  await nextMoment()
  const from = await nextMoment()
  const before = load.made.size
  await load.burst(events)
  const range = [...load.made.values()].slice(before)
  const to = await nextMoment()
  await load.burst(50)
  const odd = range.filter(({ type }) => type === 'load.odd').map(({ id }) => id)
  const what = { from: from.toISOString(), to: to.toISOString(), filters: [{ exact: { type: 'load.odd' } }] }
  const counted = await stage.api.finished((await replay({ ...what, dryRun: true })).id)
  expect(counted).toMatchObject({ state: 'succeeded', matched: odd.length })
  const { id: operation } = await replay(what)
  expect(await stage.api.finished(operation)).toMatchObject({
    state: 'succeeded',
    matched: odd.length,
    done: odd.length,
  })
  expect(eventsOf(replayed(operation))).toEqual([...odd].sort())
  const live = stage.endpoints.seen('/p').filter(({ replay }) => replay === undefined)
  const ids = new Set(live.map(({ delivery }) => delivery))
  expect(replayed(operation).filter(({ delivery }) => ids.has(delivery))).toEqual([])
  expect(replayed(counted.id)).toEqual([])
  expect(eventsOf(live)).toEqual([...load.made.keys()].sort())
  const { violations } = await stage.settled(load)
  expect(violations.filter(({ detail }) => !detail.includes('rows'))).toEqual([])
})

test('a replay pauses, goes on, and is cancelled', { timeout: 60_000 }, async () => {
  await load.burst(events)
  const { id: operation } = await replay({ from: 'earliest', ratePerSecond: 60 })
  await until(30_000, 'some came', async () => replayed(operation).length >= 20)
  await stage.api.ask('POST', `/v1/operations/${operation}/pause`)
  await pause(1500)
  const held = replayed(operation).length
  await pause(1500)
  expect(replayed(operation).length).toBe(held)
  expect(held).toBeLessThan(events)
  await stage.api.ask('POST', `/v1/operations/${operation}/resume`)
  expect(await stage.api.finished(operation)).toMatchObject({ state: 'succeeded', matched: events, done: events })
  expect(eventsOf(replayed(operation))).toEqual([...load.made.keys()].sort())
  const { id: other } = await replay({ from: 'earliest', ratePerSecond: 20 })
  await until(30_000, 'some came', async () => replayed(other).length >= 5)
  await stage.api.ask('POST', `/v1/operations/${other}/cancel`)
  expect((await stage.api.operation(other)).state).toBe('cancelled')
  await pause(1500)
  const ended = replayed(other).length
  await pause(1500)
  expect(replayed(other).length).toBe(ended)
  expect(ended).toBeLessThan(events)
})

test.each(['before-attempt', 'after-attempt'] as const)(
  'a replay goes on after a crash %s, and doubles nothing',
  {
    timeout: 120_000,
  },
  async (at) => {
    await load.burst(events)
    await until(30_000, 'all are live', async () => stage.endpoints.seen('/p').length >= events)
    await stage.replica.stop()
    stage.replica.start({ at, nth: 60 })
    const { id: operation } = await replay({ from: 'earliest', ratePerSecond: 100 })
    await within(60_000, 'the gateway ends itself', stage.replica.gone)
    stage.replica.start()
    expect(await stage.api.finished(operation)).toMatchObject({
      state: 'succeeded',
      matched: events,
      done: events,
      failed: 0,
    })
    const byEvent = Map.groupBy(replayed(operation), ({ event }) => event)
    expect([...byEvent.keys()].sort()).toEqual([...load.made.keys()].sort())
    for (const [event, seen] of byEvent) expect(new Set(seen.map(({ delivery }) => delivery)).size, event).toBe(1)
    const [killed] = stage.replica.kills
    const doubled = [...byEvent.values()].filter((seen) => seen.length > 1)
    // Only what was under way when it ended.
    expect(doubled.filter((seen) => seen[0]!.at > killed!.to || seen[1]!.at < killed!.from)).toEqual([])
    expect(doubled.length).toBeLessThan(60)
    const rows = await stage.api.rows(id)
    expect(rows.filter((row) => row.operation === operation && row.status === 'succeeded')).toHaveLength(events)
  },
)
