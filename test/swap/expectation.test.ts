import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { batchType, cloudEvent } from '../http/events.ts'
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
import { type Ask, WatchedClient } from './watched-client.ts'

// The suite's own judgement: what it lets pass must be what the capabilities say.

const weak = {
  receipt: 'portable',
  groups: 'one',
  replay: false,
  publishDelayMs: 1000,
  atomicPublishMax: 2,
  seek: false,
  reject: false,
  extend: false,
  nackDelayMs: 0,
  exclusiveKeys: false,
} as const

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
  gateway = await startTestGateway({ capabilities: weak })
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

/** What is refused where a capability lacks altogether: a request, right or wrong, for each. */
function asksFor(name: string): Readonly<Partial<Record<CapabilityName, Ask>>> {
  const at = `/v1/topics/${name}`
  const events = `${at}/events`
  const settle = (json: object): Ask => {
    return { method: 'POST', target: `${at}/groups/g/settle`, json: { settlements: [{ lease: 'x', ...json }] } }
  }
  const url = 'https://hooks.example.com/'
  return {
    replay: { method: 'GET', target: `${events}?bogus=1` },
    publishDelayMs: { method: 'POST', target: `${events}?delay=2s&bogus=1`, body: '1' },
    atomicPublishMax: {
      method: 'POST',
      target: `${events}?atomic=true`,
      body: JSON.stringify(['a', 'b', 'c'].map((id) => cloudEvent(id))),
      headers: { 'content-type': batchType },
    },
    receipt: { method: 'POST', target: `${at}/groups/g/pull`, json: { bogus: 1 } },
    seek: { method: 'POST', target: `${at}/groups/g/seek`, json: { bogus: 1 } },
    reject: settle({ outcome: 'reject' }),
    extend: settle({ outcome: 'extend' }),
    nackDelayMs: settle({ outcome: 'nack', delay: '1s' }),
    groups: { method: 'PUT', target: `${at}/groups/another`, json: { bogus: 1 } },
    exclusiveKeys: {
      method: 'POST',
      target: '/v1/subscriptions',
      json: { topic: name, url, ordering: 'key', bogus: 1 },
    },
  }
}

describe('every capability of the port', () => {
  const refusing = Object.entries(refusedWithout).flatMap(([name, need]) => (need === 'declared' ? [] : [name]))

  test('is known to refuse something, and refuses it by its name; or to refuse nothing', async () => {
    expect(Object.keys(refusedWithout).sort()).toEqual(Object.keys(able.own).sort())
    expect(Object.keys(asksFor(topic)).sort()).toEqual(refusing.sort())
    await client.put(`/v1/topics/${topic}/groups/g`)
    for (const [name, ask] of Object.entries(asksFor(topic))) {
      if (name !== 'receipt') await client.refused(name as CapabilityName, ask)
    }
    const session = await startTestGateway({ capabilities: { receipt: 'session' } })
    const other = await session.topic()
    await new WatchedClient(session.client.url).refused('receipt', asksFor(other).receipt!).finally(session.stop)
  })

  test('refuses nothing where the broker has it', async () => {
    const strong = await startTestGateway()
    try {
      const one = new WatchedClient(strong.client.url)
      const name = await strong.topic()
      await one.put(`/v1/topics/${name}/groups/g`)
      for (const ask of Object.values(asksFor(name))) {
        expect((await one.request(ask.method, ask.target, ask)).status, ask.target).not.toBe(501)
      }
    } finally {
      await strong.stop()
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
