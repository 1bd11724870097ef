import { describe, expect, test } from 'vitest'
import { bridgeFaults } from '../../src/bridges/faults.ts'
import { builtInConfig } from '../../src/config/load.ts'
import type { Capabilities } from '../../src/core/broker.ts'
import { fixtureCapabilities } from '../fixtures/fixture-broker.ts'
import { installations } from './installation.ts'

const installation = installations()

const brokers = { a: { type: 'embedded', memory: true }, b: { type: 'embedded', path: 'b.db' } }
const topics = {
  one: { broker: 'a' },
  two: { broker: 'b' },
  three: { broker: 'b' },
  alias: { broker: 'a', name: 'one' },
}

function refusal(bridges: unknown, more: object = {}): string {
  try {
    builtInConfig({ brokers, topics: { ...topics, ...more }, bridges }, '/')
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('It was taken.')
}

describe('what a configuration may say of bridges', () => {
  test('topics that are not there, and what leads nowhere', () => {
    expect(refusal([{ from: 'one', to: 'nowhere' }])).toContain('bridges[0].to: there is no topic nowhere under topics')
    expect(refusal([{ from: 'nowhere', to: 'one' }])).toContain('bridges[0].from: there is no topic nowhere')
    expect(refusal([{ from: 'one', to: 'one' }])).toContain('bridges[0].to: is the topic that the events come from')
    expect(refusal([{ from: 'one', to: 'sluice.events' }])).toContain('only the gateway publishes to sluice.events')
    expect(refusal([{ from: 'one', to: 'two', filter: [] }])).toContain('bridges[0].filter: there is no such field')
    expect(refusal([{ from: 'one', to: 'two', start: 'now' }])).toContain('must be earliest or latest')
  })

  test('circles, by all that is on them, also over two names of one topic', () => {
    const circle = [
      { from: 'one', to: 'two' },
      { from: 'two', to: 'three' },
      { from: 'three', to: 'one' },
    ]
    expect(refusal(circle)).toContain('bridges[2]: leads back to where it comes from: three → one → two → three')
    expect(refusal([circle[0], { from: 'two', to: 'one' }])).toContain('two → one → two')
    expect(refusal([{ from: 'one', to: 'alias' }])).toContain('one → alias')
    expect(refusal([circle[0], { from: 'two', to: 'alias' }])).toContain('two → alias → two')
    // Two ways to the same place are none.
    expect(() =>
      builtInConfig({ brokers, topics, bridges: [...circle.slice(0, 2), { from: 'one', to: 'three' }] }, '/'),
    ).not.toThrow()
  })

  test('names: two alike, and those that are too long for a group', () => {
    expect(refusal([1, 2].map((i) => ({ from: 'one', to: ['two', 'three'][i - 1], name: 'x' })))).toContain(
      "bridges[1].name: x is another's name",
    )
    expect(refusal([{ from: 'one', to: 'two', name: 'x'.repeat(51) }])).toContain('must have at most 50 characters')
    const long = 'x'.repeat(60)
    expect(refusal([{ from: long, to: 'two' }], { [long]: { broker: 'a' } })).toContain('bridges[0].name: is required')
  })

  test('filters, in the words that subscriptions have for them', async () => {
    const one = await installation()
    const bridges = [{ from: 'one', to: 'two', filters: [{ exakt: { type: 'a' } }] }]
    const refused = one.start({ brokers, topics, bridges })
    await expect(refused).rejects.toThrow('bridges[0].filters[0].exakt: there is no such field')
  })
})

describe('what brokers cannot give', () => {
  const strong: Capabilities = { ...fixtureCapabilities, ordering: 'key', exclusiveKeys: true, replay: true }
  const end = (brokerName: string, capabilities: Partial<Capabilities>, requires = {}) => {
    return { brokerName, capabilities: { ...strong, ...capabilities }, requires }
  }
  const bridge = { name: 'x', from: 'one', to: 'two', start: 'latest', filters: [] } as const
  const ordered = { ordering: 'key' }

  test('is told with bridge, topic, broker and capability', () => {
    expect(bridgeFaults(bridge, end('a', {}, ordered), end('b', {}))).toEqual([])
    expect(bridgeFaults(bridge, end('a', {}), end('b', { ordering: 'none' }))).toEqual([])
    const who = 'Bridge x from topic one, broker a, to topic two, broker b'
    expect(bridgeFaults(bridge, end('a', {}, ordered), end('b', { ordering: 'none' }))).toEqual([
      `${who}: topic one requires capability ordering: key, and broker b has none.`,
    ])
    expect(bridgeFaults(bridge, end('a', { exclusiveKeys: false }), end('b', {}, ordered))).toEqual([
      `${who}: topic two requires ordering: key, which needs capability exclusiveKeys, and broker a does not have it.`,
    ])
    expect(bridgeFaults({ ...bridge, start: 'earliest' }, end('a', { replay: false }), end('b', {}))).toEqual([
      `${who}: start: earliest requires capability replay, and broker a does not have it.`,
    ])
  })
})
