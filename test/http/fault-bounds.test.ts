import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { path, url } from './subscriptions.ts'

let gateway: TestGateway
let topic: string
beforeAll(async () => {
  gateway = await startTestGateway()
  topic = await gateway.topic()
})
afterAll(() => gateway.stop())

const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [` ${i}`, 'x']))

test('filters are bounded as a whole: 10,000 subscriptions of one key must fit', async () => {
  const values = Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(1000, 'x'))
  const answer = await gateway.client.post(path, { topic, url, filters: [{ data: { '/customer/id': values } }] })
  expect(answer.problem.errors?.map(({ pointer }) => pointer)).toEqual(['/filters'])
  const fewer = [{ data: { '/customer/id': values.slice(0, 60) } }]
  expect((await gateway.client.post(path, { topic, url, filters: fewer })).status).toBe(201)
})

test.each<[string, object]>([
  ['labels', { labels: many }],
  ['headers', { headers: many }],
  ['unknown fields', many],
])('however many %s are wrong, the answer is short', async (_, more) => {
  const answer = await gateway.client.post(path, { topic, url, ...more })
  expect(answer.status).toBe(400)
  expect(answer.bytes.length).toBeLessThan(40_000)
  expect(answer.problem.errors!.length).toBeLessThanOrEqual(100)
})
