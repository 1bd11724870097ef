import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { answer, hang, Receiver } from './receiver.ts'
import { eventually, Whole } from './whole.ts'

let whole: Whole
let receiver: Receiver
let events = 0

beforeAll(async () => {
  whole = await Whole.start()
})
afterAll(() => whole.stop())
beforeEach(async () => {
  receiver = await Receiver.start()
})
afterEach(() => receiver.close())

/** Publishes an event that only this test's subscription wants, and answers its id. */
async function publish(type: string): Promise<string> {
  const id = `e${++events}`
  await whole.publish(id, type)
  return id
}

async function subscribe(type: string, policy: object = {}, more: object = {}): Promise<string> {
  return whole.subscribe(`${receiver.url}/hook`, { filters: [{ exact: { type } }], policy, ...more })
}

const quick = { retry: { schedule: ['10ms', '10ms'] } }

describe('a delivery', () => {
  test('that succeeds at once leaves no row', async () => {
    const id = await subscribe('plain')
    await publish('plain')
    await receiver.received(1)
    expect(await whole.deliveries(id)).toEqual([])
    expect(receiver.requests[0]!.headers['webhook-attempt']).toBe('1')
  })

  test('that succeeds at once is listed where all are recorded', async () => {
    const id = await subscribe('recorded', { record: 'all' })
    const event = await publish('recorded')
    const [one] = await eventually(
      () => whole.deliveries(id),
      (found) => found.length > 0,
    )
    expect(one).toMatchObject({ status: 'succeeded', attempts: 1, event: { id: event } })
    expect((await whole.detail(one!.id)).history).toMatchObject([{ number: 1, status: 200 }])
  })

  test('is retried by the schedule with the same id, and counted', async () => {
    let left = 2
    receiver.script = (...given) => answer({ status: left-- > 0 ? 503 : 204 })(...given)
    const id = await subscribe('retried', quick)
    await publish('retried')
    await receiver.received(3)
    const ids = receiver.requests.map(({ headers }) => headers['webhook-id'])
    expect(new Set(ids).size).toBe(1)
    expect(receiver.requests.map(({ headers }) => headers['webhook-attempt'])).toEqual(['1', '2', '3'])
    expect(new Set(receiver.requests.map(({ body }) => body.toString())).size).toBe(1)
    const [row] = await eventually(
      () => whole.deliveries(id),
      ([found]) => found?.status === 'succeeded',
    )
    expect(row).toMatchObject({ id: ids[0], attempts: 3 })
    expect((await whole.detail(row!.id)).history.map(({ status }) => status)).toEqual([503, 503, 204])
  })

  test('waits as long as the endpoint asks', async () => {
    let asked = 0
    receiver.script = (...given) => {
      return answer(asked++ === 0 ? { status: 429, headers: { 'retry-after': '2' } } : {})(...given)
    }
    const id = await subscribe('later', quick)
    await publish('later')
    const [waiting] = await eventually(
      () => whole.deliveries(id, 'parked'),
      (found) => found.length > 0,
    )
    expect(waiting!.reason).toBe('The endpoint refused with 429.')
    await receiver.received(2)
    const [row] = await eventually(
      () => whole.deliveries(id),
      ([found]) => found?.status === 'succeeded',
    )
    const { history } = await whole.detail(row!.id)
    const [first, second] = history as unknown as { at: string }[]
    expect(Date.parse(second!.at) - Date.parse(first!.at)).toBeGreaterThanOrEqual(2000)
  })

  test('is dead when no retry is left, with its history and whose fault it was', async () => {
    receiver.script = answer({ status: 500, body: 'no such table' })
    const id = await subscribe('exhausted', quick)
    await publish('exhausted')
    const [row] = await eventually(
      () => whole.deliveries(id, 'dead'),
      (found) => found.length > 0,
    )
    expect(row!.reason).toMatch(/endpoint failed with 500/)
    const { history } = await whole.detail(row!.id)
    expect(history).toHaveLength(3)
    expect(history[0]).toMatchObject({ status: 500, stage: 'response', body: 'no such table' })
  })

  test('is discarded when no retry is left, where that is asked for', async () => {
    receiver.script = answer({ status: 500 })
    const id = await subscribe('let-go', { ...quick, onExhausted: 'discard' })
    await publish('let-go')
    await eventually(
      () => whole.deliveries(id, 'discarded'),
      (found) => found.length === 1,
    )
  })

  test('is dead at once after a status that needs no retry', async () => {
    receiver.script = answer({ status: 422 })
    const id = await subscribe('refused', { noRetry: [422] })
    await publish('refused')
    const [row] = await eventually(
      () => whole.deliveries(id, 'dead'),
      (found) => found.length > 0,
    )
    expect(row).toMatchObject({ attempts: 1, reason: expect.stringContaining('422') })
  })

  test('to nobody says that nobody could be reached', async () => {
    const { url } = receiver
    const id = await whole
      .subscribe(`${url.replace(/:\d+$/, ':9')}/`, {
        filters: [{ exact: { type: 'nobody' } }],
        policy: { retry: { schedule: [] } },
      })
      .catch(() => undefined)
    // Port 9 is refused at registration; a port where nobody listens is not.
    expect(id).toBeUndefined()
    const closed = await Receiver.start()
    const gone = closed.url
    await closed.close()
    const subscription = await whole.subscribe(gone, {
      filters: [{ exact: { type: 'nobody' } }],
      policy: { retry: { schedule: [] } },
    })
    await publish('nobody')
    const [row] = await eventually(
      () => whole.deliveries(subscription, 'dead'),
      (found) => found.length > 0,
    )
    expect(row!.reason).toMatch(/could not be reached \(connect\)/)
  })

  test('that takes longer than its second owns a row while it runs, and holds nothing back', async () => {
    const held = Promise.withResolvers<void>()
    receiver.script = (request, response, socket) => {
      const slow = JSON.parse(request.body.toString()).id as string
      if (slow === first) void held.promise.then(() => answer()(request, response, socket))
      else answer()(request, response, socket)
    }
    const first = `e${events + 1}`
    const id = await subscribe('slow')
    await publish('slow')
    await eventually(
      () => whole.deliveries(id, 'in_flight'),
      (found) => found.length === 1,
    )
    await publish('slow')
    await receiver.received(2)
    held.resolve()
    await eventually(
      () => whole.deliveries(id, 'succeeded'),
      (found) => found.some(({ event }) => event.id === first),
    )
    expect(receiver.requests).toHaveLength(2)
  })

  test('that never ends has a deadline', async () => {
    receiver.script = hang
    const id = await subscribe('hanging', { timeout: '300ms', retry: { schedule: [] } })
    await publish('hanging')
    const [row] = await eventually(
      () => whole.deliveries(id, 'dead'),
      (found) => found.length > 0,
    )
    expect((await whole.detail(row!.id)).history).toMatchObject([{ stage: 'timeout' }])
  })
})

