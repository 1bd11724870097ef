import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Capabilities } from '../../src/core/broker.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { batchType, cloudEvent } from '../http/events.ts'
import { atomicOf, delayOf, expectation, pull, reject, replay, strongerThan } from './expectation.ts'
import { capabilitiesIn, describeTopic } from './stage.ts'
import { WatchedClient } from './watched-client.ts'

// The suite's own judgement: what it lets pass must be what the capabilities say.

let gateway: TestGateway
let client: WatchedClient
let capabilities: Capabilities
let topic: string
const weak = { replay: false, publishDelayMs: 1000, atomicPublishMax: 2, reject: false } as const

beforeAll(async () => {
  gateway = await startTestGateway({ capabilities: weak })
  client = new WatchedClient(gateway.client.url)
  topic = await gateway.topic()
  capabilities = capabilitiesIn(await describeTopic(client, topic))
})
afterAll(() => gateway.stop())

test('an expectation comes from the capabilities, and the first that lacks is named', () => {
  expect(expectation(capabilities, [pull])).toEqual({ works: true })
  expect(expectation(capabilities, [pull, reject, replay])).toEqual({ works: false, capability: 'reject' })
  expect(expectation(capabilities, [delayOf(1000)])).toEqual({ works: true })
  expect(expectation(capabilities, [delayOf(1001)])).toEqual({ works: false, capability: 'publishDelayMs' })
  expect(expectation(capabilities, [atomicOf(2)])).toEqual({ works: true })
  expect(expectation({ ...capabilities, receipt: 'session' }, [pull, reject])).toEqual({
    works: false,
    capability: 'receipt',
  })
})

test('only what can be stronger is asked for at a boot', () => {
  const stronger = strongerThan({ ...capabilities, ordering: 'key', durability: 'replicated', receipt: 'portable' })
  expect(stronger.get('ordering')).toBe('topic')
  expect(stronger.get('replay')).toBe(true)
  expect(stronger.get('publishDelayMs')).toBe(1001)
  expect([...stronger.keys()]).not.toContain('durability')
  expect([...stronger.keys()]).not.toContain('receipt')
  expect([...stronger.keys()]).not.toContain('extend')
})

describe('a refusal', () => {
  const events = () => `/v1/topics/${topic}/events`

  test('that no step expects is an error, also in a stream', async () => {
    await expect(client.get(events())).rejects.toThrow(/do not explain/)
    const sse = { headers: { accept: 'text/event-stream' } }
    await expect(client.stream('GET', events(), sse)).rejects.toThrow(/do not explain/)
    await expect(client.structured(topic, cloudEvent('a'), '?delay=2s')).rejects.toThrow(/do not explain/)
  })

  test('must be one, and name the capability that was expected', async () => {
    await client.refused('replay', { method: 'GET', target: events() })
    await expect(client.refused('seek', { method: 'GET', target: events() })).rejects.toThrow(/was to be refused/)
    const body = JSON.stringify([cloudEvent('a')])
    const headers = { 'content-type': batchType }
    const stored = { method: 'POST', target: `${events()}?atomic=true`, body, headers }
    await expect(client.refused('atomicPublishMax', stored)).rejects.toThrow(/is 200/)
  })
})
