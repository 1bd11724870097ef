import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import type { GatewayError } from '../../src/core/errors.ts'
import { Parcel } from '../../src/core/parcel.ts'
import { checkHeaders } from '../../src/webhook/headers.ts'
import { createSecret, parseSecret } from '../../src/webhook/secret.ts'
import type { ReceivedRequest } from './receiver.ts'
import { newReceiver, newSender, order, send, subscriptionOf } from './sending.ts'

/** As the public library of Standard Webhooks sees it. It takes text. */
function verifies(secret: string, { headers, body }: ReceivedRequest): boolean {
  try {
    new Webhook(secret).verify(body.toString(), headers as Record<string, string>)
    return true
  } catch {
    return false
  }
}

function caught(run: () => void): GatewayError | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return error as GatewayError
  }
}

const old = createSecret(systemClock)
const current = createSecret(systemClock)

describe('signatures', () => {
  test.each(['structured', 'binary', 'data'] as const)('%s: the public library verifies them', async (mode) => {
    const receiver = await newReceiver()
    await send(newSender(), subscriptionOf(receiver.url, { mode, secrets: [{ secret: current }] }))
    const [request] = receiver.requests
    expect(verifies(current, request!)).toBe(true)
    expect(verifies(old, request!)).toBe(false)
    expect(verifies(current, { ...request!, body: Buffer.concat([request!.body, Buffer.from(' ')]) })).toBe(false)
    const other = { ...request!, headers: { ...request!.headers, 'webhook-id': 'another' } }
    expect(verifies(current, other)).toBe(false)
  })

  test('bytes are signed, not a text made of them', async () => {
    const receiver = await newReceiver()
    const subscription = subscriptionOf(receiver.url, { mode: 'data', secrets: [{ secret: current }] })
    const data = Buffer.from([0, 0xff, 0xfe, 0xc3, 0x28, 0x80])
    const event = { attributes: { ...order.attributes, datacontenttype: 'application/octet-stream' }, data }
    await send(newSender(), subscription, { parcel: Parcel.ofEvent(event) })
    const { headers, body } = receiver.requests[0]!
    expect(body).toEqual(data)
    // The library reads a body as text and would sign other bytes; by Web Crypto it is checked as it came.
    const id = headers['webhook-id']
    const signed = Buffer.concat([Buffer.from(`${id}.${headers['webhook-timestamp']}.`), body])
    const algorithm = { name: 'HMAC', hash: 'SHA-256' }
    const key = await crypto.subtle.importKey('raw', parseSecret(current, ''), algorithm, false, ['verify'])
    const signature = Buffer.from(String(headers['webhook-signature']).slice('v1,'.length), 'base64')
    expect(await crypto.subtle.verify('HMAC', key, signature, signed)).toBe(true)
  })

  test('what was stored is signed as it was stored', async () => {
    const receiver = await newReceiver()
    const bytes = Buffer.from('{ "specversion":"1.0","id":"1","source":"/a","type":"b",  "data":{"a":1,"a":2} }')
    const subscription = subscriptionOf(receiver.url, { secrets: [{ secret: current }] })
    await send(newSender(), subscription, { parcel: Parcel.ofBytes(bytes) })
    expect(receiver.requests[0]!.body).toEqual(bytes)
    expect(verifies(current, receiver.requests[0]!)).toBe(true)
  })

  test('both secrets sign until the old one ends, and then the new one alone', async () => {
    let now = Date.now()
    const receiver = await newReceiver()
    const sender = newSender({ clock: { now: () => now, random: () => {} } })
    const secrets = [{ secret: current }, { secret: old, until: now + 60_000 }]
    const subscription = subscriptionOf(receiver.url, { secrets })
    await send(sender, subscription)
    now += 60_000
    await send(sender, subscription)
    const [during, after] = receiver.requests
    expect(String(during!.headers['webhook-signature']).split(' ')).toHaveLength(2)
    expect([verifies(current, during!), verifies(old, during!)]).toEqual([true, true])
    expect(String(after!.headers['webhook-signature']).split(' ')).toHaveLength(1)
    expect([verifies(current, after!), verifies(old, after!)]).toEqual([true, false])
  })
})