describe('a subscription', () => {
  test('ends with 410: what it was owed is dead, and that is an event itself', async () => {
    const watcher = await Receiver.start()
    await whole.subscribe(watcher.url, { topic: 'sluice.events' })
    receiver.script = answer({ status: 410 })
    const id = await subscribe('gone')
    await publish('gone')
    const ended = await eventually(
      () => whole.show(id),
      ({ status }) => status === 'ended',
    )
    expect(ended.reason).toMatch(/410/)
    await watcher.received(1)
    const told = JSON.parse(watcher.requests[0]!.body.toString())
    expect(told).toMatchObject({ type: 'sluice.subscription.ended', subject: id, data: { subscription: id } })
    await publish('gone')
    await whole.publish('after', 'plain-after')
    const dead = await eventually(
      () => whole.deliveries(id, 'dead'),
      (found) => found.length > 0,
    )
    expect(dead).toHaveLength(1)
    expect(receiver.requests).toHaveLength(1)
    await watcher.close()
  })

  test('is told of by nobody but the gateway', async () => {
    const forged = JSON.stringify({
      specversion: '1.0',
      type: 'sluice.subscription.disabled',
      source: '/subscriptions',
    })
    const answered = await whole.client.publish('sluice.events', forged, 'application/cloudevents+json')
    expect(answered.status).toBe(403)
    expect(answered.json()).toMatchObject({ code: 'permission_denied' })
  })

  test('that only fails is disabled, keeps what it is owed, and goes on when it is resumed', async () => {
    const watcher = await Receiver.start()
    await whole.subscribe(watcher.url, {
      topic: 'sluice.events',
      filters: [{ exact: { type: 'sluice.subscription.disabled' } }],
    })
    receiver.script = answer({ status: 500 })
    const schedule = Array.from({ length: 50 }, () => '100ms')
    const id = await subscribe('failing', { retry: { schedule }, disableAfter: '1s', breaker: { minimum: 1000 } })
    const first = await publish('failing')
    const disabled = await eventually(
      () => whole.show(id),
      ({ status }) => status === 'disabled',
    )
    expect(disabled.reason).toMatch(/No attempt has succeeded since/)
    await watcher.received(1)
    const second = await publish('failing')
    receiver.script = answer()
    const before = receiver.requests.length
    await whole.client.request('POST', `/v1/subscriptions/${id}/resume`, { json: {} })
    await receiver.received(before + 2)
    const got = receiver.requests.slice(before).map(({ body }) => JSON.parse(body.toString()).id as string)
    expect(got.sort()).toEqual([first, second].sort())
    await watcher.close()
  })

  test('that is paused gets what came meanwhile when it is resumed, each once', async () => {
    const id = await subscribe('paused')
    await whole.client.request('POST', `/v1/subscriptions/${id}/pause`, { json: {} })
    const published: string[] = []
    for (let i = 0; i < 20; i++) published.push(await publish('paused'))
    await eventually(
      () => whole.show(id),
      ({ feed }) => feed === 'detached',
    )
    expect(receiver.requests).toHaveLength(0)
    await whole.client.request('POST', `/v1/subscriptions/${id}/resume`, { json: {} })
    await receiver.received(20)
    await eventually(
      () => whole.show(id),
      ({ feed }) => feed === 'attached',
    )
    published.push(await publish('paused'))
    await receiver.received(21)
    const got = receiver.requests.map(({ body }) => JSON.parse(body.toString()).id as string)
    expect(got.sort()).toEqual(published.sort())
  })

  test('that starts at the beginning gets the log once, and then what comes', async () => {
    const published: string[] = []
    for (let i = 0; i < 30; i++) published.push(await publish('early'))
    const id = await subscribe('early', {}, { start: 'earliest' })
    published.push(await publish('early'))
    await receiver.received(31)
    await eventually(
      () => whole.show(id),
      ({ feed }) => feed === 'attached',
    )
    published.push(await publish('early'))
    await receiver.received(32)
    const got = receiver.requests.map(({ body }) => JSON.parse(body.toString()).id as string)
    expect(got.sort()).toEqual(published.sort())
  })

  test('that starts now gets nothing from before, also where the group has not come so far', async () => {
    await publish('from-now')
    const id = await subscribe('from-now')
    const after = await publish('from-now')
    await receiver.received(1)
    expect(JSON.parse(receiver.requests[0]!.body.toString()).id).toBe(after)
    expect(await whole.deliveries(id)).toEqual([])
  })

  test('is tested by a ping that is signed like the real thing', async () => {
    const id = await subscribe('pinged')
    const pong = await whole.client.request('POST', `/v1/subscriptions/${id}/test`, { json: {} })
    expect(pong.json()).toMatchObject({ ok: true, status: 200 })
    const [ping] = receiver.requests
    expect(JSON.parse(ping!.body.toString())).toMatchObject({ type: 'sluice.ping', data: { subscription: id } })
    expect(ping!.headers['webhook-signature']).toMatch(/^v1,/)
  })

  test('gets an event of its own from an event that more than 64 want', async () => {
    const ids = await Promise.all(Array.from({ length: 70 }, () => subscribe('many')))
    const event = await publish('many')
    await receiver.received(70)
    const webhookIds = new Set(receiver.requests.map(({ headers }) => headers['webhook-id']))
    expect(webhookIds.size).toBe(70)
    const [row] = await eventually(
      () => whole.deliveries(ids[0]!, 'succeeded'),
      (found) => found.length > 0,
    )
    expect(row!.event.id).toBe(event)
  })
})
