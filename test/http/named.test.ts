import { expect, test } from 'vitest'
import { GatewayError, UnsupportedError } from '../../src/core/errors.ts'
import type { Gateway } from '../../src/http/gateway.ts'
import { named } from '../../src/http/named.ts'

const gateway = {
  topics: { resolve: (name: string) => (name === 'orders' ? { name, brokerName: 'new' } : undefined) },
  brokers: new Map([
    ['new', { type: 'nats' }],
    ['old', { type: 'kafka' }],
  ]),
} as unknown as Pick<Gateway, 'topics' | 'brokers'>

test('what a broker lacks is told with topic, broker and capability; the broker is the one that lacks it', () => {
  const own = named(gateway, 'orders', new UnsupportedError('replay', 'It keeps no history.'))
  expect(own).toMatchObject({ code: 'unsupported', capability: 'replay' })
  expect(own.message).toBe('Topic orders on broker new (nats), capability replay: It keeps no history.')
  const drained = named(gateway, 'orders', new UnsupportedError('extend', 'It has no leases.', 'old'))
  expect(drained.message).toBe('Topic orders on broker old (kafka), capability extend: It has no leases.')
})

test('what is of no topic, or no refusal of this kind, stays as it is', () => {
  const lacks = new UnsupportedError('replay', 'It keeps no history.')
  const absent = new GatewayError('not_found', 'There is no such group.')
  expect(named(gateway, undefined, lacks)).toBe(lacks)
  expect(named(gateway, 'gone', lacks)).toBe(lacks)
  expect(named(gateway, 'orders', absent)).toBe(absent)
})
