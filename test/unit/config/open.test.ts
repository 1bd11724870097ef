import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { AdapterRegistry } from '../../../src/config/adapters.ts'
import { builtInConfig } from '../../../src/config/load.ts'
import { type OpenedConfig, openConfig } from '../../../src/config/open.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { defaultLimits } from '../../../src/core/limits.ts'
import { FixtureBroker } from '../../fixtures/fixture-broker.ts'
import { MemoryBindings } from '../../fixtures/memory-bindings.ts'

/** Brokers by the `id` of their entry, so that they outlive the gateway that opens them. */
class World {
  readonly brokers = new Map<string, FixtureBroker>()
  readonly bindings = new MemoryBindings()
  readonly created: string[] = []
  closed = 0

  readonly registry: AdapterRegistry = {
    types: ['fixture', 'broken'],
    load: async (type) => ({
      type,
      config: z.strictObject({ type: z.string(), id: z.string() }),
      declaringCreates: type === 'fixture',
      open: async (config) => {
        const { id } = config as { id: string }
        if (type === 'broken') throw new GatewayError('unavailable', 'It does not answer.')
        const broker = this.brokers.get(id) ?? new FixtureBroker()
        this.brokers.set(id, broker)
        return Object.assign(Object.create(broker) as FixtureBroker, {
          capabilities: broker.capabilities,
          admin: broker.admin,
          close: async () => void this.closed++,
        })
      },
    }),
  }

  open(config: unknown, createOn?: string): Promise<OpenedConfig> {
    return openConfig(builtInConfig(config, '/'), {
      registry: this.registry,
      bindings: async () => this.bindings,
      clock: systemClock,
      limits: defaultLimits,
      hooks: { defer: setImmediate, onFault: () => {} },
      createOn,
      onCreate: (topic) => void this.created.push(topic),
    })
  }

  async refusal(config: unknown): Promise<GatewayError> {
    const error: unknown = await this.open(config).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(GatewayError)
    return error as GatewayError
  }
}

const one = { a: { type: 'fixture', id: 'a' } }
const two = { ...one, b: { type: 'fixture', id: 'b' } }

describe('opening a configuration', () => {
  test('makes what is declared, under its name at the broker, and remembers where', async () => {
    const world = new World()
    const { topics } = await world.open({ brokers: one, topics: { orders: { broker: 'a', name: 'orders-v1' } } })
    expect(await world.brokers.get('a')?.admin.list()).toEqual(['orders-v1'])
    expect(world.bindings.bound.get('orders')).toEqual({ topic: 'orders', broker: 'a', name: 'orders-v1', epoch: 1 })
    expect(topics.resolve('orders')).toMatchObject({
      brokerName: 'a',
      brokerTopic: 'orders-v1',
      epoch: 1,
      dedupWindowMs: 0,
    })
    expect(topics.creates).toBe(false)
    await expect(topics.create('others')).rejects.toMatchObject({ code: 'not_found' })
  })

  test('tells everything that stands against it, and has no effect then', async () => {
    const world = new World()
    await world.open({ brokers: two, topics: { moved: { broker: 'a' } } })
    const { code, message } = await world.refusal({
      brokers: two,
      topics: {
        fine: { broker: 'a' },
        moved: { broker: 'b' },
        picky: { broker: 'a', requires: { ordering: 'topic', seek: true, durability: 'process' } },
      },
    })
    expect(code).toBe('misconfigured')
    expect(message.split('\n')).toEqual([
      'Topic picky on broker a: requires capability seek: true, and the broker has false.',
      'Topic picky on broker a: requires capability durability: process, and the broker has memory.',
      expect.stringContaining('Topic moved was bound to broker a before, and is bound to broker b now'),
    ])
    expect(await world.brokers.get('a')?.admin.list()).toEqual(['moved'])
    expect([...world.bindings.bound.keys()]).toEqual(['moved'])
    expect(world.closed).toBe(2)
  })

  test('raises the epoch of what is abandoned, once', async () => {
    const world = new World()
    await world.open({ brokers: two, topics: { t: { broker: 'a' } } })
    const abandoned = { brokers: two, topics: { t: { broker: 'b', abandon: true } } }
    expect((await world.open(abandoned)).topics.resolve('t')?.epoch).toBe(2)
    expect((await world.open(abandoned)).topics.resolve('t')?.epoch).toBe(2)
    const renamed = { brokers: two, topics: { t: { broker: 'b', name: 'u' } } }
    expect((await world.refusal(renamed)).message).toContain(
      'bound there as t before, and is bound to u at broker b now',
    )
  })

  test('refuses what has no adapter, and wrong keys of an adapter, by their fields', async () => {
    const { message } = await new World().refusal({
      brokers: {
        a: { type: 'kafka' },
        b: { type: 'fixture', di: 'b' },
        c: { type: 'Fixtur' },
        d: { type: 'fixture', Id: 'd' },
      },
    })
    expect(message).toContain('brokers.a.type: there is no adapter kafka; this gateway has: fixture, broken')
    expect(message).toContain('brokers.b.di: there is no such field')
    expect(message).toContain('brokers.b.id: is required')
    expect(message).toMatch(/brokers\.c\.type: there is no adapter Fixtur; .* Did you mean fixture\?$/m)
    expect(message).toContain('brokers.d.Id: there is no such field. Did you mean id?')
  })

  test('closes the brokers that opened where another does not, and names that one', async () => {
    const world = new World()
    const { code, message } = await world.refusal({ brokers: { ...two, c: { type: 'broken', id: 'c' } } })
    expect(code).toBe('unavailable')
    expect(message).toBe('Broker c (broken): It does not answer.')
    expect(world.closed).toBe(2)
  })
})

describe('topics that are made on first use', () => {
  test('are made once by many, remembered, and there again after a restart', async () => {
    const world = new World()
    const config = { brokers: one, topics: { declared: { broker: 'a', name: 'other-name' } } }
    const { topics } = await world.open(config, 'a')
    expect(topics.creates).toBe(true)
    expect(topics.resolve('new')).toBeUndefined()
    const made = await Promise.all([topics.create('new'), topics.create('new'), topics.create('new')])
    expect(new Set(made).size).toBe(1)
    expect(topics.resolve('new')).toBe(made[0])
    expect(world.created).toEqual(['new'])
    const again = await world.open(config, 'a')
    expect(again.topics.list().map(({ name }) => name)).toEqual(['declared', 'new'])
    expect((await world.open(config)).topics.list().map(({ name }) => name)).toEqual(['declared'])
  })

  test('are not made where the name was bound to another broker', async () => {
    const world = new World()
    await world.open({ brokers: two, topics: { t: { broker: 'b' } } })
    const { topics } = await world.open({ brokers: two }, 'a')
    await expect(topics.create('t')).rejects.toMatchObject({ code: 'conflict' })
    expect(topics.resolve('t')).toBeUndefined()
  })
})
