import { afterAll, beforeAll, expect, test } from 'vitest'
import { answer, Receiver, type Script } from '../delivery/receiver.ts'
import { cloudEvent, until } from '../http/events.ts'
import { replay } from './expectation.ts'
import { Hook } from './hook.ts'
import type { Stage } from './stage.ts'

const failing = answer({ status: 500, body: 'no' })
const briefly = { retry: { schedule: ['20ms'] }, breaker: { minimum: 100_000 } }

interface Operation {
  readonly id: string
  readonly state: string
  readonly matched?: number
  readonly done: number
}

/** What becomes of deliveries after the first attempt, and what can be done with them. */
export function deliveries(at: () => Stage): void {
  let receiver: Receiver
  beforeAll(async () => {
    receiver = await Receiver.start()
  })
  afterAll(() => receiver?.close())

  const subscribe = (topic: string, fields?: Readonly<Record<string, unknown>>, script?: Script) =>
    Hook.subscribe(() => at().client, receiver, topic, fields, script)

  const publish = async (topic: string, ...ids: string[]) => {
    const events = ids.map((id) => cloudEvent(id, { partitionkey: 'k', data: { id } }))
    const stored = await at().client.batch(topic, events)
    expect(stored.status, stored.text).toBe(200)
  }

  /** Starts an operation, and waits for its end. */
  async function operate(target: string, body: object): Promise<Operation> {
    const { client } = at()
    const accepted = await client.post(target, body)
    expect(accepted.status, accepted.text).toBe(202)
    const { id } = accepted.json<Operation>()
    return until(async () => {
      const now = (await client.get(`/v1/operations/${id}`)).json<Operation>()
      return now.state === 'running' ? undefined : now
    })
  }

  test('what nobody took is dead, is listed, and is redriven once: the same delivery, the same bytes', async () => {
    const { client } = at()
    const topic = await at().freeTopic()
    const hook = await subscribe(topic, { policy: briefly }, failing)
    await publish(topic, 'a', 'b', 'c')
    const dead = await until(async () => {
      const found = await hook.deliveries('dead')
      return found.length === 3 && found
    })
    expect(dead.map(({ event }) => event.id).sort()).toEqual(['a', 'b', 'c'])
    expect(dead.every(({ attempts }) => attempts === 2)).toBe(true)
    const detail = await client.get(`/v1/deliveries/${dead[0]!.id}`)
    expect(detail.json()).toMatchObject({ status: 'dead', history: [{ status: 500 }, { status: 500, body: 'no' }] })
    const before = hook.arrived
    const sameAsBefore = ({ delivery, body }: (typeof before)[number]) =>
      before.some((one) => one.delivery === delivery && one.body === body)

    hook.script = answer()
    const one = dead.find(({ event }) => event.id === 'b')!
    expect((await client.delete(`/v1/deliveries/${one.id}`)).status).toBe(204)
    const redrive = { subscription: hook.id, status: 'dead', all: true }
    expect(await operate('/v1/deliveries/redrive', redrive)).toMatchObject({ state: 'succeeded', done: 2 })
    const again = (await hook.received(before.length + 2)).slice(before.length)
    expect(again.every(sameAsBefore)).toBe(true)
    expect(hook.ids.slice(before.length).toSorted()).toEqual(['a', 'c'])
    expect(await operate('/v1/deliveries/redrive', redrive)).toMatchObject({ state: 'succeeded', done: 0 })
    await publish(topic, 'd')
    await hook.received(before.length + 3)
    expect(hook.ids.slice(before.length + 2)).toEqual(['d'])
    expect(await hook.deliveries('dead')).toEqual([])
  })

  test('one is retried by hand', async () => {
    const topic = await at().freeTopic()
    const hook = await subscribe(topic, { policy: { ...briefly, retry: { schedule: ['1h'] } } }, failing)
    await publish(topic, 'a')
    const [parked] = await until(async () => {
      const found = await hook.deliveries('parked')
      return found.length === 1 && found
    })
    hook.script = answer()
    expect((await at().client.post(`/v1/deliveries/${parked!.id}/retry`, {})).status).toBe(202)
    const attempts = await hook.received(2)
    expect(attempts.map(({ delivery, attempt }) => [delivery, attempt])).toEqual([
      [parked!.id, 1],
      [parked!.id, 2],
    ])
    await until(async () => (await hook.deliveries('succeeded')).length === 1)
  })

  test('nothing comes while a subscription is paused, and everything once it goes on', async () => {
    const topic = await at().freeTopic()
    const [hook, other] = [await subscribe(topic), await subscribe(topic)]
    await publish(topic, 'before')
    await hook.received(1)
    await hook.do('pause')
    const ids = ['a', 'b', 'c', 'd', 'e']
    await publish(topic, ...ids)
    await other.received(6)
    await until(async () => (await hook.show()).lag.events >= 5)
    expect(hook.ids).toEqual(['before'])
    await hook.do('resume')
    await hook.received(6)
    expect(hook.ids.slice(1).toSorted()).toEqual(ids)
    await publish(topic, 'after')
    await hook.received(7)
    expect(hook.ids.at(-1)).toBe('after')
  })

  test('nothing comes after a subscription is deleted, and its deliveries are gone', async () => {
    const { client } = at()
    const topic = await at().freeTopic()
    const policy = { ...briefly, retry: { schedule: ['1h'] } }
    const [hook, other] = [await subscribe(topic, { policy }, failing), await subscribe(topic)]
    await publish(topic, 'a')
    await until(async () => (await hook.deliveries('parked')).length === 1)
    expect((await client.delete(hook.target)).status).toBe(204)
    expect((await client.get(hook.target)).problem.code).toBe('not_found')
    await publish(topic, 'b')
    await other.received(2)
    expect(hook.ids).toEqual(['a'])
    expect((await client.get(`/v1/deliveries?topic=${topic}`)).json()).toMatchObject({ items: [] })
  })

  test('a history is replayed as other deliveries, and its live position stays; or is refused', async () => {
    const { client } = at()
    const topic = await at().freeTopic()
    const hook = await subscribe(topic)
    await publish(topic, 'a', 'b')
    await hook.received(2)
    const asks = ['earliest', 'latest', '2020-01-01T00:00:00Z', 5].map((from) => {
      const json = { subscription: hook.id, from, bogus: 1 }
      return { method: 'POST', target: '/v1/replays', json }
    })
    const works = async () => {
      const replayed = { subscription: hook.id, from: 'earliest' }
      const dry = await operate('/v1/replays', { ...replayed, dryRun: true })
      expect(dry).toMatchObject({ state: 'succeeded', matched: 2 })
      const live = hook.arrived.map(({ delivery }) => delivery)
      const filters = [{ exact: { id: 'b' } }]
      expect(await operate('/v1/replays', replayed)).toMatchObject({ state: 'succeeded', done: 2 })
      expect(await operate('/v1/replays', { ...replayed, filters })).toMatchObject({ state: 'succeeded', done: 1 })
      const again = (await hook.received(5)).slice(2)
      expect(hook.ids.slice(2, 4).toSorted()).toEqual(['a', 'b'])
      expect(hook.ids[4]).toBe('b')
      for (const { request } of again) expect(request.headers['webhook-replay']).toMatch(/./)
      expect(new Set([...live, ...again.map(({ delivery }) => delivery)]).size).toBe(5)
    }
    await at().step(topic, [replay], asks, works, ['a', 'b'])
    const before = hook.arrived.length
    await publish(topic, 'c')
    await hook.received(before + 1)
    expect(hook.ids.slice(before)).toEqual(['c'])
    expect((await client.get(hook.target)).json()).toMatchObject({ status: 'active' })
  })
}
