import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EndpointAuth } from '../../src/core/subscription.ts'
import { checkAuth } from '../../src/webhook/auth.ts'
import { run } from '../brokers/services/run.ts'
import { needOpenssl } from '../brokers/services/tool.ts'
import { answer, hang, type ReceivedRequest, type Receiver, reset, type Script } from './receiver.ts'
import { diallerTo, newReceiver, newSender, send, subscriptionOf } from './sending.ts'

const canary = 'canary-5d41402abc4b2a76'

describe('a header', () => {
  test('bearer', async () => {
    const receiver = await newReceiver()
    await send(newSender(), subscriptionOf(receiver.url, { auth: { bearer: canary } }))
    expect(receiver.requests[0]!.headers.authorization).toBe(`Bearer ${canary}`)
  })

  test('basic, in UTF-8', async () => {
    const receiver = await newReceiver()
    await send(newSender(), subscriptionOf(receiver.url, { auth: { basic: { user: 'ü', password: 'a:b' } } }))
    const expected = `Basic ${Buffer.from('ü:a:b').toString('base64')}`
    expect(receiver.requests[0]!.headers.authorization).toBe(expected)
  })

  test.each<[EndpointAuth, string]>([
    [{ bearer: '' }, '/auth/bearer'],
    [{ bearer: `${canary} x` }, '/auth/bearer'],
    [{ bearer: `${canary}\r\nx: y` }, '/auth/bearer'],
    [{ basic: { user: 'a:b', password: canary } }, '/auth/basic/user'],
    [{ basic: { user: 'a\n', password: canary } }, '/auth/basic/user'],
    [{ basic: { user: 'a', password: `${canary}\0` } }, '/auth/basic/password'],
    [{ oauth2: { tokenUrl: 'https://a/', clientId: '', clientSecret: canary } }, '/auth/oauth2/clientId'],
    [{ mtls: { cert: canary, key: '-----BEGIN PRIVATE KEY-----' } }, '/auth/mtls/cert'],
    [{ mtls: { cert: '-----BEGIN CERTIFICATE-----', key: canary } }, '/auth/mtls/key'],
  ])('%j is refused where it stands', (auth, pointer) => {
    let refused: unknown
    try {
      checkAuth(auth, '/auth')
    } catch (error) {
      refused = error
    }
    expect(refused).toMatchObject({ code: 'invalid_argument', errors: [{ pointer }] })
    expect((refused as Error).message).not.toContain(canary)
  })
})

