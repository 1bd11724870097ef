import { afterAll, beforeAll, expect, test } from 'vitest'
import { answer, Receiver, type Script } from '../delivery/receiver.ts'
import { cloudEvent, until } from '../http/events.ts'
import { type Delivery, Group } from '../http/groups.ts'
import { describeTopic } from './described.ts'
import { anotherGroup, atomicOf, delayOf, keysInOrder, pull, replay } from './expectation.ts'
import { Hook, quickly, subscribing } from './hook.ts'
import type { Stage } from './stage.ts'

const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte)

/** Fan-out to endpoints: who gets what, how it looks, and in which order. */
export function webhooks(at: () => Stage): void {
  let receiver: Receiver
  beforeAll(async () => {
    receiver = await Receiver.start()
  })
  afterAll(() => receiver?.close())

  const subscribe = (topic: string, fields?: Readonly<Record<string, unknown>>, script?: Script) =>
    Hook.subscribe(() => at().client, receiver, topic, fields, script)

  const publish = async (topic: string, ids: readonly string[], query = '') => {
    const events = ids.map((id) => cloudEvent(id, { partitionkey: id.split(':')[0]! }))
    const stored = await at().client.batch(topic, events, query)
    expect(stored.status, stored.text).toBe(200)
  }

  test('from the answer on every event comes once, signed, in every mode', async () => {
    const { client } = at()
    const topic = await at().freeTopic()
    const modes = ['structured', 'binary', 'data'] as const
    const [structured, binary, data] = await Promise.all(modes.map((mode) => subscribe(topic, { mode })))
    const text = '{"n":9007199254740993,"b":1.0,"b":2}'
    const event = `{"specversion":"1.0","id":"é 1","source":"/shop","type":"made","subject":"Ω","partitionkey":"k","data":${text}}`
    expect((await client.publish(topic, event, 'application/cloudevents+json')).status).toBe(200)
    const bytes = { id: 'bytes', key: 'k', source: '/shop', type: 'raw' }
    const query = `?${new URLSearchParams(bytes)}`
    expect((await client.publish(topic, everyByte, 'application/octet-stream', { query })).status).toBe(200)
    for (const hook of [structured, binary, data]) await hook!.received(2)

    const byId = (id: string) => structured!.arrived.find(({ body }) => body.includes(`"id":"${id}"`))
    const first = byId('é 1')!
    expect(first.request.headers['content-type']).toBe('application/cloudevents+json')
    expect(first.body).toContain(`"data":${text}`)
    expect(JSON.parse(first.body)).toMatchObject({ source: '/shop', type: 'made', subject: 'Ω', partitionkey: 'k' })
    expect(JSON.parse(byId('bytes')!.body)).toMatchObject({ data_base64: Buffer.from(everyByte).toString('base64') })
    const inHeaders = (id: string) => binary!.arrived.find(({ request }) => request.headers['ce-id'] === id)!.request
    expect(inHeaders('%C3%A9%201').headers).toMatchObject({ 'ce-source': '/shop', 'ce-subject': '%CE%A9' })
    expect(inHeaders('%C3%A9%201').body.toString()).toBe(text)
    expect(inHeaders('bytes').body).toEqual(Buffer.from(everyByte))
    const bodies = data!.arrived.map(({ request }) => request.body.toString('base64'))
    expect(bodies.sort()).toEqual([text, everyByte].map((one) => Buffer.from(one).toString('base64')).sort())
    const all = [structured, binary, data].flatMap((hook) => hook!.arrived)
    expect(new Set(all.map(({ delivery }) => delivery)).size).toBe(6)
    expect(all.every(({ attempt }) => attempt === 1)).toBe(true)
  })

  test('a subscription gets what its filters want, and each gets it', async () => {
    const topic = await at().freeTopic()
    const wanting = (filters: object[]) => subscribe(topic, { filters })
    const hooks = [
      await wanting([{ exact: { type: 'order.made' } }]),
      await wanting([{ prefix: { type: 'order.' } }, { not: { suffix: { type: '.paid' } } }]),
      await wanting([{ any: [{ exact: { type: 'order.paid' } }, { data: { '/total': [7, 8] } }] }]),
      await wanting([]),
    ]
    const types = ['order.paid', 'other.made', 'order.made', 'order.sent']
    // Of one key, so that what is not wanted comes before what is.
    const events = types.map((type, i) => cloudEvent(`${i}`, { type, partitionkey: 'k', data: { total: i + 6 } }))
    expect((await at().client.batch(topic, events)).status).toBe(200)
    const expected = [['2'], ['2', '3'], ['0', '1', '2'], ['0', '1', '2', '3']]
    for (const [i, hook] of hooks.entries()) {
      await hook.received(expected[i]!.length)
      expect(hook.ids.toSorted(), `hook ${i}`).toEqual(expected[i])
    }
  })

  test('one that fails holds back no other, and is tried again until it takes the event', async () => {
    const topic = await at().freeTopic()
    let left = 3
    const failing = await subscribe(topic, {}, (...given) => answer({ status: left-- > 0 ? 503 : 204 })(...given))
    const well = await subscribe(topic)
    const ids = ['a:1', 'b:1', 'c:1']
    await publish(topic, ids)
    await well.received(3)
    expect(well.ids.toSorted()).toEqual(ids)
    await failing.received(6)
    for (const id of ids) {
      const own = failing.arrived.filter(({ body }) => body.includes(`"id":"${id}"`))
      expect(own.map(({ attempt }) => attempt)).toEqual(own.map((_, i) => i + 1))
      expect(new Set(own.map(({ delivery, body }) => `${delivery} ${body}`)).size).toBe(1)
    }
    await until(async () => (await failing.show()).lag.events === 0)
    const succeeded = await failing.deliveries('succeeded')
    expect(succeeded.reduce((sum, { attempts }) => sum + attempts - 1, 0)).toBe(3)
  })

  test('keys are in order where the broker assigns them to one, and refused elsewhere', async () => {
    const { client } = at()
    const topic = await at().freeTopic()
    const plain = await subscribe(topic)
    const headers = { 'content-type': 'application/merge-patch+json' }
    const asks = [
      subscribing(topic, { ordering: 'key' }),
      subscribing(topic, { ordering: 'key', bogus: 1 }),
      { method: 'PATCH', target: plain.target, json: { ordering: 'key', bogus: 1 }, headers },
    ]
    await at().step(topic, [keysInOrder], asks, async () => {
      // The second event of one key fails for a while: the others of it wait, and nobody else.
      let left = 5
      const script: Script = (request, ...more) => {
        const fails = request.body.includes('"id":"b:1"') && left-- > 0
        answer({ status: fails ? 500 : 200 })(request, ...more)
      }
      const ordered = await subscribe(topic, { ordering: 'key', policy: quickly }, script)
      const ids = Array.from({ length: 8 }, (_, i) => ['a', 'b', 'c'].map((key) => `${key}:${i}`)).flat()
      await publish(topic, ids)
      const arrived = await ordered.received(ids.length + 5)
      for (const key of ['a', 'b', 'c']) {
        const tried = ordered.ids.filter((id) => id.startsWith(key))
        const once = tried.filter((id, i) => tried[i - 1] !== id)
        expect(once).toEqual(ids.filter((id) => id.startsWith(key)))
      }
      expect(arrived.length).toBe(ids.length + 5)
      expect((await client.get(ordered.target)).json()).toMatchObject({ ordering: 'key' })
    })
  })

  test('beside a group that pulls, where a topic may have both', async () => {
    const { client } = at()
    if (!at().can(pull)) return
    const [pulled, pushed] = [await at().freeTopic(), await at().freeTopic()]
    const group = new Group(client, pulled)
    await group.create()
    const hook = await subscribe(pushed)
    const asks = [subscribing(pulled, {}), subscribing(pulled, { bogus: 1 })]
    await at().step(pulled, [anotherGroup], asks, async () => {
      const both = await subscribe(pulled)
      await publish(pulled, ['a:1', 'a:2'])
      await both.received(2)
      const taken: Delivery[] = []
      while (taken.length < 2) {
        const some = await group.pull(10, '20s')
        taken.push(...some)
        await group.settle(...some.map(({ lease }) => ({ lease, outcome: 'ack' })))
      }
      expect(taken.map(({ event }) => event.id).sort()).toEqual(['a:1', 'a:2'])
      expect(both.ids.toSorted()).toEqual(['a:1', 'a:2'])
    })
    const beside = { method: 'PUT', target: new Group(client, pushed).path, json: {} }
    await at().step(pushed, [anotherGroup], [beside], async () => {
      expect((await client.put(beside.target)).status).toBe(201)
    })
    await publish(pushed, ['b:1'])
    await hook.received(1)
  })

  test('begins where it is told to, where there is a history', async () => {
    const { client } = at()
    const topic = await at().freeTopic()
    const starts = ['earliest', '2020-01-01T00:00:00Z', 'c1.0', 'nonsense', 5]
    const asks = starts.map((start) => subscribing(topic, { start, bogus: 1 }))
    await at().step(topic, [replay], asks, async () => {
      await publish(topic, ['a:1', 'a:2'])
      const page = await client.get(`/v1/topics/${topic}/events?from=earliest`)
      const { next } = page.json<{ next: string }>()
      await publish(topic, ['a:3'])
      const all = await subscribe(topic, { start: 'earliest' })
      const rest = await subscribe(topic, { start: next })
      const live = await subscribe(topic)
      await publish(topic, ['a:4'])
      for (const [hook, ids] of [
        [all, ['a:1', 'a:2', 'a:3', 'a:4']],
        [rest, ['a:3', 'a:4']],
        [live, ['a:4']],
      ] as const) {
        await hook.received(ids.length)
        expect(hook.ids.toSorted()).toEqual(ids)
      }
    })
  })

  test('what is delayed comes when it is due, and what is atomic comes whole', async () => {
    const topic = await at().freeTopic()
    const hook = await subscribe(topic)
    let expected = 0
    if (at().can(delayOf(500))) {
      const began = Date.now()
      await publish(topic, ['late:1'], '?delay=500ms')
      await hook.received(++expected)
      expect(Date.now() - began).toBeGreaterThanOrEqual(500)
    }
    if (at().can(atomicOf(3))) await publish(topic, ['a:1', 'b:1', 'c:1'], '?atomic=true')
    else await publish(topic, ['a:1', 'b:1', 'c:1'])
    await hook.received(expected + 3)
    expect(hook.ids.slice(expected).toSorted()).toEqual(['a:1', 'b:1', 'c:1'])
  })

  test('an id that is published again is delivered once inside the window, and known by its delivery elsewhere', async () => {
    const topic = await at().freeTopic()
    const hook = await subscribe(topic)
    const { dedupWindow } = await describeTopic(at().client, topic)
    for (const id of ['k:1', 'k:1', 'k:1', 'k:2']) await publish(topic, [id])
    await until(() => hook.ids.includes('k:2'))
    const deliveries = hook.arrived.filter(({ body }) => body.includes('"id":"k:1"')).map(({ delivery }) => delivery)
    if (dedupWindow !== '0s') expect(deliveries.length).toBe(1)
    expect(new Set(deliveries).size).toBe(1)
  })
}