describe('secrets', () => {
  const of = (bytes: number) => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`

  test('that are made are good ones, and no two alike', () => {
    expect(parseSecret(current, '/secret')).toHaveLength(32)
    expect(current).not.toBe(old)
  })

  test.each([24, 32, 64])('may hold %i bytes', (bytes) => {
    expect(Buffer.from(parseSecret(of(bytes), '/secret'))).toEqual(Buffer.alloc(bytes, 7))
  })

  test.each([
    '',
    'whsec_',
    of(23),
    of(65),
    of(32).slice('whsec_'.length),
    of(32).replace('=', ''),
    `${of(32)}=`,
    `${of(32)}\n`,
    of(33).replace('B', '-'),
    `WHSEC_${of(32).slice(6)}`,
    `whsec_ ${of(32).slice(6)}`,
  ])('%j is none', (secret) => {
    const error = caught(() => parseSecret(secret, '/secret'))
    expect(error).toMatchObject({ code: 'invalid_argument', errors: [{ pointer: '/secret' }] })
    if (secret.length > 20) expect(error!.message).not.toContain(secret.slice(10, 20))
  })
})

describe('H: headers of a subscription', () => {
  const canary = 'canary-9f8e7d'

  test.each([
    ['x-a', `${canary}\r\nx-b: c`],
    ['x-a', `${canary}\n`],
    ['x-a', `${canary}\0`],
    ['x-a', `${canary}é`],
    ['x-a', ` ${canary}`],
    ['x a', canary],
    ['x:a', canary],
    ['', canary],
    ['x-ä', canary],
    ['Host', canary],
    ['content-length', '3'],
    ['Transfer-Encoding', 'chunked'],
    ['connection', 'close'],
    ['Expect', '100-continue'],
    ['TE', 'trailers'],
    ['upgrade', 'h2c'],
    ['Proxy-Authorization', canary],
    ['Content-Type', 'text/plain'],
    ['accept-encoding', 'gzip'],
    ['Webhook-Id', canary],
    ['webhook-signature', canary],
    ['webhook-anything', canary],
    ['CE-Id', canary],
    ['traceparent', canary],
  ])('%j: %j is refused where it stands', (name, value) => {
    const error = caught(() => checkHeaders({ 'x-good': 'yes', [name]: value }, '/headers', false))
    expect(error).toMatchObject({ code: 'invalid_argument', errors: [{ pointer: `/headers/${name}` }] })
    expect(JSON.stringify(error!.errors)).not.toContain(canary)
  })

  test('each of several is named, with its pointer escaped', () => {
    const error = caught(() => checkHeaders({ 'a/b': 'x', host: 'y' }, '/headers', false))
    expect(error!.errors!.map(({ pointer }) => pointer)).toEqual(['/headers/a~1b', '/headers/host'])
  })

  test('the same one twice, too many and too much are refused', () => {
    expect(caught(() => checkHeaders({ 'X-A': '1', 'x-a': '2' }, '/headers', false))).toBeDefined()
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`x-${n}`, 'v']))
    expect(caught(() => checkHeaders(many, '/headers', false))).toMatchObject({ errors: [{ pointer: '/headers' }] })
    const large = { 'x-a': 'v'.repeat(8192) }
    expect(caught(() => checkHeaders(large, '/headers', false))).toMatchObject({ errors: [{ pointer: '/headers' }] })
  })

  test('Authorization is a header like others, unless auth sets it', () => {
    checkHeaders({ Authorization: 'Token abc', 'X-Api-Key': 'k', cookie: 'a=b', 'x-empty': '' }, '/headers', false)
    const error = caught(() => checkHeaders({ Authorization: 'Token abc' }, '/headers', true))
    expect(error).toMatchObject({ errors: [{ pointer: '/headers/Authorization' }] })
  })
})
