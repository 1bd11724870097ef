import { expect, test } from 'vitest'
import { twilio } from '../../src/webhook/providers/twilio.ts'
import { bodyHash, signers } from '../fixtures/hook-signatures.ts'

const secret = '12345'
const url = 'https://hooks.example.com/v1/hooks/sms'
const json = '{"CallSid": "CA1"}'

interface Call {
  /** The address as Twilio calls it. */
  readonly signed: string
  readonly body: string
  /** The address as the hook has it. */
  readonly configured?: string
  readonly query?: string
  readonly sent?: string
  readonly type?: string
}

function verify({ signed, body, configured = url, query = '', sent = body, type }: Call): Promise<string | undefined> {
  const headers = new Headers(signers.twilio({ secret, body, url: signed }))
  if (type !== undefined) headers.set('content-type', type)
  const bytes = Uint8Array.from(Buffer.from(sent))
  return twilio.verify({ headers, body: bytes, query, url: configured, secrets: [secret], now: 0 })
}

test("Twilio's own example", async () => {
  const body = new URLSearchParams({
    Digits: '1234',
    CallSid: 'CA1234567890ABCDE',
    To: '+18005551212',
    Caller: '+14158675309',
    From: '+14158675309',
  })
  const headers = new Headers({
    'x-twilio-signature': 'RSOYDt4T1cUTdK1PDd93/VVr8B8=',
    'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
  })
  const request = { headers, url: 'https://mycompany.com/myapp.php', query: '?foo=1&bar=2', secrets: [secret], now: 0 }
  const bytes = Uint8Array.from(Buffer.from(String(body)))
  expect(await twilio.verify({ ...request, body: bytes })).toBe('RSOYDt4T1cUTdK1PDd93/VVr8B8=')
  expect(await twilio.verify({ ...request, body: bytes, query: '?foo=1' })).toBeUndefined()
  expect(await twilio.verify({ ...request, body: bytes, url: undefined })).toBeUndefined()
})

test('parameters in any order and spelling are the same', async () => {
  expect(await verify({ signed: url, body: 'A=x+y&B=%C3%BC', sent: 'B=ü&A=x%20y' })).toBeDefined()
  expect(await verify({ signed: url, body: 'A=x+y&B=%C3%BC', sent: 'B=u&A=x%20y' })).toBeUndefined()
  // As in Twilio's libraries: each value of a name once, in order.
  expect(await verify({ signed: url, body: 'A=1&A=2', sent: 'A=2&A=1&A=1' })).toBeDefined()
})

test('with the port and without it are both right; another address is not', async () => {
  expect(await verify({ signed: url.replace('.com', '.com:443'), body: 'a=1' })).toBeDefined()
  expect(await verify({ signed: url, configured: url.replace('.com', '.com:8443'), body: 'a=1' })).toBeDefined()
  for (const signed of [url.replace('https', 'http'), url.replace('sms', 'calls'), `${url}/`, `${url}?a=1`]) {
    expect(await verify({ signed, body: 'a=1' }), signed).toBeUndefined()
  }
})

test('a body that is no form is right by the hash in the signed address', async () => {
  const query = `?bodySHA256=${bodyHash(json)}`
  expect(await verify({ signed: url + query, query, body: json })).toBeDefined()
  expect(await verify({ signed: url + query, query, body: json, sent: '{"CallSid": "CA2"}' })).toBeUndefined()
  const upper = `?bodySHA256=${bodyHash(json).toUpperCase()}`
  expect(await verify({ signed: url + upper, query: upper, body: json })).toBeUndefined()
  const twice = `${query}&bodySHA256=${bodyHash('x')}`
  expect(await verify({ signed: url + twice, query: twice, body: json })).toBeUndefined()
  const other = `?bodySHA256=${bodyHash('x')}`
  expect(await verify({ signed: url + query, query: other, body: json, sent: 'x' })).toBeUndefined()
})

test('a body that is under no signature is refused, an empty one is not', async () => {
  expect(await verify({ signed: url, body: '', sent: json, type: 'application/json' })).toBeUndefined()
  expect(await verify({ signed: url, body: '', sent: 'a=1', type: 'text/plain' })).toBeUndefined()
  expect(await verify({ signed: url, body: '' })).toBeDefined()
})
