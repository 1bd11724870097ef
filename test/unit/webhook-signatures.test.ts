import { describe, expect, test } from 'vitest'
import { type HookProvider, hookProviders } from '../../src/core/hook.ts'
import { providers } from '../../src/webhook/providers/index.ts'
import { type Signing, signers } from '../fixtures/hook-signatures.ts'

const standardSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const otherStandardSecret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
const secretOf = (provider: HookProvider): string => (provider === 'standard' ? standardSecret : 'a secret')
const otherOf = (provider: HookProvider): string => (provider === 'standard' ? otherStandardSecret : 'another secret')
const url = 'https://hooks.example.com/v1/hooks/x'
const now = 1_700_000_000_000
const bodies: Readonly<Record<HookProvider, string>> = {
  github: '{"ref": "refs/heads/main", "n": 1}',
  stripe: '{"id": "evt_1", "type": "charge.paid"}',
  slack: '{"event_id": "Ev1", "event": {"type": "message"}}',
  shopify: '{"id": 1, "total": "1.00"}',
  twilio: 'MessageSid=SM1&Body=hello%20you&From=%2B1555',
  standard: '{"type": "user.created", "data": {}}',
}
const signatureHeaders: Readonly<Record<HookProvider, string>> = {
  github: 'x-hub-signature-256',
  stripe: 'stripe-signature',
  slack: 'x-slack-signature',
  shopify: 'x-shopify-hmac-sha256',
  twilio: 'x-twilio-signature',
  standard: 'webhook-signature',
}

interface Request {
  readonly headers: Headers
  readonly body?: string | Uint8Array
  readonly secrets?: readonly string[]
  readonly query?: string
  readonly url?: string
  readonly now?: number
}

function signed(provider: HookProvider, more: Partial<Signing> = {}): Headers {
  const timestamp = String(now / 1000)
  return new Headers(signers[provider]({ secret: secretOf(provider), body: bodies[provider], timestamp, url, ...more }))
}

function verify(provider: HookProvider, request: Request): Promise<string | undefined> {
  const { headers, body = bodies[provider], secrets = [secretOf(provider)] } = request
  return providers[provider].verify({
    headers,
    body: Uint8Array.from(Buffer.from(body)),
    query: request.query ?? '',
    url: request.url ?? url,
    secrets,
    now: request.now ?? now,
  })
}

/** The signature header as `change` makes it of the right one; undefined takes it away. */
function changed(provider: HookProvider, change: (right: string) => string | undefined): Headers {
  const headers = signed(provider)
  const name = signatureHeaders[provider]
  const value = change(headers.get(name)!)
  if (value === undefined) headers.delete(name)
  else headers.set(name, value)
  return headers
}

/** Where the code itself begins, behind the scheme's name. */
const macOf = (right: string): string => /[^=,]+=?$/.exec(right)![0]
const withMac = (right: string, change: (mac: string) => string): string =>
  right.slice(0, right.length - macOf(right).length) + change(macOf(right))

describe.each(hookProviders)('%s', (provider) => {
  test('what the provider signed is right, and stays the same signature', async () => {
    const found = await verify(provider, { headers: signed(provider) })
    expect(found).toBeTypeOf('string')
    expect(await verify(provider, { headers: signed(provider) })).toBe(found)
  })

  const flip = (mac: string): string => mac.slice(0, 5) + (mac[5] === 'a' ? 'b' : 'a') + mac.slice(6)
  test.each<[string, (right: string) => string | undefined]>([
    ['missing', () => undefined],
    ['empty', () => ''],
    ['v1,', () => 'v1,'],
    ['v1=', () => 'v1='],
    ['only the scheme', (right) => withMac(right, () => '')],
    ['truncated by one', (right) => right.slice(0, -1)],
    ['truncated to half', (right) => withMac(right, (mac) => mac.slice(0, mac.length / 2))],
    ['wrong, of the same length', (right) => withMac(right, flip)],
    [
      'in the other case',
      (right) =>
        withMac(right, (mac) => (/[a-f]/.test(mac) && !/[g-zG-Z]/.test(mac) ? mac.toUpperCase() : mac.toLowerCase())),
    ],
    ['with garbage behind it', (right) => `${right}x`],
    ['with a comma behind it', (right) => `${right},`],
    ['with a word behind it', (right) => `${right},x`],
    [
      'of an unknown version',
      (right) => (right === macOf(right) ? `v2,${right}` : right.replace(/(sha256|v[01])(?=[=,][^,]*$)/, 'v9')),
    ],
    [
      'of an older version',
      (right) => (right === macOf(right) ? `sha1=${right}` : right.replace(/(sha256|v[01])(?=[=,][^,]*$)/, 'sha1')),
    ],
    ['without padding or scheme', (right) => macOf(right).replace(/=$/, '')],
    ['given twice', (right) => `${right}, ${right}`],
    ['behind a wrong one in another header', (right) => `${withMac(right, flip)}, ${right}`],
  ])('a signature %s is refused', async (_, change) => {
    expect(await verify(provider, { headers: changed(provider, change) })).toBeUndefined()
  })

  test('a body that is not the very same bytes is refused', async () => {
    const body = bodies[provider]
    const again = provider === 'twilio' ? `${body}&Extra=1` : JSON.stringify(JSON.parse(body))
    expect(again).not.toBe(body)
    for (const other of [again, `\uFEFF${body}`, '', ` ${body}x`]) {
      expect(await verify(provider, { headers: signed(provider), body: other }), other).toBeUndefined()
    }
  })

  test('bytes that are no UTF-8 count as they are', async () => {
    if (provider === 'twilio')
      return expect(
        await verify(provider, { headers: signed(provider), body: Buffer.from([0x61, 0x3d, 0xff]) }),
      ).toBeUndefined()
    const [body, other] = [Uint8Array.of(0x7b, 0xff, 0x7d), Uint8Array.of(0x7b, 0xfe, 0x7d)]
    const headers = signed(provider, { body })
    expect(await verify(provider, { headers, body })).toBeTypeOf('string')
    expect(await verify(provider, { headers, body: other })).toBeUndefined()
  })

  test('any of several secrets may have signed, and no other', async () => {
    const [one, other] = [secretOf(provider), otherOf(provider)]
    const headers = signed(provider)
    expect(await verify(provider, { headers, secrets: [other, one] })).toBeTypeOf('string')
    expect(await verify(provider, { headers, secrets: [other] })).toBeUndefined()
    expect(await verify(provider, { headers, secrets: [] })).toBeUndefined()
  })

  test('an empty secret signs nothing', async () => {
    if (provider === 'standard') {
      // The public library does not sign with it at all.
      for (const secret of ['', 'whsec_']) {
        expect(await verify(provider, { headers: signed(provider), secrets: [secret] })).toBeUndefined()
      }
      return
    }
    expect(await verify(provider, { headers: signed(provider, { secret: '' }), secrets: [''] })).toBeUndefined()
  })
})

