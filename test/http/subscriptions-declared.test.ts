import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/core/errors.ts'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { patch, path, type Shown, subscribe, url } from './subscriptions.ts'

let gateway: TestGateway
let client: Client
let topic: string
let name: string
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterAll(() => gateway.stop())
beforeEach(async () => {
  topic = await gateway.topic()
  name = `declared-${topic}`
})

async function named(wanted = name): Promise<Shown> {
  const { items } = (await client.get(path)).json<{ items: Shown[] }>()
  const found = items.find((item) => item.name === wanted)
  if (found === undefined) throw new Error(`There is no subscription ${wanted}.`)
  return found
}

async function refusal(subscriptions: readonly object[], of = gateway): Promise<GatewayError> {
  const error: unknown = await of.declare(subscriptions).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof GatewayError)) throw new Error(`It was not refused: ${String(error)}`)
  expect(error.code).toBe('misconfigured')
  return error
}

const secretOf = async (id: string) => (await gateway.store.subscriptions.get(id))?.secrets
const secret = (letter: string) => `whsec_${btoa(letter.repeat(32))}`

test('a declared subscription is made once, and left alone by the next start', async () => {
  gateway.webhooks.calls.length = 0
  const entry = { name, topic, url, filters: [{ exact: { type: 'a' } }], policy: { timeout: '3s' }, ordering: 'key' }
  await gateway.declare([entry])
  expect(gateway.webhooks.calls).toEqual([topic, 'changed'])
  const made = await named()
  expect(made).toMatchObject({ ...entry, policy: { timeout: '3s', concurrency: 16 }, declared: true, status: 'active' })
  const secrets = await secretOf(made.id)
  expect(secrets).toEqual([{ secret: expect.stringMatching(/^whsec_/) }])
  gateway.clock.advance(1000)
  await gateway.declare([entry])
  expect(await named()).toEqual(made)
  expect(await secretOf(made.id)).toEqual(secrets)
})

test('several starts at once make it once', async () => {
  const entry = { name, topic, url }
  await Promise.all([gateway.declare([entry]), gateway.declare([entry]), gateway.declare([entry])])
  const { items } = (await client.get(`${path}?topic=${topic}`)).json<{ items: Shown[] }>()
  expect(items).toHaveLength(1)
})

test('what changes in the configuration changes, and what is left out gets its default', async () => {
  await gateway.declare([{ name, topic, url, labels: { a: '1' }, auth: { bearer: 'b' }, policy: { concurrency: 2 } }])
  const before = await named()
  await gateway.declare([{ name, topic, url: `${url}/2`, mode: 'data' }])
  const after = await named()
  expect(after).toMatchObject({ id: before.id, url: `${url}/2`, mode: 'data', labels: {}, policy: { concurrency: 16 } })
  expect(after).not.toHaveProperty('auth')
})

test('a secret may be given; another one takes over from it', async () => {
  gateway.clock.hold()
  await gateway.declare([{ name, topic, url, secret: secret('a') }])
  const { id } = await named()
  expect(await secretOf(id)).toEqual([{ secret: secret('a') }])
  const until = gateway.clock.now() + 86_400_000
  await gateway.declare([{ name, topic, url, secret: secret('b') }])
  expect(await secretOf(id)).toEqual([{ secret: secret('b') }, { secret: secret('a'), until }])
  await gateway.declare([{ name, topic, url }])
  expect(await secretOf(id)).toEqual([{ secret: secret('b') }, { secret: secret('a'), until }])
})

describe('one that vanishes from the configuration', () => {
  test('is paused and says why, belongs to the API, and comes back', async () => {
    await gateway.declare([{ name, topic, url }])
    const { id } = await named()
    await gateway.declare([])
    expect(await named()).toMatchObject({
      id,
      status: 'paused',
      reason: expect.stringContaining('configuration'),
      declared: false,
    })
    await gateway.declare([{ name, topic, url }])
    const back = await named()
    expect(back).toMatchObject({ id, status: 'active', declared: true })
    expect(back).not.toHaveProperty('reason')
    await gateway.declare([])
    expect((await client.delete(`${path}/${id}`)).status).toBe(204)
  })

  test('stays paused where a user had paused it', async () => {
    await gateway.declare([{ name, topic, url }])
    const { id } = await named()
    await client.post(`${path}/${id}/pause`, {})
    await gateway.declare([])
    await gateway.declare([{ name, topic, url }])
    expect(await named()).toMatchObject({ id, status: 'paused', declared: true })
  })

  test('leaves those alone that the API made', async () => {
    const { id } = await subscribe(client, topic, { name })
    await gateway.declare([])
    expect(await named()).toMatchObject({ id, status: 'active' })
  })
})

