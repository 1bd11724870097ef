import { expect, test } from 'vitest'
import { bind, takenPlaces } from '../../../src/config/bindings.ts'
import { type Subscriber, swapRefusals } from '../../../src/config/swap.ts'
import type { Broker, Capabilities } from '../../../src/core/broker.ts'
import { FixtureBroker } from '../../fixtures/fixture-broker.ts'

const topic = { name: 't', brokerName: 'b', brokerTopic: 't', abandon: false }
const known = { topic: 't', broker: 'a', name: 't', epoch: 3, start: 'place' }
const drain = { topic: 't', broker: 'z', name: 't', epoch: 2, since: 5 }
const isThere = (): boolean => true
const isGone = (): boolean => false

test('a topic that moves is drained from where it was, or abandoned', () => {
  const next = { topic: 't', broker: 'b', name: 't', epoch: 4 }
  expect(bind({ ...topic, drainFrom: 'a' }, { binding: known }, isThere, 9)).toEqual({
    binding: next,
    moved: known,
    drain: { ...known, since: 9 },
  })
  expect(bind({ ...topic, abandon: true }, { binding: known, drain }, isThere, 9)).toEqual({
    binding: next,
    moved: known,
    abandoned: drain,
  })
  const renamed = { ...topic, brokerName: 'a', brokerTopic: 'u', drainFrom: 'a' }
  expect(bind(renamed, { binding: known }, isThere, 9)).toMatchObject({ binding: { broker: 'a', name: 'u', epoch: 4 } })
})

test('one that is where it was goes on with what it is drained from, whatever drainFrom says', () => {
  const here = { ...topic, brokerName: 'a' }
  const same = { binding: known, isKnown: true }
  expect(bind({ ...here, drainFrom: 'gone' }, { binding: known }, isGone, 9)).toEqual(same)
  expect(bind(here, { binding: known, drain }, isThere, 9)).toEqual({ ...same, drain })
  expect(bind({ ...here, abandon: true }, { binding: known, drain }, isGone, 9)).toEqual({
    ...same,
    abandoned: drain,
  })
  expect(bind({ ...topic, drainFrom: 'a' }, {}, isThere, 9)).toEqual({
    binding: { topic: 't', broker: 'b', name: 't', epoch: 1 },
  })
})

test.each([
  ['neither is said', {}, {}, isThere, /drainFrom: a under topics\.t .*abandon: true/],
  ['another broker is said', { drainFrom: 'c' }, {}, isThere, /drainFrom under topics\.t must be a, and it is c/],
  ['the old broker is gone', { drainFrom: 'a' }, {}, isGone, /from broker a, which is not under brokers/],
  ['it is drained already', { drainFrom: 'a' }, { drain }, isThere, /still drained from broker z/],
] as const)('a move is refused where %s', (_, more, memory, isConfigured, expected) => {
  expect(bind({ ...topic, ...more }, { binding: known, ...memory }, isConfigured, 9)).toMatch(expected)
})

test('what is drained still needs its broker', () => {
  const refusal = bind({ ...topic, brokerName: 'a' }, { binding: known, drain }, isGone, 9)
  expect(refusal).toMatch(/drained from broker z, which is not under brokers: put it back .*abandon: true/)
})

test('where one topic is drained from, no other may be', () => {
  const other = { name: 'o', brokerName: 'z', brokerTopic: 't', abandon: false }
  expect(takenPlaces(other, [drain])).toEqual([expect.stringMatching(/^Topic o on broker z: topic t is still drained/)])
  expect(takenPlaces({ ...other, brokerTopic: 'o' }, [drain])).toEqual([])
  expect(takenPlaces({ ...other, brokerName: 'a' }, [drain])).toEqual([])
  expect(takenPlaces({ ...other, name: 't' }, [drain])).toEqual([])
})

function side(brokerName: string, capabilities: Partial<Capabilities> = {}) {
  const broker: Broker = Object.assign(new FixtureBroker(), {
    capabilities: { ...new FixtureBroker().capabilities, exclusiveKeys: true, ...capabilities },
  })
  return { brokerName, brokerTopic: 't', broker }
}

test('what the new broker cannot carry is refused by name', async () => {
  const from = side('a')
  expect(await swapRefusals('t', from, side('b', { groups: 'one' }), [])).toEqual([])
  await from.broker.admin!.ensure('t', {})
  for (const group of ['g', 'sluice.fanout']) {
    await from.broker.groups.create('t', group, { start: 'latest', leaseMs: 1000, maxAttempts: 3 })
  }
  expect(await swapRefusals('t', from, side('b'), [])).toEqual([])
  expect(await swapRefusals('t', from, side('b', { groups: 'one' }), [])).toEqual([
    'Topic t on broker b: its groups at broker a are g, sluice.fanout, and the broker has groups: one.',
  ])
  const keyed: Subscriber = { id: 'sub', ordering: 'key', isDetached: true }
  expect(await swapRefusals('t', from, side('b', { exclusiveKeys: false }), [keyed])).toEqual([
    expect.stringContaining('subscription sub requires capability exclusiveKeys'),
  ])
  expect(await swapRefusals('t', from, side('b', { replay: false }), [keyed])).toEqual([
    expect.stringMatching(/subscription sub, .*still reads from the log of broker a, and the broker has no replay/),
  ])
  expect(await swapRefusals('t', from, side('b', { replay: false }), [{ ...keyed, ordering: 'none' }])).toEqual([])
  // What is abandoned carries nothing, and nothing is ordered that cannot be.
  expect(await swapRefusals('t', undefined, side('b', { replay: false, groups: 'one' }), [keyed])).toEqual([])
})
