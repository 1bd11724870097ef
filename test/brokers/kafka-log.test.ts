import { ConfigResourceTypes } from 'kafkajs'
import { describe, expect, test, vi } from 'vitest'
import type { Consumer, Delivery, LogRecord } from '../../src/core/broker.ts'
import type { Event } from '../../src/core/event.ts'
import { event, events } from '../conformance/events.ts'
import { fetchedWhile } from './kafka/fetches.ts'
import { gateway, groupOptions } from './kafka/gateway.ts'
import { withAdmin } from './kafka/kafkajs.ts'

const gate = gateway(1)
/** Against hanging: a group looks for new partitions every 10 s, and the cleaner works when it wants to. */
const patience = { timeout: 25_000, interval: 200 }
const idsOf = (records: readonly Pick<LogRecord, 'event'>[]) => records.map((record) => record.event.attributes.id)
const partitionOf = (position: string) => Number(position.split('-')[0])

/** The place where a read would begin now. */
async function cursorAt(topic: string, from: 'earliest' | 'latest'): Promise<string> {
  for await (const { cursor } of gate.broker.log!.read(topic, from, { signal: AbortSignal.timeout(10_000) }))
    return cursor
  throw new Error('The first batch comes at once')
}

function configure(topic: string, settings: Readonly<Record<string, string>>): Promise<unknown> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }]
  return withAdmin(gate.cluster.bootstrap, (admin) => admin.alterConfigs({ validateOnly: false, resources }))
}

/** Removes everything before `offset` of a partition, as retention does. */
function removeUpTo(topic: string, offset: number, partition = 0): Promise<unknown> {
  const partitions = [{ partition, offset: String(offset) }]
  return withAdmin(gate.cluster.bootstrap, async (admin) => {
    // It knows no leaders before it asked for something.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions })
  })
}

describe('a read of one key', () => {
  test('fetches the key’s partition and no other', async () => {
    const topic = await gate.topic('keyed', { partitions: 6 })
    const keys = Array.from({ length: 40 }, (_, i) => `key-${i}`)
    const positions = await gate.publish(
      topic,
      keys.flatMap((partitionkey) => events(3, partitionkey, { partitionkey })),
    )
    const own = partitionOf(positions[0]!)
    expect(await fetchedWhile(() => gate.read(topic))).toEqual([0, 1, 2, 3, 4, 5])
    let read: LogRecord[] = []
    const fetched = await fetchedWhile(async () => {
      read = await gate.read(topic, 'earliest', { key: 'key-0' })
    })
    expect(idsOf(read)).toEqual(['key-0-0', 'key-0-1', 'key-0-2'])
    expect(fetched).toEqual([own])
  })

  test('does not mind what is gone from other partitions', async () => {
    const topic = await gate.topic('keyed-gone', { partitions: 3 })
    const begin = await cursorAt(topic, 'earliest')
    const keys = Array.from({ length: 12 }, (_, i) => `key-${i}`)
    const positions = await gate.publish(
      topic,
      keys.map((partitionkey) => event(partitionkey, { partitionkey })),
    )
    const own = partitionOf(positions[0]!)
    for (const partition of [0, 1, 2]) if (partition !== own) await removeUpTo(topic, 1, partition)
    await expect(gate.read(topic, { cursor: begin })).rejects.toMatchObject({ code: 'stale_cursor' })
    expect(idsOf(await gate.read(topic, { cursor: begin }, { key: 'key-0' }))).toEqual(['key-0'])
  })
})

