import { describe, expect, test } from 'vitest'
import type { Broker } from '../../../src/core/broker.ts'
import {
  requireAtomic,
  requireDeadLetters,
  requireDelay,
  requireLog,
  requirePortableReceipt,
  requireSeek,
  unmet,
} from '../../../src/core/capabilities.ts'
import { UnsupportedError } from '../../../src/core/errors.ts'
import { fixtureCapabilities } from '../../fixtures/fixture-broker.ts'
import { refusal } from './refusal.ts'
import { ScriptedBroker } from './scripted-broker.ts'

const all = { ...fixtureCapabilities, publishDelayMs: 1000, atomicPublishMax: 10, seek: true, replay: true } as const
const none = { ...all, publishDelayMs: 0, atomicPublishMax: 0, seek: false, replay: false, receipt: 'session' } as const

describe('the gate', () => {
  const without = (part: 'log' | 'deadLetters'): Broker =>
    ({ ...new ScriptedBroker({}, all), [part]: undefined }) as unknown as Broker
  test.each([
    ['publishDelayMs', () => requireDelay(none, 1)],
    ['publishDelayMs', () => requireDelay(all, 1001)],
    ['atomicPublishMax', () => requireAtomic(none, 1)],
    ['atomicPublishMax', () => requireAtomic(all, 11)],
    ['receipt', () => requirePortableReceipt(none)],
    ['replay', () => requireLog(new ScriptedBroker({}, none))],
    ['replay', () => requireLog(without('log'))],
    ['seek', () => requireSeek(new ScriptedBroker({}, all))],
    ['reject', () => requireDeadLetters(without('deadLetters'))],
  ] as const)('refuses by the name %s (%s)', async (capability, act) => {
    const error = await refusal(act)
    expect(error).toBeInstanceOf(UnsupportedError)
    expect(error).toMatchObject({ code: 'unsupported', capability, retryable: false })
  })

  test('lets pass what the broker can do', () => {
    expect(() => requireDelay(all, 1000)).not.toThrow()
    expect(() => requireAtomic(all, 10)).not.toThrow()
    expect(() => requirePortableReceipt(all)).not.toThrow()
    const broker = new ScriptedBroker({}, all)
    expect(requireLog(broker)).toBe(broker.log)
  })

  test('a broker moves its groups only where it says so', async () => {
    const moved: string[] = []
    const groups = { name: 'groups', seek: async (topic: string) => void moved.push(topic) }
    const broker = { ...new ScriptedBroker({}, all), capabilities: all, groups } as unknown as Broker
    await requireSeek(broker)('orders', 'billing', 'earliest')
    expect(moved).toEqual(['orders'])
    const silent = { ...broker, capabilities: none } as unknown as Broker
    expect(await refusal(() => requireSeek(silent))).toMatchObject({ capability: 'seek' })
  })
})

describe('requirements', () => {
  test.each([
    [{ ordering: 'key' }, { ordering: 'key' }, true],
    [{ ordering: 'key' }, { ordering: 'topic' }, true],
    [{ ordering: 'topic' }, { ordering: 'key' }, false],
    [{ ordering: 'none' }, { ordering: 'none' }, true],
    [{ durability: 'process' }, { durability: 'replicated' }, true],
    [{ durability: 'machine' }, { durability: 'memory' }, false],
    [{ lag: 'approximate' }, { lag: 'exact' }, true],
    [{ lag: 'exact' }, { lag: 'none' }, false],
    [{ fencing: 'deadline' }, { fencing: 'broker' }, true],
    [{ fencing: 'broker' }, { fencing: 'deadline' }, false],
    [{ receipt: 'portable' }, { receipt: 'session' }, false],
    [{ settlement: 'individual' }, { settlement: 'cumulative' }, false],
    [{ groups: 'many' }, { groups: 'one' }, false],
    [{ replay: true }, { replay: true }, true],
    [{ replay: true }, { replay: false }, false],
    [{ replay: false }, { replay: true }, true],
    [{ publishDelayMs: 1000 }, { publishDelayMs: 1000 }, true],
    [{ publishDelayMs: 1001 }, { publishDelayMs: 1000 }, false],
    [{ publishDelayMs: true }, { publishDelayMs: 1 }, true],
    [{ publishDelayMs: true }, { publishDelayMs: 0 }, false],
  ] as const)('%j of a broker with %j: %s', (asked, has, met) => {
    const [name] = Object.keys(asked) as [keyof typeof fixtureCapabilities]
    const found = unmet(asked, { ...fixtureCapabilities, ...has })
    const [value] = Object.values(asked)
    expect(found).toEqual(met ? [] : [{ capability: name, asked: value, has: Object.values(has)[0] }])
  })

  test('every one that is not met is named', () => {
    const found = unmet(
      { replay: true, seek: true, ordering: 'key' },
      { ...fixtureCapabilities, replay: false, seek: false },
    )
    expect(found.map(({ capability }) => capability)).toEqual(['replay', 'seek'])
  })
})
