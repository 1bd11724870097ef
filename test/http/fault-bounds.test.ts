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
