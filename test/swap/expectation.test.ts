import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { batchType, cloudEvent } from '../http/events.ts'
import { lacking, refusedAsks } from '../http/lacks.ts'
import { subscribe } from '../http/subscriptions.ts'
import { capabilitiesIn, describeTopic } from './described.ts'
import {
  type Able,
  atomicOf,
  type CapabilityName,
  delayOf,
  expectation,
  pull,
  refusedWithout,
  reject,
  replay,
  strongerThan,
} from './expectation.ts'
import { step } from './step.ts'
import { WatchedClient } from './watched-client.ts'

// The suite's own judgement: what it lets pass must be what the capabilities say.

let gateway: TestGateway
let client: WatchedClient
let able: Able
let topic: string

async function opened(of: TestGateway, name: string): Promise<Able> {
  const capabilities = capabilitiesIn(await describeTopic(new WatchedClient(of.client.url), name))
  return { capabilities, own: capabilities }
}

/** The same broker, of which somebody says otherwise. */
const said = (more: Partial<Able['own']>): Able => {
  const capabilities = { ...able.own, ...more }
  return { capabilities, own: capabilities }
}

beforeAll(async () => {
  gateway = await startTestGateway({ capabilities: lacking })
  client = new WatchedClient(gateway.client.url)
  topic = await gateway.topic()
  able = await opened(gateway, topic)
})
afterAll(() => gateway.stop())

test('an expectation comes from the capabilities, and the first that lacks is named', () => {
  expect(expectation(able, [pull])).toEqual({ works: true })
  expect(expectation(able, [pull, reject, replay])).toEqual({ works: false, capability: 'reject' })
  expect(expectation(able, [delayOf(1000)])).toEqual({ works: true })
  expect(expectation(able, [delayOf(1001)])).toEqual({ works: false, capability: 'publishDelayMs' })
  expect(expectation(able, [atomicOf(2)])).toEqual({ works: true })
  expect(expectation(said({ receipt: 'session' }), [pull, reject])).toEqual({ works: false, capability: 'receipt' })
})

test('only what can be stronger is asked for at a boot', () => {
  const stronger = strongerThan({ ...able.own, ordering: 'key', durability: 'replicated', receipt: 'portable' })
  expect(stronger.get('ordering')).toBe('topic')
  expect(stronger.get('replay')).toBe(true)
  expect(stronger.get('publishDelayMs')).toBe(1001)
  expect([...stronger.keys()]).not.toContain('durability')
  expect([...stronger.keys()]).not.toContain('receipt')
  expect([...stronger.keys()]).not.toContain('attempts')
})

describe('every capability of the port', () => {
  test('is known to refuse something, and refuses it by its name; or to refuse nothing', async () => {
    expect(Object.keys(refusedWithout).sort()).toEqual(Object.keys(able.own).sort())
    const { id } = await subscribe(client, topic)
    await client.put(`/v1/topics/${topic}/groups/g`)
    const asks = refusedAsks(topic, id)
    const refusing = Object.entries(refusedWithout).filter(([, need]) => need !== 'declared')
    expect([...asks.keys()].sort()).toEqual(refusing.map(([name]) => name).sort())
    for (const [name, need] of refusing) {
      if (name === 'receipt' || need === 'declared') continue
      const capability = name as CapabilityName
      expect(expectation(said({ publishDelayMs: 0, atomicPublishMax: 0 }), [need])).toEqual({
        works: false,
        capability,
      })
      for (const ask of asks.get(capability)!) await client.refused(capability, ask)
    }
  })
})

describe('a step fails', () => {
  const never = () => Promise.reject(new Error('It was to be refused.'))
  const events = () => `/v1/topics/${topic}/events`
  const read = () => ({ method: 'GET', target: events() })
  const works = async () => void (await client.get(events()))
  const same = async () => 'the same'

  test('where what the broker has is refused', async () => {
    await expect(step(client, said({ replay: true }), [replay], [read()], same, works)).rejects.toThrow(
      /do not explain/,
    )
    await step(client, able, [replay], [read()], same, never)
  })

  test('where what the broker lacks is accepted', async () => {
    const body = JSON.stringify([cloudEvent('a')])
    const target = `${events()}?atomic=true`
    const ask = { method: 'POST', target, body, headers: { 'content-type': batchType } }
    await expect(step(client, said({ atomicPublishMax: 0 }), [atomicOf(1)], [ask], same, never)).rejects.toThrow(
      /refused for atomicPublishMax, and is 200/,
    )
  })

  test('where another capability is named than the one that lacks', async () => {
    const asks = [{ method: 'POST', target: `${events()}?delay=2s`, body: '1' }]
    await expect(step(client, able, [replay], asks, same, never)).rejects.toThrow(/refused for replay, and is 501/)
  })

  test('where what was refused changed something', async () => {
    let looks = 0
    await expect(step(client, able, [replay], [read()], async () => ++looks, never)).rejects.toThrow()
  })

  test('where a stream, or one of many results, is refused', async () => {
    const sse = { headers: { accept: 'text/event-stream' } }
    await expect(client.stream('GET', events(), sse)).rejects.toThrow(/do not explain/)
    await expect(client.structured(topic, cloudEvent('a'), '?delay=2s')).rejects.toThrow(/do not explain/)
  })
})