describe.each(['stripe', 'slack', 'standard'] as const)('the time of %s', (provider) => {
  const at = (timestamp: string): Promise<string | undefined> =>
    verify(provider, { headers: signed(provider, { timestamp }), now: 1_614_265_330_500 })

  test.each([0, -300, 300])('%d seconds away is right', async (away) => {
    expect(await at(String(1_614_265_330 + away))).toBeTypeOf('string')
  })

  test.each([
    '1614265029',
    '1614265631',
    '1614265330abc',
    '1614265330.0',
    '1614265330500',
    '0x60379772',
    '-1614265330',
    '+1614265330',
    '1.61426533e9',
    'NaN',
    '0',
  ])('%s is refused, though it is signed', async (timestamp) => {
    expect(await at(timestamp)).toBeUndefined()
  })

  test('a time that is not the signed one is refused', async () => {
    const headers = signed(provider, { timestamp: '1614265330' })
    for (const [name, value] of [...headers]) headers.set(name, value.replace('1614265330', '1614265331'))
    expect(await verify(provider, { headers, now: 1_614_265_330_500 })).toBeUndefined()
  })
})

describe('several signatures', () => {
  test('of Stripe: the third of four may be the right one; v0 never is', async () => {
    const right = signed('stripe').get('stripe-signature')!
    const [time, v1] = right.split(',') as [string, string]
    const wrong = `v1=${'0'.repeat(64)}`
    const given = (value: string): Promise<string | undefined> =>
      verify('stripe', { headers: new Headers({ 'stripe-signature': value }) })
    expect(await given([time, wrong, wrong, v1, wrong].join(','))).toBeTypeOf('string')
    expect(await given([time, wrong, wrong, wrong, wrong].join(','))).toBeUndefined()
    expect(await given([time, v1.replace('v1', 'v0')].join(','))).toBeUndefined()
    expect(await given([time, time, v1].join(','))).toBeUndefined()
    expect(await given(v1)).toBeUndefined()
  })

  test('of Standard Webhooks: the third of four may be the right one; v1a is another scheme', async () => {
    const right = signed('standard').get('webhook-signature')!
    const wrong = `v1,${Buffer.alloc(32).toString('base64')}`
    const given = (value: string): Promise<string | undefined> =>
      verify('standard', { headers: changed('standard', () => value) })
    expect(await given([wrong, 'v1a,x', right, wrong].join(' '))).toBeTypeOf('string')
    expect(await given([wrong, wrong, wrong, wrong].join(' '))).toBeUndefined()
    expect(await given(right.replace('v1,', 'v1a,'))).toBeUndefined()
  })
})

describe('Standard Webhooks', () => {
  const svix = (headers: Headers): Headers =>
    new Headers([...headers].map(([name, value]) => [name.replace(/^webhook-/, 'svix-'), value]))

  test('the older header names are understood', async () => {
    expect(await verify('standard', { headers: svix(signed('standard')) })).toBeTypeOf('string')
  })

  test('an id beside them, which nobody signed, does not pass', async () => {
    const headers = svix(signed('standard'))
    headers.set('webhook-id', 'msg_2')
    expect(await verify('standard', { headers })).toBeUndefined()
  })

  test('an id with a dot is refused: the parts could be cut elsewhere', async () => {
    expect(await verify('standard', { headers: signed('standard', { id: 'msg.1' }) })).toBeUndefined()
  })

  test('a secret needs no prefix', async () => {
    const secrets = [standardSecret.replace('whsec_', '')]
    expect(await verify('standard', { headers: signed('standard'), secrets })).toBeTypeOf('string')
  })
})

describe('what the providers publish as examples', () => {
  test('GitHub', async () => {
    const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
    const headers = new Headers({ 'x-hub-signature-256': signature })
    const secrets = ["It's a Secret to Everybody"]
    expect(await verify('github', { headers, body: 'Hello, World!', secrets })).toBe(signature)
  })

  test('Slack', async () => {
    const signature = 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503'
    const headers = new Headers({ 'x-slack-request-timestamp': '1531420618', 'x-slack-signature': signature })
    const body =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c'
    const secrets = ['8f742231b10e8888abcd99yyyzzz85a5']
    expect(await verify('slack', { headers, body, secrets, now: 1_531_420_618_000 })).toBe(signature)
  })

  test('Standard Webhooks', async () => {
    const headers = new Headers({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
    expect(await verify('standard', { headers, body: '{"test": 2432232314}', now: 1_614_265_330_000 })).toBeDefined()
  })
})
