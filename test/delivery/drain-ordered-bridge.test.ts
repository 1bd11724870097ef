import { afterEach, beforeEach, expect, test } from 'vitest'
import { sharedRabbitmq } from '../brokers/services/shared.ts'
import { DrainGateway } from './drain-gateway.ts'
import { eventually } from './whole.ts'

let gateway: DrainGateway

beforeEach(async () => {
  gateway = await DrainGateway.create()
})
afterEach(async () => {
  await gateway.remove()
})

const subscription = {
  name: 'behind',
  topic: 'target',
  url: 'http://127.0.0.1:3000/',
  ordering: 'key',
  filters: [{ exact: { type: 'never' } }],
}

test.each([
  ['requires order', { requires: { ordering: 'key' } }, []],
  ['has a subscription in order', {}, [subscription]],
])(
  'a source of a bridge takes nothing until what it has left is moved, where a topic behind it %s',
  async (_, target, subscriptions) => {
    const bridges = [
      { name: 'first', from: 'source', to: 'between' },
      { name: 'second', from: 'between', to: 'target' },
    ]
    const topics = { between: { broker: 'three' }, target: { broker: 'three', ...target } }
    const before = { ...topics, source: { broker: 'one' } }
    await gateway.start(before, { bridges, subscriptions })
    await gateway.start(before, { subscriptions })
    // More than a bridge moves at once.
    const count = 3000
    const events = Array.from({ length: count }, (_, data) => {
      return { specversion: '1.0', id: `e${data}`, type: 't', source: '/s', partitionkey: 'k', data }
    })
    for (let from = 0; from < count; from += 1000) {
      const batch = JSON.stringify(events.slice(from, from + 1000))
      expect((await gateway.client.publish('source', batch, 'application/cloudevents-batch+json')).status).toBe(200)
    }
    await gateway.start({ ...topics, source: { broker: 'two', drainFrom: 'one' } }, { bridges, subscriptions })
    const refused = await gateway.publish('source', 'new', { partitionkey: 'k', data: count })
    expect(refused.problem).toMatchObject({ code: 'unavailable', detail: expect.stringContaining('broker one') })
    await eventually(
      () => gateway.publish('source', 'new', { partitionkey: 'k', data: count }),
      ({ status }) => status === 200,
    )
    const moved = async (): Promise<readonly number[]> => {
      const all: number[] = []
      for (let from = 'earliest'; ; ) {
        const answer = await gateway.client.get(`/v1/topics/target/events?from=${from}&limit=1000`)
        const page = answer.json<{ events: { event: { data: number } }[]; next: string }>()
        if (page.events.length === 0) return all
        all.push(...page.events.map(({ event }) => event.data))
        from = page.next
      }
    }
    const all = await eventually(moved, (data) => data.includes(count))
    expect(all).toEqual(all.toSorted((a, b) => a - b))
    expect(new Set(all).size).toBe(count + 1)
  },
)

test('a source without keys in order stays open for a subscription in order behind its bridge', async () => {
  const brokers = {
    jobs: { type: 'rabbitmq', url: (await sharedRabbitmq()).url },
    local: { type: 'embedded', memory: true },
  }
  const source = `source.${crypto.randomUUID().slice(0, 8)}`
  const more = { brokers, subscriptions: [subscription] }
  const topics = (at: object) => ({ [source]: at, target: { broker: 'local' } })
  await gateway.start(topics({ broker: 'jobs', ensure: {} }), more)
  await gateway.group(source).create()
  await gateway.publishAll(source, ['left'])
  const bridges = [{ name: 'bridge', from: source, to: 'target' }]
  await gateway.start(topics({ broker: 'local', drainFrom: 'jobs' }), { ...more, bridges })
  expect((await gateway.show(source)).draining?.emptied).toBe(false)
  await gateway.publishAll(source, ['new'])
})
