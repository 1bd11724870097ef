import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway()
})
afterAll(() => gateway.stop())

test('groups of the gateway itself can neither be made nor pulled nor deleted, and are not listed', async () => {
  const topic = await gateway.topic()
  const options = { start: 'latest', leaseMs: 1000, maxAttempts: 16 } as const
  await gateway.broker.groups.create(topic, 'sluice.webhooks', options)
  await gateway.client.put(`/v1/topics/${topic}/groups/sluiced`)
  const group = `/v1/topics/${topic}/groups/sluice.webhooks`
  for (const answer of [
    await gateway.client.put(group),
    await gateway.client.get(group),
    await gateway.client.delete(group),
    await gateway.client.post(`${group}/pull`, {}),
    await gateway.client.post(`${group}/seek`, { to: 'latest' }),
    await gateway.client.get(`${group}/dead`),
  ]) {
    expect(answer.problem).toMatchObject({ code: 'invalid_argument', errors: [{ pointer: '/group' }] })
  }
  expect((await gateway.client.get(`/v1/topics/${topic}`)).json()).toMatchObject({ groups: ['sluiced'] })
  expect(await gateway.broker.groups.list(topic)).toContain('sluice.webhooks')
})
