import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { answer, Receiver } from './receiver.ts'
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

/** One value of /metrics, by the name of the metric and what its labels contain. */
async function metric(name: string, label: string): Promise<number | undefined> {
  const { text } = await whole.client.get('/metrics')
  const line = text.split('\n').find((one) => one.startsWith(`${name}{`) && one.includes(label))
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1))
}

async function lagOf(subscription: string): Promise<{ events: number; oldestSeconds: number }> {
  const answered = await whole.client.get(`/v1/subscriptions/${subscription}`)
  return answered.json<{ lag: { events: number; oldestSeconds: number } }>().lag
}

async function publish(type: string, count = 1): Promise<void> {
  for (let i = 0; i < count; i++) await whole.publish(`m${++events}`, type)
}

function subscribe(type: string, more: object = {}): Promise<string> {
  return whole.subscribe(`${receiver.url}/hook`, { filters: [{ exact: { type } }], name: type, ...more })
}

test('what waits in the store is counted by subscription, with its name, and how long the oldest does', async () => {
  receiver.script = answer({ status: 500 })
  const id = await subscribe('waits', { policy: { retry: { schedule: ['1h'] } } })
  const labels = `subscription="${id}",name="waits",topic="orders"`
  expect(await metric('sluice_subscription_pending_events', labels)).toBe(0)
  expect(await metric('sluice_subscription_oldest_pending_seconds', labels)).toBe(0)
  await publish('waits', 3)
  await eventually(
    () => metric('sluice_subscription_pending_events', labels),
    (value) => value === 3,
  )
  expect(await metric('sluice_subscription_pending_bytes', labels)).toBeGreaterThan(100)
  await eventually(
    () => metric('sluice_subscription_oldest_pending_seconds', labels),
    (value) => value! > 0.2,
  )
  expect(await metric('sluice_subscription_lag_events', labels)).toBe(3)
  expect(await metric('sluice_subscription_lag_seconds', labels)).toBeLessThan(60)
  expect(await metric('sluice_subscription_active', labels)).toBe(1)
  expect(await metric('sluice_delivery_attempts_total', 'topic="orders",outcome="parked"')).toBe(3)
  expect(await lagOf(id)).toMatchObject({ events: 3 })
})

test('a breaker that is open is seen, and leaves a line when it opens and when it closes', async () => {
  receiver.script = answer({ status: 500 })
  const breaker = { failureRatio: 0.5, minimum: 2, window: '1m', cooldown: '300ms' }
  const id = await subscribe('breaks', { policy: { breaker, retry: { schedule: ['10ms', '10ms', '10ms', '10ms'] } } })
  expect(await metric('sluice_subscription_breaker_open', `"${id}"`)).toBe(0)
  await publish('breaks', 2)
  await eventually(
    () => metric('sluice_subscription_breaker_open', `"${id}"`),
    (value) => value === 1,
  )
  receiver.script = answer()
  const lines = () => whole.logged.filter((line) => line.includes('breaker is') && line.includes(id))
  await eventually(lines, (found) => found.length === 2)
  expect(lines()[0]).toMatch(/^warn An endpoint fails: its breaker is open\./)
  expect(lines()[1]).toMatch(/^info An endpoint works again: its breaker is closed\./)
  await eventually(
    () => metric('sluice_subscription_info', `"${id}",name="breaks",topic="orders",status="active",feed=`),
    (value) => value === 1,
  )
})

test('what a detached subscription has not read from the log counts too, in events and in seconds', async () => {
  const id = await subscribe('detached')
  await whole.client.request('POST', `/v1/subscriptions/${id}/pause`)
  await publish('detached')
  await eventually(
    () => whole.show(id),
    ({ feed }) => feed === 'detached',
  )
  await publish('detached', 10)
  const { pending } = await whole.show(id)
  const lag = await lagOf(id)
  expect(lag.events).toBeGreaterThanOrEqual(10)
  expect(lag.events).toBeLessThanOrEqual(pending.events + 11)
  expect(lag.oldestSeconds).toBeGreaterThan(0)
  expect(lag.oldestSeconds).toBeLessThan(60)
  await eventually(
    () => metric('sluice_subscription_lag_events', `"${id}"`),
    (value) => value === lag.events,
  )
  expect(await metric('sluice_subscription_lag_seconds', `"${id}"`)).toBeGreaterThan(0)
  expect(await metric('sluice_subscription_detached', `"${id}"`)).toBe(1)
  expect(await metric('sluice_subscription_active', `"${id}"`)).toBe(0)
  expect(
    await metric('sluice_subscription_info', `"${id}",name="detached",topic="orders",status="paused",feed="detached"`),
  ).toBe(1)
  const list = await whole.client.get('/v1/subscriptions')
  const listed = list.json<{ items: { id: string; lag: { events: number } }[] }>().items.find((one) => one.id === id)
  expect(listed!.lag.events).toBe(lag.events)

  await whole.client.request('POST', `/v1/subscriptions/${id}/resume`)
  await receiver.received(11)
  await eventually(
    () => lagOf(id),
    ({ events }) => events === 0,
  )
  await eventually(
    () => metric('sluice_subscription_lag_events', `"${id}"`),
    (value) => value === 0,
  )
})

test("the lag of the gateway's own group is told by topic", async () => {
  await eventually(
    () => metric('sluice_fanout_lag_events', 'topic="orders"'),
    (value) => value !== undefined,
  )
  expect(await metric('sluice_fanout_lag_seconds', 'topic="orders"')).toBeGreaterThanOrEqual(0)
})
