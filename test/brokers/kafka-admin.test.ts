import { randomUUID } from 'node:crypto'
import { ConfigResourceTypes } from 'kafkajs'
import { describe, expect, test, vi } from 'vitest'
import type { TopicSpec } from '../../src/core/broker.ts'
import { UnsupportedError } from '../../src/core/errors.ts'
import { event } from '../conformance/events.ts'
import { gateway } from './kafka/gateway.ts'
import { withAdmin } from './kafka/kafkajs.ts'

const gate = gateway(3)
const hour = 3_600_000
const MiB = 1 << 20
const name = (stem: string): string => `${stem}-${randomUUID().slice(0, 8)}`
const settings = ['min.insync.replicas', 'cleanup.policy', 'retention.ms', 'retention.bytes', 'message.timestamp.type']

interface State {
  readonly partitions: number
  /** Of each partition, in order. */
  readonly replicas: readonly number[]
  readonly settings: Readonly<Record<string, string>>
}

/** Against hanging: what one node did the others hear of a little later. */
const patience = { timeout: 10_000, interval: 50 }

/** A topic as another client sees it; whichever node it asks is to know it. */
function stateOf(topic: string): Promise<State> {
  return vi.waitFor(() => stateNow(topic), patience)
}

function stateNow(topic: string): Promise<State> {
  return withAdmin(gate.cluster.bootstrap, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const partitions = topics[0]!.partitions
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: settings }],
    })
    const values = resources[0]!.configEntries.map(({ configName, configValue }) => [configName, configValue])
    return {
      partitions: partitions.length,
      replicas: partitions.map(({ replicas }) => replicas.length),
      settings: Object.fromEntries(values),
    }
  })
}

async function created(spec: TopicSpec): Promise<string> {
  const topic = name('admin')
  await gate.broker.admin!.ensure(topic, spec)
  return topic
}

const full = {
  partitions: 3,
  replicas: 3,
  minInsyncReplicas: 2,
  compaction: false,
  retention: { ms: 24 * hour, bytes: 300 * MiB },
} as const

