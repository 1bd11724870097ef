import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { until } from '../http/events.ts'
import { type Delivery, Group } from '../http/groups.ts'
import { publish, Replicas, type StoreType } from './held.ts'

const stores: readonly StoreType[] = ['sqlite', 'postgres']
const idsOf = (deliveries: readonly Delivery[]) => deliveries.map(({ event }) => event.id)
const acks = (deliveries: readonly Delivery[]) => deliveries.map(({ lease }) => ({ lease, outcome: 'ack' }))

describe.each(stores)('leases of a Kafka group in %s', (store) => {
  let replicas: Replicas
  let one: Client
  let two: Client
  beforeAll(async () => {
    replicas = await Replicas.create(store)
    // One at a time: the first makes the topics and the store.
    one = (await replicas.start()).client
    two = (await replicas.start()).client
  }, 180_000)
  afterAll(() => replicas?.remove())

  /** Everything that comes, acknowledged; until so many came. */
  async function drain(groups: readonly Group[], count: number): Promise<string[]> {
    const ids: string[] = []
    await Promise.all(
      groups.map(async (group) => {
        while (ids.length < count) {
          const deliveries = await group.pull(50, '1s')
          ids.push(...idsOf(deliveries))
          if (deliveries.length > 0) await group.settle(...acks(deliveries))
        }
      }),
    )
    return ids
  }

  test('the gateway says what it adds, and takes nothing for the broker of it', async () => {
    const topic = replicas.topic()
    const { capabilities } = (await one.get(`/v1/topics/${topic}`)).json<{
      capabilities: Record<string, { value: unknown; by: string }>
    }>()
    const added = Object.entries(capabilities).filter(([, { by }]) => by === 'gateway')
    expect(added.map(([name]) => name).sort()).toEqual(
      ['attempts', 'exclusiveKeys', 'extend', 'nackDelayMs', 'receipt', 'reject', 'settlement'].sort(),
    )
    expect(capabilities.receipt).toEqual({ value: 'portable', by: 'gateway' })
    const { items } = (await one.get('/v1/brokers')).json<{ items: { capabilities: typeof capabilities }[] }>()
    expect(items[0]?.capabilities.receipt).toEqual({ value: 'session', by: 'broker' })
  })

  test('what one gateway leased, another settles; an ack may be repeated, another lease not', async () => {
    const topic = replicas.topic()
    const group = new Group(one, topic)
    const other = new Group(two, topic)
    await group.create({ lease: '20s' })
    await publish(two, topic, ['a', 'b'])
    const deliveries: Delivery[] = []
    while (deliveries.length < 2) deliveries.push(...(await group.pull(10, '20s')))
    expect((await other.get()).json()).toMatchObject({ inFlight: 2, lag: { events: 2 } })
    const [first, second] = deliveries
    expect(await other.say(first!.lease, 'ack')).toBe('ok')
    expect(await group.say(first!.lease, 'ack')).toBe('ok')
    expect(await other.say(first!.lease, 'nack')).toBe('lease_lost')
    const [extended] = await other.settle({ lease: second!.lease, outcome: 'extend' })
    expect(await group.say(second!.lease, 'ack')).toBe('lease_lost')
    const began = Date.now()
    expect(await group.say(extended!.renewed!, 'nack', { delay: '1s' })).toBe('ok')
    const again = await other.one('20s')
    expect(Date.now() - began).toBeGreaterThanOrEqual(1000)
    expect([again.event.id, again.attempt]).toEqual([second!.event.id, 2])
    expect(again.event).toEqual(second!.event)
    expect(await group.say(again.lease, 'ack')).toBe('ok')
    expect(await until(async () => (await group.lag()) === 0)).toBe(true)
  })

  test('a lease that ran out gives its event to another, and too many of them make a dead letter', async () => {
    const topic = replicas.topic()
    const group = new Group(one, topic)
    await group.create({ lease: '1s', maxAttempts: 2 })
    await publish(one, topic, ['a'])
    const first = await group.one('20s')
    const second = await new Group(two, topic).one('20s')
    expect([second.event.id, second.attempt]).toEqual(['a', 2])
    expect(await group.say(first.lease, 'ack')).toBe('lease_lost')
    const [letter] = await until(async () => {
      const dead = await group.dead()
      return dead.length > 0 && dead
    })
    expect(letter).toMatchObject({ reason: 'attempts exhausted: 2 of 2', attempts: 2, event: first.event })
    expect(await group.say(second.lease, 'ack')).toBe('lease_lost')
    expect((await one.post(`${group.path}/dead/redrive`, { ids: [letter!.id, 'x'] })).json()).toEqual({ redriven: 1 })
    const again = await group.one('20s')
    expect([again.event.id, again.attempt]).toEqual(['a', 1])
    expect(await group.say(again.lease, 'reject', { reason: 'no' })).toBe('ok')
    const [last] = await group.dead()
    expect((await one.delete(`${group.path}/dead/${last!.id}`)).status).toBe(204)
    expect((await one.delete(`${group.path}/dead/${last!.id}`)).status).toBe(404)
    expect(await group.pull()).toEqual([])
  })

  test('the events of a key come in order, one at a time, and hold back nothing else', async () => {
    const topic = replicas.topic()
    const group = new Group(one, topic)
    await group.create()
    const keys = ['k', 'l', 'm']
    const ids = Array.from({ length: 20 }, (_, i) => keys.map((key) => `${key}:${i}`)).flat()
    await publish(one, topic, ids)
    const heads = new Map<string, Delivery>()
    while (heads.size < keys.length) {
      for (const delivery of await group.pull(10, '20s')) heads.set(delivery.event.id, delivery)
    }
    expect([...heads.keys()].sort()).toEqual(['k:0', 'l:0', 'm:0'])
    for (const id of ['l:0', 'm:0']) expect(await group.say(heads.get(id)!.lease, 'nack')).toBe('ok')
    const free = await drain([group, new Group(two, topic)], 40)
    for (const key of ['l', 'm']) {
      expect(free.filter((id) => id.startsWith(key))).toEqual(ids.filter((id) => id.startsWith(key)))
    }
    expect(await group.pull()).toEqual([])
    expect(await group.say(heads.get('k:0')!.lease, 'nack', { delay: '200ms' })).toBe('ok')
    const rest = await drain([new Group(two, topic), group], 20)
    expect(rest).toEqual(ids.filter((id) => id.startsWith('k')))
  })

  test('the same id twice is two events; none comes a third time', async () => {
    const topic = replicas.topic()
    const group = new Group(one, topic)
    await group.create()
    await publish(one, topic, ['twice'])
    await publish(two, topic, ['twice'])
    expect(await drain([group], 2)).toEqual(['twice', 'twice'])
    expect(await group.pull(10, '2s')).toEqual([])
  })

  test('more than lies ahead comes, each event once, whoever pulls', async () => {
    const topic = replicas.topic()
    const groups = [new Group(one, topic), new Group(two, topic), new Group(one, topic), new Group(two, topic)]
    await groups[0]!.create()
    const ids = Array.from({ length: 1600 }, (_, i) => `e-${i}`)
    for (let at = 0; at < ids.length; at += 400) await publish(one, topic, ids.slice(at, at + 400))
    expect((await drain(groups, ids.length)).sort()).toEqual(ids.toSorted())
    await until(async () => (await groups[0]!.lag()) === 0)
  }, 60_000)

  test('a group that is moved drops what lay ahead and its leases, wherever they are', async () => {
    const topic = replicas.topic()
    const group = new Group(one, topic)
    const other = new Group(two, topic)
    await group.create()
    await publish(one, topic, ['a', 'b', 'c'])
    const first = await group.one('20s')
    const second = await other.one('20s')
    const moved = await two.post(`${group.path}/seek`, { to: 'earliest' })
    expect(moved.status, moved.text).toBe(200)
    for (const { lease } of [first, second]) expect(await group.say(lease, 'ack')).toBe('lease_lost')
    expect((await drain([group, other], 3)).sort()).toEqual(['a', 'b', 'c'])
    expect((await one.post(`${group.path}/seek`, { to: 'latest' })).status).toBe(200)
    expect(await other.pull(10, '2s')).toEqual([])
    await publish(one, topic, ['d'])
    expect(idsOf(await other.pull(10, '20s'))).toEqual(['d'])
  }, 60_000)

  test('one that was deleted begins anew, with nothing of what it was', async () => {
    const topic = replicas.topic()
    const group = new Group(one, topic)
    const other = new Group(two, topic)
    await group.create({ maxAttempts: 3 })
    await publish(one, topic, ['a'])
    const { lease } = await other.one('20s')
    expect(await other.say(lease, 'reject')).toBe('ok')
    expect((await one.delete(group.path)).status).toBe(204)
    for (const at of [group, other]) {
      expect((await at.get()).problem.code).toBe('not_found')
      expect((await at.settleRaw([{ lease, outcome: 'ack' }])).problem.code).toBe('not_found')
    }
    await expect(other.pull(1, '1s')).rejects.toThrow('not_found')
    const made = await Promise.all([group.create({ start: 'earliest' }), other.create({ start: 'earliest' })])
    expect(made.map(({ status }) => status).sort()).toEqual([200, 201])
    expect(await group.dead()).toEqual([])
    expect(idsOf(await other.pull(10, '20s'))).toEqual(['a'])
  }, 60_000)

  test('is no subscription: its events are no deliveries', async () => {
    const topic = replicas.topic()
    const group = new Group(one, topic)
    await group.create()
    await publish(one, topic, ['a'])
    await group.say((await group.one('20s')).lease, 'reject')
    expect((await one.get('/v1/deliveries')).json()).toMatchObject({ items: [] })
    expect((await one.get('/metrics')).text).toContain(`sluice_events_pulled_total{topic="${topic}",group="g"} 1`)
  })
})
