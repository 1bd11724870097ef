import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Consumer, Delivery } from '../../src/core/broker.ts'
import { systemClock } from '../../src/core/clock.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { Event } from '../../src/core/event.ts'
import type { PullSource } from '../../src/core/group.ts'
import { HeldTopics } from '../../src/delivery/held/topic.ts'
import type { HeldGroups } from '../../src/store/held-groups.ts'
import { FixtureBroker } from '../fixtures/fixture-broker.ts'
import { until } from '../http/events.ts'
import { type StoreStage, storeStage } from './store-stage.ts'

const signal = new AbortController().signal
const options = { start: 'latest', leaseMs: 30_000, maxAttempts: 16 } as const
const name = 'orders/1/g'

let stage: StoreStage
let store: HeldGroups
let broker: FixtureBroker
let topics: HeldTopics
let source: PullSource
/** The broker's consumers that are open now. */
let open: Set<Consumer>
/** Called in place of settling at the broker, where it is set. */
let settling: (() => void) | undefined
/** Called before a consumer is opened. */
let opening: (() => void) | undefined

beforeEach(async () => {
  stage = await storeStage('sqlite')
  store = (await stage.open()).heldGroups
  broker = new FixtureBroker()
  await broker.admin.ensure('orders', {})
  open = new Set()
  settling = undefined
  opening = undefined
  const openOne = broker.open.bind(broker)
  broker.open = async (...given) => {
    opening?.()
    const consumer = await openOne(...given)
    const watched: Consumer = {
      pull: (wanted) => consumer.pull(wanted),
      settle: async (settlements) => {
        settling?.()
        return consumer.settle(settlements)
      },
      close: async () => {
        open.delete(watched)
        await consumer.close()
      },
    }
    open.add(watched)
    return watched
  }
  topics = new HeldTopics(() => ({ clock: systemClock, store, log: () => {} }))
  source = topics.add({ name: 'orders', brokerTopic: 'orders', broker, epoch: 1 })
  await source.groups.create('orders', 'g', options)
})
afterEach(async () => {
  vi.useRealTimers()
  await topics.close()
  await stage.close()
})

/** What precedes a colon is the key. */
async function publish(...ids: string[]): Promise<void> {
  const events = ids.map((id): Event => {
    const attributes = { specversion: '1.0', id, source: '/test', type: 'test.made' } as const
    return { attributes: id.includes(':') ? { ...attributes, partitionkey: id.split(':')[0]! } : attributes }
  })
  await broker.publish('orders', events, { signal })
}

async function pull(max = 10, waitMs = 5000): Promise<readonly Delivery[]> {
  const consumer = await source.open('orders', 'g', { prefetch: 1 })
  return (await consumer.pull({ max, waitMs, signal })).deliveries
}

async function ack(...deliveries: Delivery[]): Promise<void> {
  const consumer = await source.open('orders', 'g', { prefetch: 1 })
  await consumer.settle(deliveries.map(({ receipt }) => ({ receipt, outcome: { kind: 'ack' } })))
}

const idsOf = (deliveries: readonly Delivery[]) => deliveries.map(({ event }) => event.attributes.id)
const many = (count: number, of = (i: number) => `e${i}`) => Array.from({ length: count }, (_, i) => of(i))

test('what the broker was not told of comes again from it, and is not given to pullers twice', async () => {
  let failures = 0
  settling = () => {
    if (++failures <= 2) throw new GatewayError('unavailable', 'It cannot be told.')
  }
  await publish('a', 'b')
  const first = await pull()
  expect(idsOf(first)).toEqual(['a', 'b'])
  await ack(...first)
  // Each failure closes the consumer, which gives both back; they are known.
  await until(async () => {
    await pull(10, 100).catch(() => [])
    return (await broker.groups.describe('orders', 'g')).lag?.events === 0
  })
  expect(failures).toBe(3)
  await publish('c')
  expect(idsOf(await pull())).toEqual(['c'])
  expect(await pull(10, 500)).toEqual([])
})