test('what compaction removed is skipped, by reads and by groups, and they end', async () => {
  const topic = await gate.topic('compacted', { compaction: true })
  await configure(topic, {
    'cleanup.policy': 'compact',
    'segment.ms': '50',
    'min.cleanable.dirty.ratio': '0.01',
    'delete.retention.ms': '50',
  })
  const keyed = (key: string, id: string) => event(id, { partitionkey: key }, Buffer.from(id))
  const begin = await cursorAt(topic, 'earliest')
  const first = await gate.publish(topic, [
    ...Array.from({ length: 20 }, (_, i) => keyed('often', `often-${i}`)),
    keyed('once', 'once-0'),
    keyed('gone', 'gone-0'),
  ])
  await gate.publish(topic, [event('gone-1', { partitionkey: 'gone' })])
  await gate.broker.groups.create(topic, 'readers', groupOptions)
  let last = ''
  let n = 0
  // A segment ends when something is appended after its time, and only then it is compacted.
  await vi.waitFor(async () => {
    last = `often-last-${n++}`
    await gate.publish(topic, [keyed('often', last)])
    const ids = idsOf(await gate.read(topic))
    expect(ids).not.toContain('often-19')
    expect(ids.filter((id) => id.startsWith('gone'))).toEqual([])
  }, patience)
  const read = await gate.read(topic, { cursor: begin })
  const ids = idsOf(read)
  expect(ids).toContain('once-0')
  expect(ids.at(-1)).toBe(last)
  const offsets = read.map(({ position }) => Number(position.split('-')[1]))
  expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
  expect(offsets.at(-1)! - offsets[0]!).toBeGreaterThan(offsets.length)
  await expect(gate.broker.log!.get(topic, first[0]!)).rejects.toMatchObject({ code: 'not_found' })
  const pulled = await gate.pull(topic, 'readers', (taken) => idsOf(taken).includes(last))
  expect(idsOf(pulled)).toContain('once-0')
  expect(idsOf(pulled)).not.toContain('often-19')
  expect(await gate.broker.groups.describe(topic, 'readers')).toMatchObject({ lag: { events: 0 } })
})

describe('beyond retention', () => {
  test('a cursor is stale, a position is not found, and a read from the beginning begins later', async () => {
    const topic = await gate.topic('retained')
    const positions = await gate.publish(topic, events(10, 'e'))
    const all = await gate.read(topic)
    await removeUpTo(topic, 5)
    await expect(gate.read(topic, { cursor: all[2]!.cursor })).rejects.toMatchObject({ code: 'stale_cursor' })
    await expect(gate.broker.log!.get(topic, positions[4]!)).rejects.toMatchObject({ code: 'not_found' })
    // What comes after it is there.
    expect(idsOf(await gate.read(topic, { cursor: all[4]!.cursor }))).toEqual(idsOf(all.slice(5)))
    expect(idsOf(await gate.read(topic))).toEqual(idsOf(all.slice(5)))
    expect(idsOf([await gate.broker.log!.get(topic, positions[5]!)])).toEqual(['e-5'])
  })

  /** Pulls until it is told that the place is gone; before that come events that were fetched in time. */
  async function pullUntilStale(consumer: Consumer, signal: AbortSignal): Promise<Event[]> {
    const taken: Event[] = []
    const pulling = (async () => {
      while (!signal.aborted) {
        const { deliveries } = await consumer.pull({ max: 100, waitMs: 1000, signal })
        await consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } })))
        taken.push(...deliveries.map((delivery) => delivery.event))
      }
    })()
    const message = expect.stringMatching(/seek.*earliest.*latest/i)
    await expect(pulling).rejects.toMatchObject({ code: 'stale_cursor', message })
    return taken
  }

  test('a group’s place is told to be gone, and a seek heals it', async () => {
    const topic = await gate.topic('retained-group')
    const signal = AbortSignal.timeout(25_000)
    await gate.broker.groups.create(topic, 'readers', groupOptions)
    await gate.publish(topic, events(10, 'e'))
    await removeUpTo(topic, 7)
    const consumer = await gate.broker.open(topic, 'readers', { prefetch: 100 })
    try {
      expect(await pullUntilStale(consumer, signal)).toEqual([])
      await gate.broker.groups.seek!(topic, 'readers', 'earliest')
      const { deliveries } = await consumer.pull({ max: 1, waitMs: 10_000, signal })
      expect(idsOf(deliveries)).toEqual(['e-7'])
      const settled = await consumer.settle([{ receipt: deliveries[0]!.receipt, outcome: { kind: 'ack' } }])
      expect(settled).toEqual([{ status: 'ok' }])
    } finally {
      await consumer.close()
    }
  })

  test('a slow group that is overtaken is told so too', async () => {
    const topic = await gate.topic('overtaken')
    const signal = AbortSignal.timeout(25_000)
    await gate.broker.groups.create(topic, 'readers', groupOptions)
    const consumer = await gate.broker.open(topic, 'readers', { prefetch: 100 })
    try {
      // More than is fetched ahead.
      const kilobyte = Buffer.alloc(1000, 'x')
      for (let part = 0; part < 6; part++) {
        await gate.publish(
          topic,
          events(500, `part-${part}`).map((one) => ({ ...one, data: kilobyte })),
        )
      }
      const held: Delivery[] = []
      while (held.length < 100) {
        held.push(...(await consumer.pull({ max: 100 - held.length, waitMs: 5000, signal })).deliveries)
      }
      await removeUpTo(topic, 2900)
      await consumer.settle(held.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } })))
      const taken = await pullUntilStale(consumer, signal)
      expect(taken.length).toBeLessThan(2800)
      await gate.broker.groups.seek!(topic, 'readers', 'earliest')
      const { deliveries } = await consumer.pull({ max: 1, waitMs: 10_000, signal })
      expect(idsOf(deliveries)).toEqual(['part-5-400'])
    } finally {
      await consumer.close()
    }
  })
})

