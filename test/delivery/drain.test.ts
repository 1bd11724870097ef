import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Delivery } from '../http/groups.ts'
import { DrainGateway } from './drain-gateway.ts'
import { Receiver } from './receiver.ts'
import { eventually } from './whole.ts'

let gateway: DrainGateway
let receiver: Receiver
/** Pulled before the topics were swapped. */
const early = new Map<string, readonly Delivery[]>()
const cursors = new Map<string, string>()
let paused = ''

const topics = ['pulled', 'dead', 'sought', 'left', 'idle', 'ordered', 'keyed', 'paused'] as const
const lines = (broker: string, more: object = {}) =>
  Object.fromEntries(
    topics.map((name) => {
      const own = name === 'ordered' ? { requires: { ordering: 'key' } } : {}
      const deadline = name === 'left' && 'drainFrom' in more ? { drainDeadline: '7s' } : {}
      return [name, { broker, ...own, ...more, ...deadline }]
    }),
  )
const idsOf = (deliveries: readonly Delivery[]) => deliveries.map(({ event }) => event.id)
const arrived = (path: string) =>
  receiver.requests.filter((one) => one.path === path).map(({ body }) => JSON.parse(body.toString()).id as string)
const drained = (topic: string) =>
  eventually(
    () => gateway.show(topic),
    ({ draining }) => draining === undefined,
  )

beforeAll(async () => {
  gateway = await DrainGateway.create()
  receiver = await Receiver.start()
  await gateway.start(lines('one'))
  for (const topic of ['pulled', 'dead', 'sought', 'left', 'ordered', 'keyed']) {
    await gateway.group(topic).create({ lease: '1m', maxAttempts: 7 })
  }
  await gateway.publishAll('pulled', ['a', 'b', 'c', 'd'])
  early.set('pulled', await gateway.group('pulled').pull(2))
  await gateway.publishAll('dead', ['a', 'b'])
  const [first] = await gateway.group('dead').pull(1)
  await gateway.group('dead').say(first!.lease, 'reject', { reason: 'bad' })
  await gateway.publishAll('sought', ['a'])
  await gateway.publishAll('left', ['a', 'b', 'c'])
  early.set('left', await gateway.group('left').pull(1))
  await gateway.publishAll('ordered', ['a', 'b'], { partitionkey: 'k' })
  await gateway.group('keyed').create()
  await gateway.subscribe('keyed', `${receiver.url}/keyed`, { ordering: 'key' })
  await gateway.publishAll('keyed', ['a', 'b'], { partitionkey: 'k' })
  paused = await gateway.subscribe('paused', `${receiver.url}/paused`)
  await gateway.publishAll('paused', ['a'])
  await receiver.received(3)
  await gateway.client.request('POST', `/v1/subscriptions/${paused}/pause`, { json: {} })
  await gateway.publishAll('paused', ['b'])
  await eventually(
    () => gateway.client.get(`/v1/subscriptions/${paused}`),
    (shown) => shown.json<{ feed: string }>().feed === 'detached',
  )
  await gateway.publishAll('paused', ['c', 'd'])
  const page = await gateway.client.get('/v1/topics/pulled/events?from=earliest')
  cursors.set('pulled', page.json<{ next: string }>().next)
  await gateway.start(lines('two', { drainFrom: 'one' }))
})
afterAll(async () => {
  await gateway.remove()
  await receiver.close()
})