describe('a topic that is not there', () => {
  test('is what ensure would make, and diff makes nothing', async () => {
    const { admin } = gate.broker
    const topic = name('absent')
    const wanted = [
      { field: 'topic', to: topic },
      { field: 'partitions', to: '3' },
      { field: 'replicas', to: '3' },
      { field: 'minInsyncReplicas', to: '2' },
      { field: 'compaction', to: 'false' },
      { field: 'retention', to: expect.stringMatching(/^(1d|24h), 314572800 bytes$/) },
    ]
    expect(await admin!.diff(topic, full)).toEqual(wanted)
    await expect(admin!.describe(topic)).rejects.toMatchObject({ code: 'not_found' })
    expect(await admin!.list()).not.toContain(topic)
    expect(await admin!.ensure(topic, full)).toEqual(wanted)
    expect(await admin!.list()).toContain(topic)
    expect(await admin!.ensure(topic, full)).toEqual([])
    expect(await admin!.diff(topic, full)).toEqual([])
  })

  test('is made as it is asked for', async () => {
    expect(await stateOf(await created(full))).toEqual({
      partitions: 3,
      replicas: [3, 3, 3],
      settings: {
        'min.insync.replicas': '2',
        'cleanup.policy': 'delete',
        'retention.ms': String(24 * hour),
        // Kafka counts those of each partition.
        'retention.bytes': String(100 * MiB),
        'message.timestamp.type': 'LogAppendTime',
      },
    })
  })

  test.each([
    [{ compaction: true }, 'compact'],
    [{ compaction: true, retention: { ms: hour } }, 'compact,delete'],
    [{ compaction: false }, 'delete'],
  ])('with %j has cleanup.policy %s', async (spec, policy) => {
    const topic = await created({ partitions: 1, ...spec })
    expect((await stateOf(topic)).settings['cleanup.policy']).toBe(policy)
    expect(await gate.broker.admin!.describe(topic)).toMatchObject(spec)
    expect(await gate.broker.admin!.diff(topic, spec)).toEqual([])
  })

  test('with three replicas asks for two of them to acknowledge, where nobody says otherwise', async () => {
    const topic = await created({ partitions: 1, replicas: 3 })
    expect((await stateOf(topic)).settings['min.insync.replicas']).toBe('2')
  })

  test('keeps its events for ever where that is asked for', async () => {
    const topic = await created({ partitions: 1, retention: {} })
    const state = await stateOf(topic)
    expect(state.settings).toMatchObject({ 'retention.ms': '-1', 'retention.bytes': '-1' })
    expect((await gate.broker.admin!.describe(topic)).retention).toEqual({})
  })

  test('is refused where it is to have more replicas than there are nodes', async () => {
    const topic = name('many')
    const ensuring = gate.broker.admin!.ensure(topic, { partitions: 1, replicas: 4 })
    await expect(ensuring).rejects.toBeInstanceOf(UnsupportedError)
    await expect(ensuring).rejects.toMatchObject({ code: 'unsupported', capability: 'replicas' })
    expect(await gate.broker.admin!.list()).not.toContain(topic)
  })

  test.each(['a/b', 'a b', 'ü', 'x'.repeat(250)])('is refused where it is to be called %s', async (wanted) => {
    const refused = {
      code: 'invalid_argument',
      message: expect.stringMatching(/^Kafka cannot call a topic .*\(name\)/),
    }
    await expect(gate.broker.admin!.diff(wanted, {})).rejects.toMatchObject(refused)
    await expect(gate.broker.admin!.ensure(wanted, {})).rejects.toMatchObject(refused)
  })

  test('is refused where it is to deduplicate', async () => {
    const topic = name('dedup')
    for (const method of ['ensure', 'diff'] as const) {
      const refusing = gate.broker.admin![method](topic, { partitions: 1, dedupWindowMs: hour })
      await expect(refusing).rejects.toBeInstanceOf(UnsupportedError)
      await expect(refusing).rejects.toMatchObject({ capability: 'dedupWindowMs' })
    }
    expect(await gate.broker.admin!.list()).not.toContain(topic)
  })
})

describe('a topic that is there', () => {
  const growing: [what: string, spec: TopicSpec, change: object, state: object][] = [
    ['more partitions', { partitions: 5 }, { field: 'partitions', from: '3', to: '5' }, { partitions: 5 }],
    [
      'a longer retention',
      { retention: { ms: 48 * hour, bytes: 600 * MiB } },
      { field: 'retention', from: expect.stringMatching(/^(1d|24h), /), to: expect.stringMatching(/^(2d|48h), /) },
      { settings: { 'retention.ms': String(48 * hour), 'retention.bytes': String(200 * MiB) } },
    ],
    [
      'more replicas that must acknowledge',
      { minInsyncReplicas: 3 },
      { field: 'minInsyncReplicas', from: '2', to: '3' },
      { settings: { 'min.insync.replicas': '3' } },
    ],
  ]

  test.each(growing)('gets %s, and diff says so and changes nothing', async (_, spec, change, state) => {
    const topic = await created(full)
    const before = await stateOf(topic)
    expect(await gate.broker.admin!.diff(topic, spec)).toEqual([change])
    expect(await stateOf(topic)).toEqual(before)
    expect(await gate.broker.admin!.ensure(topic, spec)).toEqual([change])
    const after = await vi.waitFor(async () => {
      const now = await stateOf(topic)
      expect(now).toMatchObject(state)
      return now
    }, patience)
    const untouched = settings.filter((setting) => !(setting in ((state as Partial<State>).settings ?? {})))
    for (const setting of untouched) expect(after.settings[setting], setting).toBe(before.settings[setting])
    await vi.waitFor(async () => expect(await gate.broker.admin!.diff(topic, spec)).toEqual([]), patience)
  })

  test('takes events in its new partitions at once', async () => {
    const topic = await created({ partitions: 1 })
    await gate.publish(topic, [event('before')])
    await gate.broker.admin!.ensure(topic, { partitions: 4 })
    const positions: string[] = []
    // One by one, for keyless events of one publish may go together.
    for (let i = 0; i < 8; i++) positions.push(...(await gate.publish(topic, [event(`after-${i}`)])))
    expect(new Set(positions.map((position) => position.split('-')[0]))).toEqual(new Set(['0', '1', '2', '3']))
  })

  const shrinking: [what: string, spec: TopicSpec][] = [
    ['fewer partitions', { partitions: 2 }],
    ['a shorter retention', { retention: { ms: hour, bytes: 300 * MiB } }],
    ['less room', { retention: { ms: 24 * hour, bytes: 299 * MiB } }],
    ['fewer replicas that must acknowledge', { minInsyncReplicas: 1 }],
    ['compaction', { compaction: true }],
    ['fewer replicas', { replicas: 1 }],
    ['more replicas', { replicas: 4 }],
    ['more partitions and fewer replicas', { partitions: 9, replicas: 1 }],
    ['more partitions and a shorter retention', { partitions: 9, retention: { ms: 1000 } }],
  ]

  test('is not made to shrink: that is a conflict, and nothing is changed', async () => {
    const topic = await created(full)
    const before = await stateOf(topic)
    for (const [what, spec] of shrinking) {
      for (const method of ['ensure', 'diff'] as const) {
        const refusing = gate.broker.admin![method](topic, spec)
        const message = expect.stringContaining(topic)
        await expect(refusing, `${what}, by ${method}`).rejects.toMatchObject({ code: 'conflict', message })
      }
    }
    expect(await stateOf(topic)).toEqual(before)
  })

  test('does not lose its compaction, nor keep for a time what it was to keep for ever', async () => {
    const topic = await created({ partitions: 1, compaction: true })
    const before = await stateOf(topic)
    for (const spec of [{ compaction: false }, { compaction: true, retention: { ms: hour } }]) {
      await expect(gate.broker.admin!.ensure(topic, spec)).rejects.toMatchObject({ code: 'conflict' })
    }
    expect(await stateOf(topic)).toEqual(before)
  })
})

