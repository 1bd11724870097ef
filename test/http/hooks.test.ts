import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/core/errors.ts'
import type { HookProvider } from '../../src/core/hook.ts'
import type { CheckedAnswer, Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { bodyHash, type Signing, signers } from '../fixtures/hook-signatures.ts'
import { gate, until } from './events.ts'

const secret = 'hook secret'
const standardSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const twilioUrl = 'https://hooks.example.com/v1/hooks/twilio'
const names = ['github', 'stripe', 'slack', 'shopify', 'twilio', 'standard'] as const

let gateway: TestGateway
beforeAll(async () => {
  const hooks = Object.fromEntries(
    names.map((provider) => [
      provider,
      {
        provider,
        topic: `from-${provider}`,
        secret: provider === 'standard' ? standardSecret : secret,
        ...(provider === 'twilio' && { url: twilioUrl }),
      },
    ]),
  )
  gateway = await startTestGateway({
    keys: { reader: { scopes: ['consume'] } },
    limits: { publishDeadline: '2s' },
    publicMetrics: true,
    hooks: {
      ...hooks,
      mapped: {
        provider: 'stripe',
        topic: 'mapped',
        secrets: ['the old one', secret],
        id: 'stripe-{data.id}',
        type: 'com.stripe.{data.type}.{header.x-part}',
        source: 'https://stripe.example/{data.account}',
        subject: '{data.data.object.id}',
        key: '{data.data.object.customer}',
      },
      content: { provider: 'github', topic: 'content', secret, id: '{signature}' },
      second: { provider: 'github', topic: 'second', secret },
    },
  })
})
afterEach(() => gateway.faults.clear())
afterAll(() => gateway.stop())

let made = 0
const newId = (): string => `id-${++made}`

type Sending = Partial<Signing> & {
  readonly headers?: Readonly<Record<string, string>>
  readonly query?: string
  readonly to?: Client
}

/** Sends what the provider would; without a key. */
function send(source: string, provider: HookProvider, sending: Sending = {}): Promise<CheckedAnswer> {
  const { body = '{"n": 1}', headers = {}, query = '', to = gateway.client, ...signing } = sending
  const url = twilioUrl + query
  const all = { secret: provider === 'standard' ? standardSecret : secret, body, url, ...signing }
  return to.request('POST', `/v1/hooks/${source}${query}`, {
    headers: { ...signers[provider](all), ...headers },
    body: typeof body === 'string' ? body : Uint8Array.from(body),
  })
}

interface Read {
  readonly id: string
  readonly [attribute: string]: unknown
}

async function eventsOf(topic: string): Promise<Read[]> {
  const answer = await gateway.as('reader').get(`/v1/topics/${topic}/events?from=earliest&limit=1000`)
  return answer.json<{ events: { event: Read }[] }>().events.map(({ event }) => event)
}

async function eventWith(topic: string, id: string): Promise<Read | undefined> {
  return (await eventsOf(topic)).find((event) => event.id === id)
}

describe('a webhook whose signature is right', () => {
  test('is an event of the topic by the time of its answer', async () => {
    const id = newId()
    const body = '{"ref": "refs/heads/main",  "n": 9007199254740993}'
    const answer = await send('github', 'github', { id, body })
    expect(answer.status).toBe(200)
    expect(answer.json()).toEqual({ id, status: 'stored', position: expect.any(String), topic: 'from-github' })
    const { position } = answer.json<{ position: string }>()
    const read = await gateway.as('reader').get(`/v1/topics/from-github/events/${position}`)
    expect(read.text).toContain(`"data":${body}`)
    expect(read.json<{ event: Read }>().event).toMatchObject({
      specversion: '1.0',
      id,
      source: '/hooks/github',
      type: 'com.github.push',
      datacontenttype: 'application/json',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
    })
  })

  test.each<[HookProvider, Sending & { body: string }, Record<string, unknown>]>([
    ['stripe', { body: '{"id":"evt_1","type":"charge.paid"}' }, { id: 'evt_1', type: 'com.stripe.charge.paid' }],
    [
      'slack',
      { body: '{"event_id":"Ev1","type":"event_callback","event":{"type":"message"}}' },
      { id: 'Ev1', type: 'com.slack.message' },
    ],
    ['shopify', { body: '{"id":7}', id: 'shop-1' }, { id: 'shop-1', type: 'com.shopify.orders/create' }],
    [
      'twilio',
      { body: 'MessageSid=SM1&MessageStatus=sent' },
      {
        id: expect.stringMatching(/^SM1-[0-9a-f]{64}$/),
        type: 'com.twilio.message.sent',
        data: 'MessageSid=SM1&MessageStatus=sent',
      },
    ],
    ['standard', { body: '{"type":"user.created"}', id: 'msg_7' }, { id: 'msg_7', type: 'user.created' }],
  ])('of %s has the id and type that the provider gave it', async (provider, sending, expected) => {
    const answer = await send(provider, provider, sending)
    expect(answer.status).toBe(200)
    const event = await eventWith(`from-${provider}`, answer.json<{ id: string }>().id)
    expect(event).toMatchObject({ source: `/hooks/${provider}`, ...expected })
    expect(event).not.toHaveProperty('subject')
    expect(event).not.toHaveProperty('partitionkey')
  })

  test('of Twilio, JSON by the hash in the address', async () => {
    const body = '{"CallSid":"CA1"}'
    const query = `?bodySHA256=${bodyHash(body)}`
    const answer = await send('twilio', 'twilio', { body, query })
    expect(answer.json()).toMatchObject({ id: expect.stringMatching(/^CA1-/), status: 'stored' })
    expect((await send('twilio', 'twilio', { body: '{}', query })).problem.code).toBe('unauthenticated')
  })

  test('of Slack, a challenge is answered once its signature is right, and is no event', async () => {
    const body = '{"type":"url_verification","challenge":"3eZbrw1a","token":"x"}'
    const answer = await send('slack', 'slack', { body })
    expect([answer.status, answer.json()]).toEqual([200, { challenge: '3eZbrw1a' }])
    expect((await send('slack', 'slack', { body, secret: 'another' })).status).toBe(401)
    expect((await eventsOf('from-slack')).some(({ type }) => String(type).includes('url_verification'))).toBe(false)
  })

  test('is never refused for its content', async () => {
    for (const [body, data] of [
      ['{"n": ', { data_base64: Buffer.from('{"n": ').toString('base64') }],
      ['\uFEFF{}', { data_base64: Buffer.from('\uFEFF{}').toString('base64') }],
      [Uint8Array.of(0x22, 0xff, 0x22), { data_base64: '/yIi' }],
      ['', {}],
    ] as const) {
      const id = newId()
      expect((await send('github', 'github', { id, body })).status).toBe(200)
      const event = await eventWith('from-github', id)
      expect(event?.id).toBe(id)
      if ('data_base64' in data && typeof body === 'string') expect(event).toMatchObject(data)
    }
  })

  test('may come with a key, and with a query that means nothing', async () => {
    expect((await send('github', 'github', { id: newId(), query: '?x=1' })).status).toBe(200)
    const keyed = { authorization: `Bearer ${gateway.keyText('reader')}` }
    expect((await send('github', 'github', { id: newId(), headers: keyed })).status).toBe(200)
  })
})

describe('attributes', () => {
  const body = (customer: string, type = 'charge.paid'): string =>
    `{"id":"${newId()}","type":"${type}","account":"acct_1","data":{"object":{"id":"ch_1","customer":${customer}}}}`

  test('come from the templates of the hook, and any of its secrets may sign', async () => {
    const given = body('"cus_1"')
    const answer = await send('mapped', 'stripe', { body: given, headers: { 'x-part': 'eu' }, secret: 'the old one' })
    expect(await eventWith('mapped', answer.json<{ id: string }>().id)).toMatchObject({
      id: `stripe-${(JSON.parse(given) as Read).id}`,
      type: 'com.stripe.charge.paid.eu',
      source: 'https://stripe.example/acct_1',
      subject: 'ch_1',
      partitionkey: 'cus_1',
    })
  })

  test('that a template cannot fill have their defaults, or are left out', async () => {
    const answer = await send('mapped', 'stripe', { body: body('null') })
    const event = await eventWith('mapped', answer.json<{ id: string }>().id)
    expect(event).toMatchObject({ type: 'com.stripe.charge.paid', subject: 'ch_1' })
    expect(event).not.toHaveProperty('partitionkey')
  })

  test('that no event may hold count as missing', async () => {
    const answer = await send('mapped', 'stripe', {
      body: body('"a\\u0007b"').replace('acct_1', 'not a uri'),
    })
    const event = await eventWith('mapped', answer.json<{ id: string }>().id)
    expect(event).toMatchObject({ source: '/hooks/mapped' })
    expect(event).not.toHaveProperty('partitionkey')
  })

  test('without an id of the provider, the signature is the id', async () => {
    const first = await send('stripe', 'stripe', { body: '{"no":"id"}' })
    expect(first.json<{ id: string }>().id).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('the same webhook again', () => {
  test.each<[HookProvider, () => Sending]>([
    ['github', () => ({ id: newId() })],
    ['shopify', () => ({ id: newId() })],
    ['twilio', () => ({ body: `CallSid=${newId()}` })],
    ['standard', () => ({ id: newId() })],
    ['stripe', () => ({ body: `{"id":"${newId()}"}` })],
    ['slack', () => ({ body: `{"event_id":"${newId()}"}` })],
  ])('of %s is not published twice, whatever the broker remembers', async (provider, make) => {
    const sending = make()
    const first = await send(provider, provider, sending)
    const timestamp = String(Math.floor(Date.now() / 1000) + 2)
    const again = await send(provider, provider, { ...sending, timestamp })
    expect(first.json()).not.toHaveProperty('duplicate')
    expect([again.status, again.json()]).toEqual([200, { ...first.json<object>(), duplicate: true }])
    expect(gateway.faults.published.length).toBe(1)
  })

  test('with another body is the same: retries count themselves', async () => {
    const id = newId()
    await send('stripe', 'stripe', { body: `{"id":"${id}","pending_webhooks":10}` })
    const again = await send('stripe', 'stripe', { body: `{"id":"${id}","pending_webhooks":1}` })
    expect(again.json()).toMatchObject({ id, duplicate: true })
  })

  test('of another source is another one', async () => {
    const id = newId()
    await send('github', 'github', { id })
    const other = await send('second', 'github', { id })
    expect(other.json()).toEqual({ id, status: 'stored', position: expect.any(String), topic: 'second' })
  })

  test('under another id that nobody signed is known by its signature, where the hook says so', async () => {
    const body = `{"n":"${newId()}"}`
    await send('content', 'github', { id: 'one', body })
    expect((await send('content', 'github', { id: 'two', body })).json()).toHaveProperty('duplicate', true)
    expect(gateway.faults.published.length).toBe(1)
  })

  test('while the first one is still under way is a conflict, and is stored once', async () => {
    const id = newId()
    const { closed, open } = gate()
    gateway.faults.hold = closed
    const first = send('github', 'github', { id })
    await until(() => gateway.faults.published.length === 1)
    expect((await send('github', 'github', { id })).problem.code).toBe('conflict')
    open()
    expect((await first).status).toBe(200)
    expect((await send('github', 'github', { id })).json()).toHaveProperty('duplicate', true)
  })

  test('a day later is forgotten', async () => {
    const id = newId()
    await send('github', 'github', { id })
    gateway.clock.advance(24 * 3_600_000 + 1)
    await send('github', 'github', { id })
    expect(gateway.faults.published.length).toBe(2)
    gateway.clock.advance(-24 * 3_600_000 - 1)
  })
})

describe('where the broker does not acknowledge', () => {
  test('a failure is told, and the retry is taken', async () => {
    const id = newId()
    gateway.faults.items.set(id, { status: 'failed', code: 'unavailable' })
    const failed = await send('github', 'github', { id })
    expect([failed.status, failed.problem.code]).toEqual([503, 'unavailable'])
    gateway.faults.clear()
    expect((await send('github', 'github', { id })).json()).toMatchObject({ id, status: 'stored' })
  })

  test('an unknown outcome is not remembered as done', async () => {
    const id = newId()
    gateway.faults.lost = new GatewayError('unknown_outcome', 'The answer was lost.')
    const lost = await send('github', 'github', { id })
    expect([lost.status, lost.problem.code]).toEqual([504, 'unknown_outcome'])
    expect(lost.problem.results).toMatchObject([{ id, status: 'unknown' }])
    gateway.faults.clear()
    const again = await send('github', 'github', { id })
    expect(again.json()).toMatchObject({ id, status: 'stored' })
    expect(gateway.faults.published.length).toBe(1)
  })
})

test('what there is no room for is refused, and the retry is taken', async () => {
  const hooks = { github: { provider: 'github', topic: 'events', secret } }
  const own = await startTestGateway({ limits: { queueBytes: '1MiB' }, hooks })
  try {
    const { closed, open } = gate()
    own.faults.hold = closed
    const body = JSON.stringify('x'.repeat(700_000))
    const refused: string[] = []
    const sent = Array.from({ length: 12 }, async () => {
      const id = newId()
      const { status } = await send('github', 'github', { id, body, to: own.client })
      if (status === 429) refused.push(id)
    })
    await until(() => refused.length > 0)
    open()
    await Promise.all(sent)
    const again = await send('github', 'github', { id: refused[0]!, body, to: own.client })
    expect(again.json()).toEqual({ id: refused[0], status: 'stored', position: expect.any(String), topic: 'events' })
  } finally {
    await own.stop()
  }
})

describe('what is refused', () => {
  test('a wrong signature, with a problem that says no more', async () => {
    const wrong = await send('github', 'github', { secret: 'another' })
    const missing = await gateway.client.request('POST', '/v1/hooks/github', { body: '{}' })
    for (const { status, problem } of [wrong, missing]) {
      expect([status, problem.code, problem.detail]).toEqual([401, 'unauthenticated', 'The signature is not valid.'])
    }
    expect(gateway.faults.published).toEqual([])
  })

  test.each(['stripe', 'slack', 'standard'] as const)('an old signature of %s', async (provider) => {
    const timestamp = String(Math.floor(Date.now() / 1000) - 302)
    expect((await send(provider, provider, { timestamp })).problem.code).toBe('unauthenticated')
  })

  test('what another hook would take', async () => {
    expect((await send('shopify', 'github')).status).toBe(401)
  })

  test('a source that is not configured, and one that every object has', async () => {
    for (const source of ['nobody', 'constructor', '__proto__', '%00']) {
      expect((await send(source, 'github')).problem.code).toBe('not_found')
    }
  })

  test('another method', async () => {
    const answer = await gateway.client.get('/v1/hooks/github')
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST'])
  })

  test('a body over the limit, and one that is compressed', async () => {
    const body = 'x'.repeat((1 << 20) + 1)
    expect((await send('github', 'github', { body })).problem.code).toBe('too_large')
    const zipped = await send('github', 'github', { headers: { 'content-encoding': 'gzip' } })
    expect(zipped.problem.code).toBe('unsupported_media_type')
  })

  test('a signature header that comes twice', async () => {
    const body = '{}'
    const headers = new Headers(signers.github({ secret, body }))
    headers.append('x-hub-signature-256', headers.get('x-hub-signature-256')!)
    expect((await fetch(`${gateway.url}/v1/hooks/github`, { method: 'POST', headers, body })).status).toBe(401)
  })
})

test('what comes in is counted by topic and outcome', async () => {
  const count = async (outcome: string): Promise<number> => {
    const { text } = await gateway.client.get('/metrics')
    const name = `sluice_events_published_total{topic="from-github",outcome="${outcome}"} `
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(name))
        ?.slice(name.length) ?? 0,
    )
  }
  const before = [await count('stored'), await count('duplicate')]
  const id = newId()
  await send('github', 'github', { id })
  await send('github', 'github', { id })
  expect([await count('stored'), await count('duplicate')]).toEqual([before[0]! + 1, before[1]! + 1])
})
