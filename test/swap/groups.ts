import { expect, test } from 'vitest'
import { cloudEvent, until } from '../http/events.ts'
import { type Delivery, Group } from '../http/groups.ts'
import type { Ask } from '../http/lacks.ts'
import { describeTopic } from './described.ts'
import { anotherGroup, delayOf, extend, type Need, nackDelayOf, pull, reject, replay, seek } from './expectation.ts'
import type { Stage } from './stage.ts'

const idsOf = (deliveries: readonly Delivery[]) => deliveries.map(({ event }) => event.id)

/** So many deliveries: one pull waits for the first, and brings what else is there by then. */
async function take(group: Group, count: number): Promise<readonly Delivery[]> {
  const taken: Delivery[] = []
  while (taken.length < count) taken.push(...(await group.pull(10, '20s')))
  return taken
}

/** A request with a body of JSON. */
function ask(method: string, target: string, json?: unknown): Ask {
  return { method, target, ...(json !== undefined && { json }) }
}

/** Whatever a client can ask of a group, right and wrong. */
function everything(path: string): Ask[] {
  const settlements = ['ack', 'nack', 'reject', 'extend'].map((outcome) => ({ lease: 'x', outcome }))
  return [
    ask('PUT', path, {}),
    ask('PUT', path, { start: 'earliest', lease: '5s', maxAttempts: 2 }),
    ask('PUT', path, { bogus: 1 }),
    ask('GET', path),
    ask('POST', `${path}/pull`, { max: 1, wait: '10s' }),
    ask('POST', `${path}/pull`, { bogus: 1 }),
    ask('POST', `${path}/settle`, { settlements }),
    ask('POST', `${path}/seek`, { to: 'earliest' }),
    ask('GET', `${path}/dead`),
    ask('POST', `${path}/dead/redrive`, { all: true }),
    ask('DELETE', `${path}/dead/1`),
    ask('DELETE', path),
  ]
}

