import { expect, test } from 'vitest'
import { until } from '../conformance/waiting.ts'
import { cloudEvent } from '../http/events.ts'
import { brokersOf, topicOn } from './brokers.ts'
import { installations, topicName } from './installation.ts'
import { Witness } from './witness.ts'

const installation = installations()
const minutes = { timeout: 240_000 }

const some = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => cloudEvent(`e${from + i}`, { partitionkey: `k${i % 4}`, data: from + i }))

test('what a bridge has not moved when its source goes to another broker comes first', minutes, async () => {
  const [orders, archive] = [topicName('orders'), topicName('archive')]
  const one = await installation()
  const bridges = [{ from: orders, to: archive, name: 'b' }]
  const common = { brokers: await brokersOf('local', 'main'), bridges }
  const requires = { ordering: 'key' }
  const before = { [orders]: { ...topicOn('main'), requires }, [archive]: topicOn('local') }
  const first = await one.start({ ...common, topics: before })
  expect((await first.batch(orders, some(0, 20))).status).toBe(200)
  await (await Witness.of(first, archive)).arrived(20)
  await one.stop()
  const without = await one.start({ ...common, topics: before, bridges: [] })
  expect((await without.batch(orders, some(20, 200))).status).toBe(200)
  await one.stop()
  const after = { ...before, [orders]: { ...topicOn('local'), requires, drainFrom: 'main' } }
  const last = await one.start({ ...common, topics: after })
  // In order by key: nothing is published before the old broker is empty, which it is once the bridge has moved all.
  await until(120_000, 'it can be published to', async () => (await last.batch(orders, some(220, 20))).status === 200)
  const events = await (await Witness.of(last, archive)).arrived(240)
  expect(new Set(events.map(({ id }) => id)).size).toBe(240)
  for (let key = 0; key < 4; key++) {
    const places = events.filter(({ partitionkey }) => partitionkey === `k${key}`).map(({ data }) => Number(data))
    expect(places).toEqual(places.toSorted((a, b) => a - b))
  }
  await until(120_000, 'it is drained', async () => one.lines('A topic is drained').length > 0)
})

test('a target that goes to another broker gets what comes there', minutes, async () => {
  const [orders, archive] = [topicName('orders'), topicName('archive')]
  const one = await installation()
  const common = { brokers: await brokersOf('local', 'main'), bridges: [{ from: orders, to: archive, name: 'b' }] }
  const topics = { [orders]: topicOn('local'), [archive]: { ...topicOn('local'), requires: { ordering: 'key' } } }
  const first = await one.start({ ...common, topics })
  expect((await first.batch(orders, some(0, 20))).status).toBe(200)
  await (await Witness.of(first, archive)).arrived(20)
  await one.stop()
  const moved = { ...topicOn('main'), requires: { ordering: 'key' }, drainFrom: 'local' }
  const last = await one.start({ ...common, topics: { ...topics, [archive]: moved } })
  expect((await last.batch(orders, some(20, 20))).status).toBe(200)
  const events = await (await Witness.of(last, archive)).arrived(20)
  expect(new Set(events.map(({ id }) => id))).toEqual(new Set(some(20, 20).map(({ id }) => id)))
})
