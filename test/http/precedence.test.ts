import { describe, expect, test } from 'vitest'
import { startTestGateway } from '../fixtures/gateway.ts'
import { structuredType } from './events.ts'

describe('precedence', () => {
  test('what the broker cannot do comes before a field that is wrong, and after a topic that is not there', async () => {
    const weak = await startTestGateway({ capabilities: { publishDelayMs: 0, atomicPublishMax: 0 } })
    try {
      const there = await weak.topic()
      for (const [query, capability] of [
        ['?delay=1s', 'publishDelayMs'],
        ['?atomic=true', 'atomicPublishMax'],
        ['?delay=1s&bogus=1', 'publishDelayMs'],
      ] as const) {
        const answer = await weak.client.publish(there, 'no JSON', structuredType, { query })
        expect(answer.problem, query).toMatchObject({ code: 'unsupported', capability })
        expect((await weak.client.publish('nowhere', 'no JSON', structuredType, { query })).status).toBe(404)
      }
      expect(
        (await weak.client.publish(there, '1', 'application/json', { query: '?delay=0s&atomic=false' })).status,
      ).toBe(200)
    } finally {
      await weak.stop()
    }
  })
})
