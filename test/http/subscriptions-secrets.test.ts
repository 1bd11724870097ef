import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { CheckedAnswer, Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { patch, path, pointers, type Shown, subscribe, url } from './subscriptions.ts'

const day = 86_400_000
const canary = 'c4n4ry'
const certificate = `-----BEGIN CERTIFICATE-----\n${canary}\n-----END CERTIFICATE-----`
const key = `-----BEGIN RSA PRIVATE KEY-----\n${canary}\n-----END RSA PRIVATE KEY-----`

let gateway: TestGateway
let client: Client
let topic: string
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterAll(() => gateway.stop())
beforeEach(async () => {
  topic = await gateway.topic()
})

describe('no answer holds a secret', () => {
  test.each([
    ['bearer', { bearer: canary }],
    ['basic', { basic: { user: `${canary}-user`, password: canary } }],
    ['oauth2', { oauth2: { tokenUrl: 'https://id.example.com', clientId: canary, clientSecret: canary } }],
    ['mtls', { mtls: { cert: certificate, key } }],
  ])('with %s', async (kind, auth) => {
    const headers = {
      ...(kind === 'mtls' && { Authorization: canary }),
      Cookie: canary,
      'X-Api-Key': canary,
      'X-Auth-TOKEN': canary,
      'X-Shared-Secret': canary,
      'X-Tenant': 'blue',
    }
    const created = await client.post(path, { topic, url, auth, headers })
    expect(created.json<Shown>()).toMatchObject({
      auth: { kind },
      headers: { Cookie: '[redacted]', 'X-Tenant': 'blue' },
    })
    const { id, secret = '' } = created.json<Shown>()
    const answers: CheckedAnswer[] = [
      await client.get(`${path}/${id}`),
      await client.get(`${path}?topic=${topic}`),
      await patch(client, id, { labels: { a: '1' } }),
      await patch(client, id, { url: 'nonsense' }),
      await client.post(`${path}/${id}/pause`, {}),
      await client.post(`${path}/${id}/resume`, {}),
      await client.post(`${path}/${id}/test`, {}),
      await client.get(`/v1/topics/${topic}`),
    ]
    for (const { method, target, text } of answers) {
      expect(text, `${method} ${target}`).not.toContain(secret.slice(6))
      expect(text, `${method} ${target}`).not.toContain(canary)
    }
    expect(created.text).not.toContain(canary)
    expect(gateway.logged.join('\n')).not.toContain(canary)
    // Nothing was lost by not being shown.
    expect(await gateway.store.subscriptions.get(id)).toMatchObject({ auth, headers, secrets: [{ secret }] })
  })

  test('nor does a refusal', async () => {
    for (const fields of [
      { secret: `whsec_${canary}` },
      { auth: { bearer: `${canary}\n` } },
      { auth: { basic: { user: `${canary}:`, password: canary } } },
      { auth: { mtls: { cert: certificate, key: canary } } },
      { auth: { oauth2: { tokenUrl: url, clientId: '', clientSecret: canary } } },
      { headers: { 'X-Api-Key': `${canary}\r\n` } },
    ]) {
      const { problem, text } = await client.post(path, { topic, url, ...fields })
      expect(problem.code).toBe('invalid_argument')
      expect(text).not.toContain(canary)
    }
  })
})

describe('rotating', () => {
  const rotate = async (id: string, body: object = {}) => client.post(`${path}/${id}/rotate-secret`, body)
  const stored = async (id: string) => (await gateway.store.subscriptions.get(id))?.secrets

  test('tells the new secret once, and the old one signs for a day', async () => {
    const { id, secret: first } = await subscribe(client, topic)
    gateway.clock.hold()
    const answer = (await rotate(id)).json<Shown>()
    const until = gateway.clock.now() + day
    expect(answer.secret).toMatch(/^whsec_/)
    expect(answer.secret).not.toBe(first)
    expect(answer.signing).toEqual([{}, { until: new Date(until).toISOString() }])
    expect(await stored(id)).toEqual([{ secret: answer.secret }, { secret: first, until }])
    gateway.clock.advance(day)
    expect((await client.get(`${path}/${id}`)).json()).toMatchObject({ signing: [{}] })
  })

  test('the grace is given, and never prolongs what ends before', async () => {
    const { id, secret: first } = await subscribe(client, topic)
    gateway.clock.hold()
    const now = gateway.clock.now()
    const second = (await rotate(id, { grace: '1h' })).json<Shown>().secret
    const third = (await rotate(id, { grace: '2h' })).json<Shown>().secret
    expect(await stored(id)).toEqual([
      { secret: third },
      { secret: second, until: now + 7_200_000 },
      { secret: first, until: now + 3_600_000 },
    ])
    const fourth = (await rotate(id, { grace: '0s' })).json<Shown>().secret
    expect(await stored(id)).toEqual([{ secret: fourth }])
  })

  test('takes a secret of the caller, once', async () => {
    const { id } = await subscribe(client, topic)
    const secret = `whsec_${btoa('k'.repeat(32))}`
    expect((await rotate(id, { secret })).json()).toMatchObject({ secret })
    expect(pointers(await rotate(id, { secret }))).toEqual(['/secret'])
    expect(pointers(await rotate(id, { secret: 'whsec_short' }))).toEqual(['/secret'])
    expect(pointers(await rotate(id, { grace: '31d', bogus: 1 }))).toEqual(['/grace', '/bogus'])
  })

  test('only a handful sign at once', async () => {
    const { id } = await subscribe(client, topic)
    for (let i = 0; i < 4; i++) expect((await rotate(id)).status).toBe(200)
    expect((await rotate(id)).problem.code).toBe('conflict')
    expect((await rotate(id, { grace: '0s' })).json()).toMatchObject({ signing: [{}] })
  })
})