describe('a topic that is drained', () => {
  test('tells so, with its epoch; its old cursors lead nowhere', async () => {
    const { epoch, broker, groups, draining } = await gateway.show('pulled')
    expect({ epoch, broker, groups }).toEqual({ epoch: 2, broker: 'two', groups: ['g'] })
    expect(draining).toMatchObject({ broker: 'one', epoch: 1, emptied: false, groups: [{ group: 'g', events: 4 }] })
    const answer = await gateway.client.get(`/v1/topics/pulled/events?from=${cursors.get('pulled')}`)
    expect(answer.problem.code).toBe('stale_cursor')
    expect((await gateway.client.get('/v1/topics/pulled/events?from=earliest')).json()).toMatchObject({ events: [] })
  })

  test('gives its groups what is left first; a lease of either broker is settled there', async () => {
    const group = gateway.group('pulled')
    expect((await group.get()).json()).toMatchObject({ lease: '1m', maxAttempts: 7, inFlight: 2 })
    await gateway.publishAll('pulled', ['e', 'f'])
    expect(await group.lag()).toBe(6)
    const left = await group.pull(10)
    expect(idsOf(left)).toEqual(['c', 'd'])
    const fresh = await group.pull(10)
    expect(idsOf(fresh)).toEqual(['e', 'f'])
    const [a, b] = early.get('pulled')!
    const said = await group.settle(
      { lease: a!.lease, outcome: 'ack' },
      { lease: fresh[0]!.lease, outcome: 'ack' },
      { lease: b!.lease, outcome: 'nack' },
      { lease: left[0]!.lease, outcome: 'extend', delay: '2m' },
      { lease: 'nonsense', outcome: 'ack' },
    )
    expect(said.map(({ status, error }) => error?.code ?? status)).toEqual(['ok', 'ok', 'ok', 'ok', 'lease_lost'])
    // What comes back at the old broker comes to who waits, although that is for events of the new one.
    const back = await group.pull(10, '5s')
    expect(idsOf(back)).toEqual(['b'])
    expect(await group.say(back[0]!.lease, 'ack')).toBe('ok')
    expect(await group.pull(10)).toEqual([])
    expect(await group.say(said[3]!.renewed!, 'nack')).toBe('ok')
    expect(await group.say(fresh[1]!.lease, 'ack')).toBe('ok')
    expect(await group.say(left[1]!.lease, 'ack')).toBe('ok')
    const last = await group.pull(10)
    expect(idsOf(last)).toEqual(['c'])
    expect(await group.say(last[0]!.lease, 'ack')).toBe('ok')
    expect((await gateway.show('pulled')).draining?.emptied).toBe(false)
  })

  test('keeps the dead letters of its groups, until they are redriven or deleted', async () => {
    const group = gateway.group('dead')
    await gateway.publishAll('dead', ['c', 'd'])
    const pulled = await group.pull(10)
    expect(idsOf(pulled)).toEqual(['b'])
    await group.say(pulled[0]!.lease, 'ack')
    for (const { lease } of await group.pull(1)) await group.say(lease, 'reject', { reason: 'worse' })
    const letters = await group.dead()
    expect(letters.map(({ event, reason }) => [event.id, reason])).toEqual([
      ['a', 'bad'],
      ['c', 'worse'],
    ])
    const page = await gateway.client.get(`${group.path}/dead?limit=1`)
    const { items, next } = page.json<{ items: { id: string }[]; next: string }>()
    expect(items).toHaveLength(1)
    expect((await group.dead(`?limit=1&cursor=${next}`)).map(({ event }) => event.id)).toEqual(['c'])
    const path = `${group.path}/dead/redrive`
    const redriven = await gateway.client.post(path, { ids: [letters[0]!.id] })
    expect(redriven.json()).toEqual({ redriven: 1 })
    const [a] = await group.pull(1)
    expect(a?.event.id).toBe('a')
    await group.say(a!.lease, 'ack')
    expect((await gateway.client.delete(`${group.path}/dead/${letters[1]!.id}`)).status).toBe(204)
    expect(await group.dead()).toEqual([])
  })

  test('lets a group be moved once it has nothing at the old broker any more, and deleted at once', async () => {
    const group = gateway.group('sought')
    const seek = () => gateway.client.post(`${group.path}/seek`, { to: 'earliest' })
    expect((await seek()).problem).toMatchObject({ code: 'conflict', detail: expect.stringContaining('broker one') })
    const [a] = await group.pull(1)
    await group.say(a!.lease, 'ack')
    expect((await seek()).status).toBe(200)
    expect((await gateway.client.delete(group.path)).status).toBe(204)
    expect((await group.get()).problem.code).toBe('not_found')
    await group.create()
    expect(await group.lag()).toBe(0)
  })

  test('with nothing at the old broker is drained soon, and drainFrom may stay', async () => {
    await drained('idle')
    expect(await gateway.show('idle')).toMatchObject({ broker: 'two', epoch: 2 })
  })

  test('in order by key takes nothing until what is left is settled', async () => {
    const refused = await gateway.publish('ordered', 'c', { partitionkey: 'k' })
    expect(refused.problem).toMatchObject({ code: 'unavailable', detail: expect.stringContaining('broker one') })
    expect(refused.status).toBe(503)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    const group = gateway.group('ordered')
    for (const id of ['a', 'b']) {
      const { event, lease } = await group.one()
      expect(event.id).toBe(id)
      await group.say(lease, 'ack')
    }
    await eventually(
      () => gateway.publish('ordered', 'c', { partitionkey: 'k' }),
      ({ status }) => status === 200,
    )
    expect((await group.one()).event.id).toBe('c')
  })

  test('in order for a subscription too', async () => {
    const refused = await gateway.publish('keyed', 'c', { partitionkey: 'k' })
    expect(refused.problem).toMatchObject({ code: 'unavailable', detail: expect.stringContaining('g') })
    const group = gateway.group('keyed')
    for (const { lease } of await group.pull(10)) await group.say(lease, 'ack')
    for (const { lease } of await group.pull(10)) await group.say(lease, 'ack')
    await eventually(
      () => gateway.publish('keyed', 'c', { partitionkey: 'k' }),
      ({ status }) => status === 200,
    )
    await eventually(
      () => arrived('/keyed'),
      (ids) => ids.includes('c'),
    )
    expect(arrived('/keyed')).toEqual(['a', 'b', 'c'])
  })

  test('leaves behind what nobody pulls within the deadline, and says so', async () => {
    await gateway.publishAll('left', ['d'])
    await drained('left')
    const told = gateway.logged.filter((line) => line.includes('left behind') && line.includes('"topic":"left"'))
    expect(told).toHaveLength(1)
    expect(told[0]).toMatch(/^error .*"broker":"one".*"group":"g","events":3/)
    expect((await gateway.client.get('/metrics')).text).toContain('sluice_drain_left_events_total{topic="left"} 3')
    const group = gateway.group('left')
    expect(await group.say(early.get('left')![0]!.lease, 'ack')).toBe('lease_lost')
    expect(idsOf(await group.pull(10))).toEqual(['d'])
  })

  test('is not given up while a subscription reads from the old log, which then goes on in the new one', async () => {
    await gateway.publishAll('paused', ['e', 'f'])
    await eventually(
      () => gateway.show('paused'),
      ({ draining }) => draining?.emptied === true,
    )
    expect((await gateway.show('paused')).draining?.groups).toEqual([{ group: 'sluice.fanout', events: 0 }])
    await gateway.client.request('POST', `/v1/subscriptions/${paused}/resume`, { json: {} })
    await drained('paused')
    await eventually(
      () => arrived('/paused'),
      (ids) => ids.length === 6,
    )
    await gateway.publishAll('paused', ['g'])
    await eventually(
      () => arrived('/paused'),
      (ids) => ids.includes('g'),
    )
    expect(arrived('/paused').sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g'])
  })
})

test('once drained, the old broker is not needed any more; what is swapped while it drains is refused', async () => {
  await Promise.all(['pulled', 'sought', 'idle', 'left', 'ordered', 'keyed', 'paused'].map(drained))
  await gateway.start({ idle: { broker: 'two', drainFrom: 'one' } })
  expect((await gateway.show('idle')).draining).toBeUndefined()
  await gateway.group('idle').create()
  await gateway.publishAll('idle', ['x'])
  await gateway.start({ idle: { broker: 'one', drainFrom: 'two' } })
  expect(await gateway.show('idle')).toMatchObject({ broker: 'one', epoch: 3, draining: { broker: 'two', epoch: 2 } })
  const [x] = await gateway.group('idle').pull(1)
  expect(x?.event.id).toBe('x')
  await expect(gateway.start({ idle: { broker: 'three', drainFrom: 'one' } })).rejects.toThrow(
    'still drained from broker two',
  )
  const other = { broker: 'two', name: 'idle' }
  await expect(gateway.start({ idle: { broker: 'one', drainFrom: 'two' }, other })).rejects.toThrow(
    'Topic other on broker two: topic idle is still drained from idle there',
  )
  await gateway.start({ idle: { broker: 'one', abandon: true } })
  expect(await gateway.show('idle')).toMatchObject({ broker: 'one', epoch: 3 })
  expect((await gateway.show('idle')).draining).toBeUndefined()
})