describe('OAuth 2 client credentials', () => {
  const tokens =
    (expiresIn: number | undefined, made: string[] = []): Script =>
    (_, response) => {
      const token = `${canary}-token-${made.length + 1}`
      made.push(token)
      const body = {
        access_token: token,
        token_type: 'bearer',
        ...(expiresIn !== undefined && { expires_in: expiresIn }),
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }

  const oauth = (server: Receiver, more: { scope?: string; clientSecret?: string } = {}): EndpointAuth => ({
    oauth2: { tokenUrl: `${server.url}/token`, clientId: 'id', clientSecret: canary, ...more },
  })

  const bearers = (requests: readonly ReceivedRequest[]) => requests.map(({ headers }) => headers.authorization)

  test('a token is asked for as RFC 6749 says, once for many attempts and snapshots', async () => {
    const [server, receiver] = [await newReceiver(), await newReceiver()]
    server.script = tokens(3600)
    const sender = newSender()
    const auth = oauth(server, { scope: 'a b', clientSecret: 's%:ö &' })
    const subscription = subscriptionOf(receiver.url, { auth })
    const results = await Promise.all(Array.from({ length: 10 }, () => send(sender, subscription)))
    results.push(await send(sender, { ...subscription }))
    for (const result of results) expect(result).toMatchObject({ status: 200 })
    expect(server.requests).toHaveLength(1)
    const { headers, body, method } = server.requests[0]!
    expect(method).toBe('POST')
    expect(headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${Buffer.from('id:s%25%3A%C3%B6+%26').toString('base64')}`,
    })
    expect(body.toString()).toBe('grant_type=client_credentials&scope=a+b')
    expect(new Set(bearers(receiver.requests))).toEqual(new Set([`Bearer ${canary}-token-1`]))
  })

  test('a new one is asked for shortly before it ends', async () => {
    let now = Date.now()
    const [server, receiver] = [await newReceiver(), await newReceiver()]
    server.script = tokens(100)
    const sender = newSender({ clock: { now: () => now, random: () => {} } })
    const subscription = subscriptionOf(receiver.url, { auth: oauth(server) })
    await send(sender, subscription)
    now += 89_000
    await send(sender, subscription)
    expect(server.requests).toHaveLength(1)
    now += 2000
    await send(sender, subscription)
    expect(server.requests).toHaveLength(2)
  })

  test('one that the endpoint refuses is replaced, once an attempt', async () => {
    const [server, receiver] = [await newReceiver(), await newReceiver()]
    server.script = tokens(3600)
    const good = (n: number) => `Bearer ${canary}-token-${n}`
    let accepted = good(2)
    receiver.script = ({ headers }, response) =>
      response.writeHead(headers.authorization === accepted ? 200 : 401).end()
    const sender = newSender()
    const subscription = subscriptionOf(receiver.url, { auth: oauth(server) })
    expect(await send(sender, subscription)).toMatchObject({ status: 200 })
    expect(await send(sender, subscription)).toMatchObject({ status: 200 })
    expect(bearers(receiver.requests)).toEqual([good(1), good(2), good(2)])
    accepted = 'none'
    expect(await send(sender, subscription)).toMatchObject({ status: 401, stage: 'response' })
    expect(bearers(receiver.requests).slice(3)).toEqual([good(2), good(3)])
    expect(server.requests).toHaveLength(3)
  })

  const failures: readonly [string, Script, RegExp][] = [
    ['refuses', answer({ status: 401, body: '{"error":"invalid_client"}' }), /answered 401: invalid_client/],
    ['says what it was told', answer({ status: 400, body: `{"error":"${canary}"}` }), /answered 400\./],
    ['redirects', answer({ status: 302, headers: { location: 'http://169.254.169.254/' } }), /answered 302/],
    ['answers with no JSON', answer({ body: canary }), /without a token/],
    ['answers with null', answer({ body: 'null' }), /without a token/],
    ['answers with a line break', answer({ body: '{"access_token":"a\\r\\nb"}' }), /without a token/],
    ['answers with another type', answer({ body: '{"access_token":"a","token_type":"mac"}' }), /another type/],
    ['answers with too much', answer({ body: `{"access_token":"${'a'.repeat(100_000)}"}` }), /without a token/],
    ['never answers', hang, /did not answer in time/],
    ['resets', reset, /was reset/],
  ]
  test.each(failures)('a server that %s', async (_, script, says) => {
    const [server, receiver] = [await newReceiver(), await newReceiver()]
    server.script = script
    const sender = newSender()
    const subscription = subscriptionOf(receiver.url, { auth: oauth(server), timeoutMs: 300 })
    const result = await send(sender, subscription)
    expect(result).toMatchObject({ stage: 'auth', error: expect.stringMatching(says) })
    expect(JSON.stringify(result)).not.toContain(canary)
    expect(receiver.requests).toHaveLength(0)
  })

  test.each([
    'http://169.254.169.254/token',
    'http://2130706433/',
    'http://inside.example/token',
    'file:///etc/passwd',
  ])('the guard holds for a token URL: %s', async (tokenUrl) => {
    const receiver = await newReceiver()
    const { dialled, dialler } = diallerTo(receiver.port)
    const resolver = async (host: string) => [host === 'inside.example' ? '10.0.0.1' : '8.8.8.8']
    const sender = newSender({ allowLoopback: false, dialler, resolver })
    const auth = { oauth2: { tokenUrl, clientId: 'id', clientSecret: canary } }
    const result = await send(sender, subscriptionOf('http://public.example/', { auth }))
    expect(result).toMatchObject({ stage: 'auth' })
    expect(dialled).toEqual([])
  })

  test('an abort ends the wait for a token', async () => {
    const [server, receiver] = [await newReceiver(), await newReceiver()]
    server.script = hang
    const abort = new AbortController()
    const result = send(newSender(), subscriptionOf(receiver.url, { auth: oauth(server) }), {}, abort.signal)
    await server.received(1)
    abort.abort()
    expect(await result).toMatchObject({ stage: 'gateway' })
  })

  test('an endpoint that sends a token back does not put it on record', async () => {
    const [server, receiver] = [await newReceiver(), await newReceiver()]
    const made: string[] = []
    server.script = tokens(3600, made)
    receiver.script = ({ headers }, response) =>
      response.writeHead(500).end(`${'x'.repeat(1000)}${headers.authorization}`)
    const result = await send(newSender(), subscriptionOf(receiver.url, { auth: oauth(server) }))
    expect(result.body).toMatch(/^x{1000}Bearer \*+$/)
  })
})

describe('secrets', () => {
  const ways: readonly [string, EndpointAuth | undefined, Record<string, string>][] = [
    ['bearer', { bearer: canary }, {}],
    ['basic', { basic: { user: 'u', password: canary } }, {}],
    ['a header', undefined, { 'X-Api-Key': canary }],
  ]
  const echo: Script = (request, response) => {
    const { authorization = '' } = request.headers
    const decoded = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString('latin1')
    response.writeHead(500).end([JSON.stringify(request.headers), decoded, 'x'.repeat(700), authorization].join(' '))
  }
  test.each(ways)('that an endpoint sends back are not on record: %s', async (_, auth, headers) => {
    const receiver = await newReceiver()
    receiver.script = echo
    const subscription = subscriptionOf(receiver.url, { headers, ...(auth && { auth }) })
    const sender = newSender()
    const results = [await send(sender, subscription)]
    for (const script of [reset, hang, answer({ status: 302, headers: { location: canary } })]) {
      receiver.script = script
      const quick = { ...subscription, policy: { ...subscription.policy, timeoutMs: 50 } }
      results.push(await send(sender, quick))
    }
    const text = JSON.stringify(results)
    expect(text).not.toContain(canary)
    expect(text).not.toContain(Buffer.from(`u:${canary}`).toString('base64'))
    for (const { secret } of subscription.secrets) expect(text).not.toContain(secret.slice(6, 26))
  })

  test('that cannot be sent are not on record either', async () => {
    const receiver = await newReceiver()
    const auths: EndpointAuth[] = [{ bearer: `${canary}\r\nx: y` }, { mtls: { cert: canary, key: canary } }]
    for (const auth of auths) {
      const result = await send(newSender(), subscriptionOf(receiver.url, { auth }))
      expect(result.error).toBeDefined()
      expect(JSON.stringify(result)).not.toContain(canary)
    }
    expect(receiver.requests).toHaveLength(0)
  })
})

describe('TLS', () => {
  let folder = ''
  const trusted = getCACertificates('default')
  const read = (name: string) => readFile(join(folder, name), 'utf8')
  const pair = async (name: string) => ({ cert: await read(`${name}.pem`), key: await read(`${name}.key`) })

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-tls-'))
    const openssl = await needOpenssl()
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    for (const name of ['ca', 'stranger']) {
      const authority = ['-subj', `/CN=${name}`, '-days', '2', '-keyout', `${name}.key`, '-out', `${name}.pem`]
      await run(openssl, ['req', '-x509', ...key, ...authority], folder)
    }
    await writeFile(join(folder, 'names'), 'subjectAltName=DNS:good.example,IP:127.0.0.1\n')
    const leaves = [
      ['server', 'ca', '2'],
      ['client', 'ca', '2'],
      ['expired', 'ca', '-1'],
      ['unknown', 'stranger', '2'],
    ] as const
    for (const [name, ca, days] of leaves) {
      const request = ['-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`]
      await run(openssl, ['req', ...key, ...request], folder)
      const signer = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', days, '-extfile', 'names']
      await run(openssl, ['x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signer], folder)
    }
    setDefaultCACertificates([...trusted, await read('ca.pem')])
  }, 60_000)

  afterAll(async () => {
    setDefaultCACertificates(trusted)
    await rm(folder, { recursive: true, force: true })
  })

  /** By a name, over an address that is public as far as the guard knows. */
  const through = (receiver: Receiver) => {
    const { dialler } = diallerTo(receiver.port)
    return newSender({ allowLoopback: false, dialler, resolver: async () => ['8.8.8.8'] })
  }

  test('a good certificate, by name and by address', async () => {
    const receiver = await newReceiver({ tls: await pair('server') })
    const sender = through(receiver)
    const subscription = subscriptionOf('https://good.example/')
    expect(await send(sender, subscription)).toMatchObject({ status: 200 })
    expect(await send(sender, subscription)).toMatchObject({ status: 200 })
    expect(receiver.connections).toBe(1)
    expect(await send(newSender(), subscriptionOf(receiver.url))).toMatchObject({ status: 200 })
  })

  const refusals: readonly [string, string, string, RegExp][] = [
    ['that has expired', 'expired', 'https://good.example/', /has expired/],
    ['for another host', 'server', 'https://other.example/', /for another host/],
    ['of an unknown authority', 'unknown', 'https://good.example/', /no authority that is trusted/],
  ]
  test.each(refusals)('a certificate %s is refused', async (_, name, url, says) => {
    const old = process.env.NODE_TLS_REJECT_UNAUTHORIZED
    // The environment does not make it good.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    try {
      const receiver = await newReceiver({ tls: await pair(name) })
      const result = await send(through(receiver), subscriptionOf(url))
      expect(result).toMatchObject({ stage: 'tls', error: expect.stringMatching(says) })
      expect(receiver.requests).toHaveLength(0)
    } finally {
      if (old === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = old
    }
  })

  test('an endpoint that speaks no TLS', async () => {
    const receiver = await newReceiver()
    expect(await send(through(receiver), subscriptionOf('https://good.example/'))).toMatchObject({ stage: 'tls' })
  })

  test('mTLS: the certificate is shown, on connections of its own', async () => {
    const tls = { ...(await pair('server')), ca: await read('ca.pem'), requestCert: true, rejectUnauthorized: true }
    const receiver = await newReceiver({ tls })
    const sender = through(receiver)
    const anonymous = subscriptionOf('https://good.example/')
    const known = subscriptionOf('https://good.example/', { auth: { mtls: await pair('client') } })
    expect(await send(sender, known)).toMatchObject({ status: 200 })
    expect(await send(sender, known)).toMatchObject({ status: 200 })
    expect(receiver.connections).toBe(1)
    // Under TLS 1.3 the server says so after the handshake, and a reset may come before what it says.
    const result = await send(sender, anonymous)
    expect(result).toMatchObject({ stage: expect.stringMatching(/^(tls|response)$/) })
    expect(receiver.requests).toHaveLength(2)
    const stranger = subscriptionOf('https://good.example/', { auth: { mtls: await pair('unknown') } })
    expect(await send(sender, stranger)).toMatchObject({ error: expect.any(String) })
    expect(receiver.requests).toHaveLength(2)
  })

  test('a certificate and a key that do not belong together', async () => {
    const { cert } = await pair('client')
    const { key } = await pair('server')
    const result = await send(newSender(), subscriptionOf('https://127.0.0.1/', { auth: { mtls: { cert, key } } }))
    expect(result).toMatchObject({ stage: 'tls', error: expect.stringContaining('do not belong together') })
  })
})