test('the broker is told only of what the store has', async () => {
  const seen: number[] = []
  const fill = store.fill
  store.fill = async (...given) => {
    const filled = await fill(...given)
    seen.push((await store.amount(name, Date.now(), 0))!.events)
    return filled
  }
  settling = () => expect(seen).not.toEqual([])
  await publish('a')
  expect(idsOf(await pull())).toEqual(['a'])
  await until(async () => (await broker.groups.describe('orders', 'g')).lag?.events === 0)
  expect(seen[0]).toBe(1)
})

test('a bounded number lies ahead; what waits for its key does not hold up the others', async () => {
  await publish(...many(1500))
  await pull(1)
  await until(async () => (await store.amount(name, Date.now(), 1000))!.ahead === 500)
  expect(await pull(700)).toHaveLength(500)
  await until(async () => (await store.amount(name, Date.now(), 1000))!.ahead === 500)

  await pull(500)
  await until(async () => (await store.amount(name, Date.now(), 1000))!.ahead === 499)
  expect(await pull(500)).toHaveLength(499)
  await publish(...many(1200, (i) => `hot:${i}`), 'cold:1')
  const ids: string[] = []
  while (ids.length < 2) ids.push(...idsOf(await pull()))
  expect(ids).toEqual(['hot:0', 'cold:1'])
})

test('whoever cannot be filled says so, and goes on by itself', async () => {
  opening = () => {
    throw new GatewayError('unavailable', 'The broker is away.')
  }
  await publish('a')
  await expect(pull(1, 1000)).rejects.toThrow('The broker is away.')
  opening = undefined
  expect(idsOf(await until(async () => (await pull(1, 1000).catch(() => undefined)) ?? false))).toEqual(['a'])
})

test('without pullers the broker has its consumer back after a while, and at the end at once', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  await publish('a')
  expect(idsOf(await pull())).toEqual(['a'])
  expect(open.size).toBe(1)
  vi.advanceTimersByTime(29_000)
  await publish('b')
  expect(idsOf(await pull())).toEqual(['b'])
  vi.advanceTimersByTime(29_000)
  await publish('c')
  await until(async () => (await store.amount(name, Date.now(), 10))!.ahead === 1)
  expect(open.size).toBe(1)
  vi.advanceTimersByTime(1001)
  await until(() => open.size === 0)
  await publish('d')
  vi.useRealTimers()
  expect(idsOf([...(await pull(1)), ...(await pull(1))])).toEqual(['c', 'd'])
  expect(open.size).toBe(1)
  await topics.close()
  expect(open.size).toBe(0)
})

test('a group that the broker has lost is not there, and begins anew when it is made again', async () => {
  await publish('a', 'b')
  await pull(1)
  await until(async () => (await store.amount(name, Date.now(), 10))!.ahead === 1)
  await topics.close()
  await broker.groups.delete('orders', 'g')
  await expect(source.groups.describe('orders', 'g')).rejects.toThrow('no group')
  expect(await source.groups.create('orders', 'g', { ...options, leaseMs: 5000 })).toBe(true)
  expect(await source.groups.describe('orders', 'g')).toMatchObject({ leaseMs: 5000, inFlight: 0, lag: { events: 0 } })
})

test('a group that only the broker knows is taken as it is', async () => {
  await broker.groups.create('orders', 'old', { start: 'earliest', leaseMs: 7000, maxAttempts: 2 })
  expect(await source.groups.create('orders', 'old', options)).toBe(false)
  expect(await source.groups.describe('orders', 'old')).toMatchObject({
    start: 'earliest',
    leaseMs: 7000,
    maxAttempts: 2,
  })
  await broker.groups.create('orders', 'older', { start: 'earliest', leaseMs: 0, maxAttempts: 0 })
  expect(await source.groups.describe('orders', 'older')).toMatchObject({ leaseMs: 30_000, maxAttempts: 16 })
})

test('a change that fails leaves the group as it was', async () => {
  await publish('a')
  expect(idsOf(await pull())).toEqual(['a'])
  broker.groups.delete = async () => {
    throw new GatewayError('unavailable', 'The broker is away.')
  }
  await expect(source.groups.delete('orders', 'g')).rejects.toThrow('away')
  await publish('b')
  expect(idsOf(await pull())).toEqual(['b'])
})
