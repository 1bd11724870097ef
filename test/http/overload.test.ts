import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { CheckedAnswer, Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent, gate, idsOf, until } from './events.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway({ limits: { queueBytes: '1MiB' } })
  client = gateway.client
})
afterEach(() => gateway.faults.clear())
afterAll(() => gateway.stop())

describe('a broker that takes nothing', () => {
  test('lets so much wait and no more; what is over is 429, and was not stored', async () => {
    const topic = await gateway.topic()
    const held = gate()
    gateway.faults.hold = held.closed
    const data = 'x'.repeat(200_000)
    const answers: CheckedAnswer[] = []
    const asked = Array.from({ length: 30 }, async (_, i) =>
      answers.push(await client.structured(topic, cloudEvent(`e-${i}`, { data }))),
    )
    // Refusals are answered at once; the rest waits.
    await until(() => answers.length >= 10)
    for (const answer of answers) {
      expect(answer.problem.code).toBe('throttled')
      expect(answer.headers.get('retry-after')).toBe('1')
    }
    held.open()
    await Promise.all(asked)
    const stored = answers.filter(({ status }) => status === 200)
    expect(stored.length).toBeGreaterThan(0)
    expect((await idsOf(client, topic)).toSorted()).toEqual(
      stored.map((answer) => answer.json<{ id: string }>().id).toSorted(),
    )
    // And it goes on.
    expect((await client.structured(topic, cloudEvent('after'))).status).toBe(200)
  })

  test('does not stop reading, nor another topic', async () => {
    const [stuck, free] = [await gateway.topic(), await gateway.topic()]
    const held = gate()
    gateway.faults.hold = held.closed
    const waiting = client.structured(stuck, cloudEvent('a'))
    await until(() => gateway.faults.published.length === 1)
    gateway.faults.hold = undefined
    expect((await client.structured(free, cloudEvent('b'))).status).toBe(200)
    expect(await idsOf(client, stuck)).toEqual([])
    held.open()
    expect((await waiting).status).toBe(200)
  })
})
