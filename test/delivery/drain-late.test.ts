import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DrainGateway } from './drain-gateway.ts'
import { Receiver } from './receiver.ts'
import { eventually } from './whole.ts'

// What comes to a group of the old broker after the group was empty there, and what was begun before the swap.

let gateway: DrainGateway
let receiver: Receiver
let paused = ''
const replays = new Map<string, string>()
const lines = (broker: string, more: object = {}) =>
  Object.fromEntries(['redriven', 'delayed', 'hooked', 'replayed'].map((name) => [name, { broker, ...more }]))

const arrived = (path: string) =>
  receiver.requests.filter((one) => one.path === path).map(({ body }) => JSON.parse(body.toString()).id as string)
const emptied = (topic: string) =>
  eventually(
    () => gateway.show(topic),
    ({ draining }) => draining?.emptied === true,
  )
const drained = (topic: string) =>
  eventually(
    () => gateway.show(topic),
    ({ draining }) => draining === undefined,
  )

async function publishLate(topic: string, id: string): Promise<void> {
  const event = JSON.stringify({ specversion: '1.0', id, type: 't', source: '/s' })
  const headers = { 'content-type': 'application/cloudevents+json' }
  const path = `/v1/topics/${topic}/events?delay=22s`
  expect((await gateway.client.request('POST', path, { headers, body: event })).status).toBe(200)
}

async function post(path: string, json: unknown = {}): Promise<{ id: string }> {
  const answer = await gateway.client.request('POST', path, { json })
  if (answer.status >= 300) throw new Error(answer.text)
  return answer.json()
}

beforeAll(async () => {
  gateway = await DrainGateway.create()
  receiver = await Receiver.start()
  await gateway.start(lines('one'))
  await gateway.group('redriven').create({ lease: '1m' })
  await gateway.group('delayed').create({ lease: '1m' })
  await gateway.publishAll('redriven', ['a'])
  const { lease } = await gateway.group('redriven').one()
  await gateway.group('redriven').say(lease, 'reject', { reason: 'bad' })

  const replayed = await gateway.subscribe('replayed', `${receiver.url}/replayed`)
  await gateway.publishAll('replayed', ['a', 'b'])
  await eventually(
    () => arrived('/replayed').length,
    (count) => count === 2,
  )
  for (const from of ['earliest', '2020-01-01T00:00:00Z']) {
    const { id } = await post('/v1/replays', { subscription: replayed, from, ratePerSecond: 0.001 })
    await post(`/v1/operations/${id}/pause`)
    replays.set(from, id)
  }

  await gateway.subscribe('hooked', `${receiver.url}/hooked`)
  paused = await gateway.subscribe('hooked', `${receiver.url}/paused`)
  await gateway.publishAll('hooked', ['a'])
  await eventually(
    () => arrived('/paused').length,
    (count) => count === 1,
  )
  await post(`/v1/subscriptions/${paused}/pause`)
  await gateway.publishAll('hooked', ['b'])
  await eventually(
    () => gateway.client.get(`/v1/subscriptions/${paused}`),
    (shown) => shown.json<{ feed: string }>().feed === 'detached',
  )
  await gateway.publishAll('hooked', ['c'])
  await publishLate('delayed', 'late')
  await publishLate('hooked', 'late')
  await gateway.start(lines('two', { drainFrom: 'one' }))
})
afterAll(async () => {
  await gateway.remove()
  await receiver.close()
})

describe('a topic is not drained before', () => {
  test('what was published there with a delay is', async () => {
    await post(`/v1/subscriptions/${paused}/resume`)
    await gateway.publishAll('hooked', ['d'])
    await emptied('delayed')
    expect((await gateway.show('delayed')).draining).toMatchObject({ delayed: true, groups: [{ events: 0 }] })
    const { event, lease } = await gateway.group('delayed').one('30s')
    expect(event.id).toBe('late')
    expect(await gateway.group('delayed').say(lease, 'ack')).toBe('ok')
    await Promise.all(['delayed', 'hooked'].map(drained))
    await eventually(
      () => [arrived('/hooked'), arrived('/paused')].map((ids) => ids.toSorted().join()),
      (ids) => ids.every((all) => all === 'a,b,c,d,late'),
    )
  })

  test('what was redriven at the old broker is consumed', async () => {
    const group = gateway.group('redriven')
    await emptied('redriven')
    const [letter] = await group.dead()
    await post(`${group.path}/dead/redrive`, { ids: [letter!.id] })
    await eventually(
      () => gateway.show('redriven'),
      ({ draining }) => draining?.groups[0]?.events !== 0,
    )
    const { event, lease } = await group.one()
    expect(event.id).toBe('a')
    expect(await group.say(lease, 'ack')).toBe('ok')
    await drained('redriven')
  })
})

test.each(['earliest', '2020-01-01T00:00:00Z'])(
  'a replay from %s does not read the new log for the old one',
  async (from) => {
    const path = `/v1/operations/${replays.get(from)}`
    await post(`${path}/resume`)
    const { state, error } = await eventually(
      async () => (await gateway.client.get(path)).json<{ state: string; error?: string }>(),
      (shown) => shown.state !== 'running',
    )
    expect(state).toBe('failed')
    expect(error).toContain('another broker')
  },
)