test('one of the API with that name is taken over', async () => {
  const { id } = await subscribe(client, topic, { name, labels: { a: '1' } })
  await gateway.declare([{ name, topic, url }])
  expect(await named()).toMatchObject({ id, declared: true, labels: {} })
})

test('the API changes and deletes none that is declared, and pauses, resumes and tests it', async () => {
  await gateway.declare([{ name, topic, url }])
  const { id } = await named()
  for (const answer of [await patch(client, id, { labels: {} }), await client.delete(`${path}/${id}`)]) {
    expect(answer.problem).toMatchObject({ code: 'conflict', detail: expect.stringContaining(name) })
  }
  expect((await client.post(`${path}/${id}/pause`, {})).json()).toMatchObject({ status: 'paused' })
  await gateway.declare([{ name, topic, url }])
  expect(await named()).toMatchObject({ status: 'paused' })
  expect((await client.post(`${path}/${id}/resume`, {})).json()).toMatchObject({ status: 'active' })
  expect((await client.post(`${path}/${id}/test`, {})).json()).toMatchObject({ ok: true })
})

describe('a start is refused', () => {
  test.each<[string, object, string]>([
    ['an unknown field', { bogus: 1 }, 'subscriptions[0].bogus: there is no such field'],
    ['a name with capitals', { name: 'Big' }, 'subscriptions[0].name: must be lower-case'],
    ['a wrong filter', { filters: [{ exact: {} }] }, 'subscriptions[0].filters[0].exact: must not be empty'],
    ['a wrong policy', { policy: { concurrency: 0 } }, 'subscriptions[0].policy.concurrency'],
    ['a header of the gateway', { headers: { 'webhook-id': 'x' } }, 'subscriptions[0].headers.webhook-id'],
    ['a short secret', { secret: 'whsec_YQ==' }, 'subscriptions[0].secret'],
    ['a forbidden network', { url: 'http://forbidden' }, 'subscriptions[0].url'],
    ['an unknown start', { start: 'soon' }, 'subscriptions[0].start'],
  ])('for %s, by its place', async (_, fields, expected) => {
    expect((await refusal([{ name, topic, url, ...fields }])).message).toContain(expected)
  })

  test('for a topic that is not declared, and for another topic than before, by name', async () => {
    await gateway.declare([{ name, topic, url }])
    const other = await gateway.topic()
    const { message } = await refusal([
      { name, topic: other, url },
      { name: `${name}-2`, topic: 'nowhere', url },
    ])
    expect(message.split('\n')).toEqual([
      expect.stringMatching(new RegExp(`^Subscription ${name}-2: there is no topic nowhere`)),
      expect.stringMatching(new RegExp(`^Subscription ${name}: it is one of topic ${topic}`)),
    ])
    expect(await named()).toMatchObject({ topic, status: 'active' })
  })

  test('for what the broker lacks, naming topic, broker and capability, and nothing is changed', async () => {
    const weak = await startTestGateway({ capabilities: { exclusiveKeys: false, replay: false } })
    try {
      const there = await weak.topic()
      const { message } = await refusal(
        [
          { name: 'fine', topic: there, url },
          { name: 'ordered', topic: there, url, ordering: 'key' },
          { name: 'early', topic: there, url, start: 'earliest' },
        ],
        weak,
      )
      expect(message).toContain(
        `Subscription ordered on topic ${there}, broker main: ordering: key requires capability exclusiveKeys`,
      )
      expect(message).toContain(
        `Subscription early on topic ${there}, broker main: start: earliest requires capability replay`,
      )
      expect((await weak.store.subscriptions.load()).subscriptions).toEqual([])
    } finally {
      await weak.stop()
    }
  })

  test('without telling a secret', async () => {
    const { message } = await refusal([{ name, topic, url, secret: 'hunter2', auth: { bearer: 'hunter2\n' } }])
    expect(message).not.toContain('hunter2')
  })
})