test('a cursor of a topic that was deleted is stale in the next one of its name', async () => {
  const topic = await gate.topic('again')
  await gate.publish(topic, events(3, 'old'))
  const cursor = await cursorAt(topic, 'latest')
  await withAdmin(gate.cluster.bootstrap, async (admin) => {
    await admin.deleteTopics({ topics: [topic] })
    await vi.waitFor(async () => expect(await admin.listTopics()).not.toContain(topic), patience)
    await vi.waitFor(() => admin.createTopics({ topics: [{ topic, numPartitions: 1 }] }), patience)
  })
  await gate.publish(topic, events(5, 'new'))
  await expect(gate.read(topic, { cursor })).rejects.toMatchObject({ code: 'stale_cursor' })
  expect(idsOf(await gate.read(topic))).toEqual(idsOf(events(5, 'new').map((one) => ({ event: one }))))
})

describe('partitions that are added later', () => {
  const grow = (topic: string, count: number) =>
    withAdmin(gate.cluster.bootstrap, (admin) => admin.createPartitions({ topicPartitions: [{ topic, count }] }))
  /** By another gateway, for this one is not to know of the partitions by itself. */
  async function publishEverywhere(topic: string): Promise<string[]> {
    const other = await gate.open()
    const more = events(8, 'more')
    await vi.waitFor(async () => {
      const { partitions } = await other.admin!.describe(topic)
      expect(partitions).toBe(4)
    }, patience)
    // One by one, for keyless events of one publish may go together.
    const positions: string[] = []
    for (const one of more) positions.push(...(await gate.publish(topic, [one], other)))
    expect(new Set(positions.map(partitionOf)).size).toBe(4)
    return idsOf(more.map((one) => ({ event: one })))
  }

  test('are read from their beginning by an older cursor', async () => {
    const topic = await gate.topic('grown', { partitions: 2 })
    await gate.publish(topic, events(4, 'before'))
    const cursor = await cursorAt(topic, 'latest')
    await grow(topic, 4)
    const more = await publishEverywhere(topic)
    // What this gateway knows of a topic it asks for again after half a minute.
    await gate.broker.admin!.describe(topic)
    const read = idsOf(await gate.read(topic, { cursor }))
    expect(read.toSorted()).toEqual(more.toSorted())
  })

  test('are read from their beginning by a running group, soon', async () => {
    const topic = await gate.topic('grown-group', { partitions: 2 })
    await gate.broker.groups.create(topic, 'readers', { ...groupOptions, start: 'latest' })
    const consumer = await gate.broker.open(topic, 'readers', { prefetch: 100 })
    try {
      await grow(topic, 4)
      const more = await publishEverywhere(topic)
      const pulled: string[] = []
      await vi.waitFor(async () => {
        const { deliveries } = await consumer.pull({ max: 100, waitMs: 500, signal: AbortSignal.timeout(5000) })
        await consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } })))
        pulled.push(...idsOf(deliveries))
        expect(pulled.toSorted()).toEqual(more.toSorted())
      }, patience)
    } finally {
      await consumer.close()
    }
  })

  test('are read from their beginning by who follows', async () => {
    const topic = await gate.topic('grown-follow', { partitions: 2 })
    const stop = new AbortController()
    const read: string[] = []
    const following = (async () => {
      for await (const { records } of gate.broker.log!.read(topic, 'latest', { follow: true, signal: stop.signal })) {
        read.push(...idsOf(records))
      }
    })()
    try {
      await grow(topic, 4)
      const more = await publishEverywhere(topic)
      await gate.broker.admin!.describe(topic)
      await vi.waitFor(() => expect(read.toSorted()).toEqual(more.toSorted()), patience)
    } finally {
      stop.abort()
      await following
    }
  })
})
