import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent, structuredType } from './events.ts'
import { type Ask, lacking, refusedAsks } from './lacks.ts'
import { subscribe } from './subscriptions.ts'

const keys = {
  all: { scopes: ['publish', 'consume', 'subscribe'] },
  // Sees every topic, and may do nothing of this.
  admin: { scopes: ['admin'] },
  elsewhere: { scopes: ['publish:x.*', 'consume:x.*', 'subscribe:x.*'] },
}

describe('who asks comes before what is asked, and what the broker cannot do before what is wrong', () => {
  let weak: TestGateway
  let session: TestGateway
  let topic: string
  const asks: { readonly of: () => TestGateway; readonly capability: string; readonly ask: Ask }[] = []
  beforeAll(async () => {
    weak = await startTestGateway({ keys, capabilities: lacking })
    session = await startTestGateway({ keys, capabilities: { receipt: 'session' } })
    topic = await weak.topic()
    const { id } = await subscribe(weak.as('all'), topic)
    await weak.as('all').put(`/v1/topics/${topic}/groups/g`)
    for (const [capability, some] of refusedAsks(topic, id)) {
      const of = () => (capability === 'receipt' ? session : weak)
      for (const ask of some) asks.push({ of, capability, ask })
    }
    await session.topic({}, topic)
  })
  afterAll(() => Promise.all([weak.stop(), session.stop()]))

  test('401, 404, 403, 501, which says where what lacks', async () => {
    expect(asks.length).toBeGreaterThan(15)
    for (const { of, capability, ask } of asks) {
      const { method, target } = ask
      const what = `${capability}: ${method} ${target}`
      expect((await of().client.request(method, target, ask)).status, what).toBe(401)
      expect((await of().as('elsewhere').request(method, target, ask)).status, what).toBe(404)
      expect((await of().as('admin').request(method, target, ask)).status, what).toBe(403)
      const refused = await of().as('all').request(method, target, ask)
      expect([refused.status, refused.problem.capability], what).toEqual([501, capability])
      const who = `Topic ${topic} on broker main (embedded), capability ${capability}: `
      expect(refused.problem.detail.slice(0, who.length), what).toBe(who)
    }
  })

  test('400 where nothing lacks', async () => {
    const strong = await startTestGateway()
    try {
      const topic = await strong.topic()
      const { id } = await subscribe(strong.client, topic)
      await strong.client.put(`/v1/topics/${topic}/groups/g`)
      await strong.client.structured(topic, cloudEvent('a'))
      for (const ask of [...refusedAsks(topic, id).values()].flat()) {
        const { method, target, json } = ask
        const answer = await strong.client.request(method, target, ask)
        const isRight = target.endsWith('?atomic=true') || target === '/v1/tickets'
        expect(answer.status, `${method} ${target} ${JSON.stringify(json)}`).toBe(isRight ? 200 : 400)
      }
    } finally {
      await strong.stop()
    }
  })
})

test('no delay and not atomic ask for nothing', async () => {
  const weak = await startTestGateway({ capabilities: { publishDelayMs: 0, atomicPublishMax: 0 } })
  try {
    const topic = await weak.topic()
    const query = '?delay=0s&atomic=false'
    const event = JSON.stringify(cloudEvent('a'))
    expect((await weak.client.publish(topic, event, structuredType, { query })).status).toBe(200)
    for (const wanted of ['?delay=1s', '?atomic=true']) {
      expect((await weak.client.publish('nowhere', event, structuredType, { query: wanted })).status).toBe(404)
    }
  } finally {
    await weak.stop()
  }
})

test('a group that is not there comes before what its broker cannot do and what is wrong', async () => {
  const [weak, strong] = await Promise.all([startTestGateway({ capabilities: lacking }), startTestGateway()])
  try {
    for (const { topic: make, client } of [weak, strong]) {
      const topic = await make()
      const group = `/v1/topics/${topic}/groups/none`
      const settlements = (item: object) => ({ settlements: [{ lease: 'x', ...item }] })
      const asks: readonly (readonly [string, string, unknown?])[] = [
        ['GET', '?bogus=1'],
        ['DELETE', '?bogus=1'],
        ['POST', '/seek', { to: 'latest' }],
        ['POST', '/seek', { bogus: 1 }],
        ['POST', '/pull', { bogus: 1 }],
        ['POST', '/settle', settlements({ outcome: 'extend' })],
        ['POST', '/settle', settlements({ outcome: 'drop' })],
        ['GET', '/dead?limit=0'],
        ['POST', '/dead/redrive', {}],
        ['DELETE', '/dead/x?bogus=1'],
      ]
      for (const [method, rest, json] of asks) {
        const answer = await client.request(method, `${group}${rest}`, json === undefined ? {} : { json })
        expect(answer.problem.code, `${method} ${rest} ${JSON.stringify(json)}`).toBe('not_found')
      }
    }
  } finally {
    await Promise.all([weak.stop(), strong.stop()])
  }
})

test('a group whose name is wrong says so to those only who may ask', async () => {
  const gateway = await startTestGateway({ keys })
  try {
    const topic = await gateway.topic()
    for (const [method, rest] of [
      ['PUT', 'BAD'],
      ['GET', 'BAD'],
      ['GET', 'BAD/dead'],
      ['POST', 'sluice.own/pull'],
      ['GET', 'sluice.bridge.BAD/dead'],
    ] as const) {
      const status = async (key: keyof typeof keys, at: string) =>
        (await gateway.as(key).request(method, `/v1/topics/${at}/groups/${rest}`)).status
      const statuses = [await status('all', 'nowhere'), await status('elsewhere', topic), await status('admin', topic)]
      expect([...statuses, await status('all', topic)], `${method} ${rest}`).toEqual([404, 404, 403, 400])
    }
  } finally {
    await gateway.stop()
  }
})
