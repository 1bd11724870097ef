// Loaded before the gateway's own process: gives it one adapter more, `fixture`, whose broker lacks all that it may.
import { z } from 'zod'
import type { BrokerAdapter } from '../../src/config/adapters.ts'
import type { Broker, Capabilities, Consumer, Groups, TopicSpec } from '../../src/core/broker.ts'
import { UnsupportedError } from '../../src/core/errors.ts'
import { nodeAdapters } from '../../src/runtime/adapters.ts'
import { FixtureBroker } from '../fixtures/fixture-broker.ts'

const config = z.strictObject({
  type: z.literal('fixture'),
  receipt: z.enum(['portable', 'session']),
  groups: z.enum(['one', 'many']),
})

const nothing = {
  fencing: 'none',
  nackDelayMs: 0,
  reject: false,
  extend: false,
  attempts: false,
  ordering: 'none',
  exclusiveKeys: false,
  dedupWindowMs: 0,
  publishDelayMs: 0,
  atomicPublishMax: 0,
  seek: false,
  replay: false,
  lag: 'none',
} as const satisfies Partial<Capabilities>

/** The fixture with less: what it could do beyond this is out of reach, or refused as an adapter has to. */
function weakened(broker: FixtureBroker, { receipt, groups: number }: z.output<typeof config>): Broker {
  const groups: Groups = {
    async create(topic, group, options) {
      if (options.start !== 'latest') throw new UnsupportedError('replay', 'There is no history here.')
      const there = await broker.groups.list(topic)
      if (number === 'one' && there.some((name) => name !== group)) {
        throw new UnsupportedError('groups', `A topic has one group here, and ${topic} has ${there.join()}.`)
      }
      return broker.groups.create(topic, group, options)
    },
    async describe(topic, group) {
      const { lag, ...state } = await broker.groups.describe(topic, group)
      return state
    },
    list: (topic) => broker.groups.list(topic),
    delete: (topic, group) => broker.groups.delete(topic, group),
  }
  return {
    capabilities: { ...broker.capabilities, ...nothing, receipt, groups: number },
    admin: {
      ...broker.admin,
      ensure: async (topic, spec) => broker.admin.ensure(topic, plain(spec)),
      diff: async (topic, spec) => broker.admin.diff(topic, plain(spec)),
    },
    groups,
    publish: async (topic, events, options) => {
      const results = await broker.publish(topic, events, options)
      return results.map((result) => (result.status === 'stored' ? { id: result.id, status: 'stored' } : result))
    },
    open: async (topic, group, options) => uncounted(await broker.open(topic, group, options)),
    health: () => broker.health(),
    close: () => broker.close(),
  }
}

function plain(spec: TopicSpec): TopicSpec {
  for (const field of ['partitions', 'replicas'] as const) {
    if ((spec[field] ?? 1) > 1) throw new UnsupportedError(field, `There are no ${field} here.`)
  }
  return spec
}

/** Nobody counts how often an event was delivered, or knows where it lies. */
function uncounted(consumer: Consumer): Consumer {
  return {
    async pull(options) {
      const batch = await consumer.pull(options)
      const deliveries = batch.deliveries.map(({ position, ...delivery }) => ({ ...delivery, attempt: 1 }))
      return { ...batch, deliveries }
    },
    settle: (settlements) => consumer.settle(settlements),
    close: () => consumer.close(),
  }
}

const adapter: BrokerAdapter = {
  type: 'fixture',
  config,
  declaringCreates: true,
  open: async (given) => weakened(new FixtureBroker(), config.parse(given)),
}

const { load, types } = nodeAdapters
Object.assign(nodeAdapters, {
  types: [...types, adapter.type],
  load: (type: string, directory: string) => (type === adapter.type ? adapter : load(type, directory)),
})