describe('a description', () => {
  test('says who leads, who has a copy, and who is up to date', async () => {
    const topic = await created({ partitions: 6, replicas: 3 })
    const { placement, ...rest } = await gate.broker.admin!.describe(topic)
    expect(rest).toMatchObject({ partitions: 6, replicas: 3, minInsyncReplicas: 2, dedupWindowMs: 0 })
    const seen = await withAdmin(gate.cluster.bootstrap, (admin) => admin.fetchTopicMetadata({ topics: [topic] }))
    const expected = seen.topics[0]!.partitions.toSorted((a, b) => a.partitionId - b.partitionId).map(
      ({ partitionId, leader, replicas, isr }) => ({ partition: partitionId, leader, replicas, inSync: isr }),
    )
    expect(placement).toEqual(expected)
    expect(new Set(placement!.map(({ leader }) => leader))).toEqual(new Set([1, 2, 3]))
  })

  test('says what an acknowledgement survives', async () => {
    const durabilityOf = async (spec: TopicSpec, broker = gate.broker) =>
      (await broker.admin!.describe(await created({ partitions: 1, ...spec }))).durability
    expect(await durabilityOf({ replicas: 3 })).toBe('replicated')
    expect(await durabilityOf({ replicas: 2, minInsyncReplicas: 2 })).toBe('replicated')
    expect(await durabilityOf({ replicas: 3, minInsyncReplicas: 1 })).toBe('process')
    expect(await durabilityOf({ replicas: 1 })).toBe('process')
    expect(await durabilityOf({ replicas: 3 }, await gate.open({ acks: 'leader' }))).toBe('process')
  })

  test('of all topics has no name that Kafka keeps for itself', async () => {
    const topic = await created({ partitions: 1 })
    await gate.broker.groups.create(topic, 'any', { start: 'earliest', leaseMs: 1000, maxAttempts: 1 })
    const all = await gate.broker.admin!.list()
    expect(all).toContain(topic)
    expect(all.filter((one) => one.startsWith('__'))).toEqual([])
    expect(all).toEqual(all.toSorted())
  })
})