export function groups(at: () => Stage): void {
  /** A step of a group of its own; where one cannot pull at all, everything that can be asked of a group is refused. */
  function pullTest(name: string, works: (group: Group, topic: string) => Promise<void>): void {
    test(name, async () => {
      const { client } = at()
      const topic = await at().freeTopic()
      const group = new Group(client, topic)
      await client.structured(topic, cloudEvent('before'))
      await at().step(topic, [pull], everything(group.path), () => works(group, topic), ['before'])
      if (!at().can(pull)) expect((await describeTopic(client, topic)).groups).toEqual([])
    })
  }

  const publish = async (topic: string, ...ids: string[]) => {
    const events = ids.map((id) => cloudEvent(id, id.includes(':') ? { partitionkey: id.split(':')[0] } : {}))
    const answer = await at().client.batch(topic, events)
    expect(answer.status, answer.text).toBe(200)
  }

  pullTest('one is created, listed, described and deleted', async (group, topic) => {
    const { client } = at()
    const created = await group.create({ lease: '1m', maxAttempts: 3 })
    expect(created.status).toBe(201)
    expect(created.json()).toMatchObject({
      topic,
      group: 'g',
      start: 'latest',
      lease: '1m',
      maxAttempts: 3,
      inFlight: 0,
    })
    const again = await group.create({ lease: '2m', maxAttempts: 9 })
    expect([again.status, again.json()]).toMatchObject([200, { start: 'latest', lease: '1m' }])
    expect((await describeTopic(client, topic)).groups).toContain('g')
    await publish(topic, 'after')
    const { lag } = at().capabilities
    if (lag === 'none') expect((await group.get()).json()).not.toHaveProperty('lag')
    else if (lag === 'exact') expect(await group.lag()).toBe(1)
    else expect(await group.lag()).toBeGreaterThanOrEqual(0)
    expect(idsOf(await group.pull(10, '20s'))).toEqual(['after'])
    expect((await group.get()).json()).toMatchObject({ inFlight: 1 })
    expect((await client.delete(group.path)).status).toBe(204)
    expect((await group.get()).problem.code).toBe('not_found')
    expect((await describeTopic(client, topic)).groups).not.toContain('g')
  })

  pullTest('what is pulled and settled is not given again; what is given back is', async (group, topic) => {
    await group.create()
    const ids = Array.from({ length: 20 }, (_, i) => `e-${i}`)
    await publish(topic, ...ids)
    const pulled: Delivery[] = []
    while (pulled.length < ids.length) pulled.push(...(await group.pull(7, '20s')))
    expect(idsOf(pulled).sort()).toEqual(ids.toSorted())
    expect(await group.pull()).toEqual([])
    const [back, ...rest] = pulled
    const results = await group.settle(...rest.map(({ lease }) => ({ lease, outcome: 'ack' })))
    expect(results.every(({ status }) => status === 'ok')).toBe(true)
    expect(await group.say(back!.lease, 'nack')).toBe('ok')
    const [second] = await group.pull(10, '20s')
    expect([second?.event.id, second?.event]).toEqual([back?.event.id, back?.event])
    if (at().capabilities.attempts) expect(second?.attempt).toBe(2)
    expect(await group.say(second!.lease, 'ack')).toBe('ok')
    expect(await group.pull()).toEqual([])
    if (at().capabilities.lag === 'exact') expect(await group.lag()).toBe(0)
    expect(await group.say('nonsense', 'ack')).toBe('lease_lost')
  })

  pullTest('a lease that ran out gives its event to another', async (group, topic) => {
    await group.create({ lease: '1s' })
    await publish(topic, 'a')
    const first = await group.one('20s')
    const second = await group.one('20s')
    expect(second.event.id).toBe('a')
    if (at().capabilities.fencing === 'none') return
    expect(await group.say(first.lease, 'ack')).toBe('lease_lost')
    expect(await group.say(second.lease, 'ack')).toBe('ok')
  })

  pullTest('an event of a key that is held holds back its successors', async (group, topic) => {
    await group.create()
    await publish(topic, 'k:1', 'k:2', 'j:1')
    const first = await take(group, at().capabilities.exclusiveKeys ? 2 : 3)
    if (!at().capabilities.exclusiveKeys) return
    expect(idsOf(first).sort()).toEqual(['j:1', 'k:1'])
    expect(await group.pull()).toEqual([])
    for (const { lease } of first) await group.say(lease, 'ack')
    expect(idsOf(await group.pull(10, '20s'))).toEqual(['k:2'])
  })

  pullTest('begins where it is told to', async (group, topic) => {
    const { client } = at()
    const starts = ['earliest', '2020-01-01T00:00:00Z', 'c1.0', 'nonsense', 5]
    const asks = starts.map((start) => ask('PUT', group.path, { start, bogus: 1 }))
    const works = async () => {
      const page = await client.get(`/v1/topics/${topic}/events?from=earliest`)
      const { next } = page.json<{ next: string }>()
      await publish(topic, 'later')
      await group.create({ start: 'earliest' })
      expect(idsOf(await take(group, 2)).sort()).toEqual(['before', 'later'])
      const other = new Group(client, topic, 'from-cursor')
      expect((await other.create({ start: next })).json()).toMatchObject({ start: next })
      expect(idsOf(await other.pull(10, '20s'))).toEqual(['later'])
    }
    await at().step(topic, [replay], asks, works, ['before'])
  })

  pullTest('another one has a place beside it, or is refused', async (group, topic) => {
    const { client } = at()
    expect((await group.create()).status).toBe(201)
    const other = new Group(client, topic, 'other')
    const asks = [ask('PUT', other.path, {}), ask('PUT', other.path, { bogus: 1 })]
    const works = async () => {
      expect((await other.create()).status).toBe(201)
      await publish(topic, 'a')
      for (const one of [group, other]) expect(idsOf(await one.pull(10, '20s'))).toEqual(['a'])
    }
    await at().step(topic, [anotherGroup], asks, works)
    // The one that is there is no other.
    expect((await group.create({ maxAttempts: 3 })).status).toBe(200)
  })

  /** A step that needs more than pulling, and is refused by the name of that where it lacks. */
  function settleTest(
    name: string,
    need: Need,
    asks: (group: Group, lease: string) => readonly Ask[],
    works: (group: Group, topic: string, delivery: Delivery) => Promise<void>,
  ): void {
    test(name, async () => {
      const { client } = at()
      const topic = await at().freeTopic()
      const group = new Group(client, topic)
      let lease = 'x'
      if (at().can(pull)) {
        await group.create()
        await publish(topic, 'a')
        const delivery = await group.one('20s')
        if (at().can(need)) return works(group, topic, delivery)
        lease = delivery.lease
      }
      const never = () => Promise.reject(new Error('It cannot work.'))
      await at().step(topic, [pull, need], asks(group, lease), never, at().can(pull) ? ['a'] : [])
      // What was refused settled nothing.
      if (at().can(pull)) expect(await group.say(lease, 'ack')).toBe('ok')
    })
  }

  const settlement = (group: Group, value: object) => ask('POST', `${group.path}/settle`, { settlements: [value] })

  settleTest(
    'seek moves a group and takes its leases',
    seek,
    (group) => [ask('POST', `${group.path}/seek`, { to: 'earliest' }), ask('POST', `${group.path}/seek`, { bogus: 1 })],
    async (group, _, { lease }) => {
      const { client } = at()
      const moved = await client.post(`${group.path}/seek`, { to: 'earliest' })
      expect(moved.status, moved.text).toBe(200)
      expect(await group.say(lease, 'ack')).toBe('lease_lost')
      expect((await group.one('20s')).event.id).toBe('a')
      expect((await client.post(`${group.path}/seek`, { to: 'latest' })).status).toBe(200)
      expect(await group.pull()).toEqual([])
    },
  )

  settleTest(
    'a rejected event is a dead letter, and is redriven or deleted',
    reject,
    (group, lease) => [
      settlement(group, { lease, outcome: 'reject', reason: 'bad' }),
      ask('GET', `${group.path}/dead`),
      ask('POST', `${group.path}/dead/redrive`, { all: true }),
      ask('DELETE', `${group.path}/dead/1`),
    ],
    async (group, _, { lease, event }) => {
      const { client } = at()
      const redrive = () => client.post(`${group.path}/dead/redrive`, { all: true })
      expect(await group.say(lease, 'reject', { reason: 'bad' })).toBe('ok')
      expect(await group.dead()).toMatchObject([{ reason: 'bad', event }])
      expect((await redrive()).json()).toEqual({ redriven: 1 })
      const again = await group.one('20s')
      expect(again.event).toEqual(event)
      expect(await group.say(again.lease, 'reject')).toBe('ok')
      const [letter] = await group.dead()
      expect((await client.delete(`${group.path}/dead/${encodeURIComponent(letter!.id)}`)).status).toBe(204)
      expect((await redrive()).json()).toEqual({ redriven: 0 })
      expect(await group.pull()).toEqual([])
    },
  )

  settleTest(
    'a lease is extended',
    extend,
    (group, lease) => [settlement(group, { lease, outcome: 'extend' })],
    async (group, _, { lease, expiresAt }) => {
      const [result] = await group.settle({ lease, outcome: 'extend', delay: '1h' })
      expect(result).toMatchObject({ status: 'ok', renewed: expect.any(String) })
      expect(Date.parse(result?.expiresAt ?? '')).toBeGreaterThan(Date.parse(expiresAt))
      expect(await group.say(result?.renewed ?? '', 'ack')).toBe('ok')
    },
  )

  settleTest(
    'an event is given back for later',
    nackDelayOf(500),
    (group, lease) => [settlement(group, { lease, outcome: 'nack', delay: '500ms' })],
    async (group, _, { lease }) => {
      const began = Date.now()
      expect(await group.say(lease, 'nack', { delay: '500ms' })).toBe('ok')
      const again = await until(async () => (await group.pull(1, '20s'))[0])
      expect(Date.now() - began).toBeGreaterThanOrEqual(500)
      expect(await group.say(again.lease, 'ack')).toBe('ok')
    },
  )

  pullTest('a delayed event is not pulled before it is due', async (group, topic) => {
    if (!at().can(delayOf(500))) return
    await group.create()
    const began = Date.now()
    await at().client.structured(topic, cloudEvent('late'), '?delay=500ms')
    expect(idsOf(await group.pull(10, '20s'))).toEqual(['late'])
    expect(Date.now() - began).toBeGreaterThanOrEqual(500)
  })

  pullTest('each group gets everything, and of one each puller something else', async (_, topic) => {
    const { client } = at()
    const many = at().can(anotherGroup) ? ['one', 'two'] : ['one']
    const all = many.map((name) => new Group(client, topic, name))
    for (const group of all) await group.create()
    const ids = Array.from({ length: 30 }, (_, i) => `e-${i}`)
    await publish(topic, ...ids)
    for (const group of all) {
      const pulled: string[] = []
      while (pulled.length < ids.length) {
        const some = await Promise.all(Array.from({ length: 4 }, () => group.pull(3)))
        pulled.push(...idsOf(some.flat()))
      }
      expect(pulled.sort()).toEqual(ids.toSorted())
    }
  })
}
