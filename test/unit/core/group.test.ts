import { describe, expect, test } from 'vitest'
import type { Consumer, Outcome } from '../../../src/core/broker.ts'
import { PullGroups } from '../../../src/core/group.ts'
import { FixtureBroker } from '../../fixtures/fixture-broker.ts'
import { refusal } from './refusal.ts'
import { event, ScriptedBroker } from './scripted-broker.ts'

const signal = new AbortController().signal
const group = { start: 'earliest', leaseMs: 30_000, maxAttempts: 16 } as const

async function openedBroker(): Promise<FixtureBroker> {
  const broker = new FixtureBroker()
  await broker.admin.ensure('orders', {})
  return broker
}

describe('pull groups', () => {
  test('hand out and settle', async () => {
    const broker = await openedBroker()
    const groups = new PullGroups(broker)
    await broker.groups.create('orders', 'billing', group)
    await broker.publish('orders', [event('1'), event('2')], { signal })
    const deliveries = await groups.pull('orders', 'billing', 10, 0, signal)
    expect(deliveries.map((delivery) => delivery.event.attributes.id)).toEqual(['1', '2'])
    const acks = deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } as const }))
    expect(await groups.settle('orders', 'billing', acks)).toEqual([{ status: 'ok' }, { status: 'ok' }])
    expect((await broker.groups.describe('orders', 'billing')).lag?.events).toBe(0)
  })

  test('open one consumer for all pullers of a group', async () => {
    const broker = await openedBroker()
    await broker.groups.create('orders', 'billing', group)
    let opened = 0
    const open = broker.open.bind(broker)
    broker.open = (...given) => {
      opened++
      return open(...given)
    }
    const groups = new PullGroups(broker)
    await Promise.all([1, 2, 3].map(() => groups.pull('orders', 'billing', 1, 0, signal)))
    expect(opened).toBe(1)
    groups.forget('orders', 'billing')
    await groups.pull('orders', 'billing', 1, 0, signal)
    expect(opened).toBe(2)
  })

  test('a group that is not there is asked for again the next time', async () => {
    const broker = await openedBroker()
    const groups = new PullGroups(broker)
    expect(await refusal(() => groups.pull('orders', 'billing', 1, 0, signal))).toMatchObject({ code: 'not_found' })
    await broker.groups.create('orders', 'billing', group)
    expect(await groups.pull('orders', 'billing', 1, 0, signal)).toEqual([])
  })

  test.each([
    ['reject', { kind: 'reject', reason: 'x' }, { reject: false }],
    ['extend', { kind: 'extend' }, { extend: false }],
    ['nackDelayMs', { kind: 'nack', delayMs: 1001 }, { nackDelayMs: 1000 }],
    ['receipt', { kind: 'ack' }, { receipt: 'session' }],
  ] as const)(
    'what the broker lacks is refused by the name %s before anything is settled',
    async (name, outcome, lacks) => {
      const settled: unknown[] = []
      const broker = new ScriptedBroker({}, { reject: true, extend: true, nackDelayMs: 5000, ...lacks })
      broker.open = async () => ({ settle: async (all: unknown) => settled.push(all) }) as unknown as Consumer
      const settlements = [
        { receipt: 'a', outcome: { kind: 'ack' } as Outcome },
        { receipt: 'b', outcome: outcome as Outcome },
      ]
      const error = await refusal(() => new PullGroups(broker).settle('orders', 'billing', settlements))
      expect(error).toMatchObject({ code: 'unsupported', capability: name })
      expect(settled).toEqual([])
    },
  )

  test('a nack without a delay, and one that is short enough, pass', async () => {
    const broker = new ScriptedBroker({}, { nackDelayMs: 1000 })
    broker.open = async () => ({ settle: async () => [{ status: 'ok' }] }) as unknown as Consumer
    const groups = new PullGroups(broker)
    for (const outcome of [{ kind: 'nack' }, { kind: 'nack', delayMs: 1000 }] as const) {
      expect(await groups.settle('orders', 'billing', [{ receipt: 'a', outcome }])).toEqual([{ status: 'ok' }])
    }
  })
})
