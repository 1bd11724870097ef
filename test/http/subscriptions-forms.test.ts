import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { path, pointers, subscribe, url } from './subscriptions.ts'

let gateway: TestGateway
let client: Client
let topic: string
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
  topic = await gateway.topic()
})
afterAll(() => gateway.stop())

/** `not` so many times. */
function nested(depth: number): unknown {
  return depth === 1 ? { exact: { type: 'a' } } : { not: nested(depth - 1) }
}

const many = (count: number) => Array.from({ length: count }, () => ({ exact: { type: 'a' } }))
const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, 'x']))
const certificate = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
const privateKey = '-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n'

describe('what is wrong is pointed at', () => {
  test.each<[string, object, string[]]>([
    ['an unknown field', { bogus: 1 }, ['/bogus']],
    ['fields that the gateway sets', { id: 'x', status: 'paused', declared: true }, ['/id', '/status', '/declared']],
    ['no URL', { url: undefined }, ['/url']],
    ['a URL that is no text', { url: 1 }, ['/url']],
    ['an empty URL', { url: '' }, ['/url']],
    ['another scheme', { url: 'file:///etc/passwd' }, ['/url']],
    ['a forbidden network', { url: 'http://forbidden/' }, ['/url']],
    ['a name with capitals', { name: 'Big' }, ['/name']],
    ['a long name', { name: 'n'.repeat(65) }, ['/name']],
    ['an unknown mode', { mode: 'raw' }, ['/mode']],
    ['an unknown ordering', { ordering: 'topic' }, ['/ordering']],
    ['an unknown start', { start: 'tomorrow' }, ['/start']],
    ['a start without its epoch', { start: 'abc' }, ['/start']],

    ['filters that are no list', { filters: {} }, ['/filters']],
    ['an unknown dialect', { filters: [{ sql: 'x' }] }, ['/filters/0/sql', '/filters/0']],
    ['no dialect', { filters: [{}] }, ['/filters/0']],
    ['two dialects', { filters: [{ exact: { type: 'a' }, prefix: { type: 'a' } }] }, ['/filters/0']],
    ['an empty map', { filters: [{ exact: {} }] }, ['/filters/0/exact']],
    ['an empty list', { filters: [{ any: [] }] }, ['/filters/0/any']],
    ['an empty value', { filters: [{ suffix: { type: '' } }] }, ['/filters/0/suffix/type']],
    ['a value that is no text', { filters: [{ exact: { type: 1 } }] }, ['/filters/0/exact/type']],
    ['an attribute with a capital', { filters: [{ exact: { dataSchema: 'x' } }] }, ['/filters/0/exact/dataSchema']],
    ['data as an attribute', { filters: [{ prefix: { data: 'x' } }] }, ['/filters/0/prefix/data']],
    [
      'a fault deep inside',
      { filters: [{ all: [{ not: { exact: { 'a/b': 'x' } } }] }] },
      ['/filters/0/all/0/not/exact/a~1b'],
    ],
    ['no JSON Pointer', { filters: [{ data: { customer: 1 } }] }, ['/filters/0/data/customer']],
    ['a bad escape', { filters: [{ data: { '/a~2': 1 } }] }, ['/filters/0/data/~1a~02']],
    ['an object to compare with', { filters: [{ data: { '/a': {} } }] }, ['/filters/0/data/~1a']],
    ['nothing to compare with', { filters: [{ data: { '/a': [] } }] }, ['/filters/0/data/~1a']],
    ['nine levels', { filters: [nested(9)] }, ['/filters']],
    ['101 filters', { filters: [{ any: many(60) }, { all: many(39) }] }, ['/filters']],
    ['a map of 51', { filters: [{ exact: named(51) }] }, ['/filters/0/exact']],

    ['a header without a name', { headers: { '': 'x' } }, ['/headers/']],
    ['a header that the gateway sets', { headers: { 'Webhook-Id': 'x' } }, ['/headers/Webhook-Id']],
    ['framing', { headers: { 'Transfer-Encoding': 'x' } }, ['/headers/Transfer-Encoding']],
    ['a line break', { headers: { 'X-A': 'a\r\nB: c' } }, ['/headers/X-A']],
    ['a header that is no text', { headers: { 'X-A': 1 } }, ['/headers/X-A']],
    ['what is shown instead of a value', { headers: { Cookie: '[redacted]' } }, ['/headers/Cookie']],
    ['a prototype', { headers: JSON.parse('{"__proto__":"x"}') }, ['/headers/__proto__']],
    ['Authorization twice', { headers: { Authorization: 'x' }, auth: { bearer: 'y' } }, ['/headers/Authorization']],

    ['no auth', { auth: {} }, ['/auth']],
    ['two auths', { auth: { bearer: 'a', mtls: { cert: certificate, key: privateKey } } }, ['/auth']],
    ['an unknown auth', { auth: { digest: 'a' } }, ['/auth/digest', '/auth']],
    ['an empty token', { auth: { bearer: '' } }, ['/auth/bearer']],
    ['a token with a line break', { auth: { bearer: 'a\nb' } }, ['/auth/bearer']],
    ['a user with a colon', { auth: { basic: { user: 'a:b', password: 'c' } } }, ['/auth/basic/user']],
    ['no password', { auth: { basic: { user: 'a' } } }, ['/auth/basic/password']],
    [
      'a forbidden token URL',
      { auth: { oauth2: { tokenUrl: 'http://forbidden', clientId: 'a', clientSecret: 'b' } } },
      ['/auth/oauth2/tokenUrl'],
    ],
    ['no client', { auth: { oauth2: { tokenUrl: url, clientSecret: 'b' } } }, ['/auth/oauth2/clientId']],
    ['a key that is no PEM', { auth: { mtls: { cert: certificate, key: 'key' } } }, ['/auth/mtls/key']],
    [
      'mtls without TLS',
      { url: 'http://hooks.example.com', auth: { mtls: { cert: certificate, key: privateKey } } },
      ['/auth/mtls'],
    ],

    ['an unknown policy', { policy: { retries: 3 } }, ['/policy/retries']],
    ['a bare number for a time', { policy: { timeout: 15 } }, ['/policy/timeout']],
    ['a timeout of two minutes', { policy: { timeout: '2m' } }, ['/policy/timeout']],
    ['a timeout of nothing', { policy: { timeout: '0s' } }, ['/policy/timeout']],
    ['51 retries', { policy: { retry: { schedule: Array(51).fill('1s') } } }, ['/policy/retry/schedule']],
    ['a retry in 31 days', { policy: { retry: { schedule: ['1s', '31d'] } } }, ['/policy/retry/schedule/1']],
    ['a retry of another form', { policy: { retry: { attempts: 3 } } }, ['/policy/retry/attempts']],
    ['no concurrency', { policy: { concurrency: 0 } }, ['/policy/concurrency']],
    ['too much concurrency', { policy: { concurrency: 1001 } }, ['/policy/concurrency']],
    ['half a concurrency', { policy: { concurrency: 1.5 } }, ['/policy/concurrency']],
    ['no rate', { policy: { ratePerSecond: 0 } }, ['/policy/ratePerSecond']],
    ['a ratio above one', { policy: { breaker: { failureRatio: 1.1 } } }, ['/policy/breaker/failureRatio']],
    ['a minimum of none', { policy: { breaker: { minimum: 0 } } }, ['/policy/breaker/minimum']],
    ['a window of a day', { policy: { breaker: { window: '1d' } } }, ['/policy/breaker/window']],
    ['no cooldown', { policy: { breaker: { cooldown: '0s' } } }, ['/policy/breaker/cooldown']],
    ['an empty quota', { policy: { quota: { events: 0 } } }, ['/policy/quota/events']],
    ['a quota of no size', { policy: { quota: { bytes: 'much' } } }, ['/policy/quota/bytes']],
    ['a quota of a byte', { policy: { quota: { bytes: 1 } } }, ['/policy/quota/bytes']],
    ['an unknown onFull', { policy: { onFull: 'drop' } }, ['/policy/onFull']],
    ['an unknown onExhausted', { policy: { onExhausted: 'drop' } }, ['/policy/onExhausted']],
    ['a status of success', { policy: { noRetry: [200] } }, ['/policy/noRetry/0']],
    ['disabled at once', { policy: { disableAfter: '0s' } }, ['/policy/disableAfter']],
    ['an unknown record', { policy: { record: 'none' } }, ['/policy/record']],

    ['a secret without its prefix', { secret: 'abc' }, ['/secret']],
    ['an empty secret', { secret: 'whsec_' }, ['/secret']],
    ['a short secret', { secret: `whsec_${btoa('x'.repeat(23))}` }, ['/secret']],
    ['a long secret', { secret: `whsec_${btoa('x'.repeat(65))}` }, ['/secret']],

    ['33 labels', { labels: named(33) }, ['/labels']],
    ['a label that is no text', { labels: { a: 1 } }, ['/labels/a']],
    ['a label with a space', { labels: { 'a b': 'x' } }, ['/labels/a b']],
    ['a long label', { labels: { a: 'x'.repeat(257) } }, ['/labels/a']],
    [
      'several at once',
      { mode: 'x', policy: { concurrency: 0 }, bogus: 1 },
      ['/mode', '/policy/concurrency', '/bogus'],
    ],
  ])('%s', async (_, fields, wrong) => {
    const before = (await gateway.store.subscriptions.load()).subscriptions.length
    const answer = await client.post(path, { topic, url, ...fields })
    expect(answer.problem.code).toBe('invalid_argument')
    expect(pointers(answer)).toEqual(wrong)
    expect((await gateway.store.subscriptions.load()).subscriptions).toHaveLength(before)
  })
})

describe('what is at the edge is taken', () => {
  test.each<[string, object]>([
    ['eight levels', { filters: [nested(8)] }],
    ['100 filters', { filters: [{ any: many(59) }, { all: many(39) }] }],
    ['32 labels', { labels: named(32) }],
    ['50 retries', { policy: { retry: { schedule: Array(50).fill('30d') } } }],
    ['the quickest timeout', { policy: { timeout: '100ms' } }],
    ['the slowest timeout', { policy: { timeout: '60s' } }],
    ['a quota in bytes', { policy: { quota: { bytes: 1024 } } }],
    ['an attribute of an extension', { filters: [{ exact: { partitionkey: 'a' } }] }],
    ['a secret of 24 bytes', { secret: `whsec_${btoa('x'.repeat(24))}` }],
    ['mtls', { auth: { mtls: { cert: certificate, key: privateKey } } }],
  ])('%s', async (_, fields) => {
    await subscribe(client, topic, fields)
  })
})

test.each([
  ['no JSON', '{', 'application/json', 'invalid_argument'],
  ['no object', '[]', 'application/json', 'invalid_argument'],
  ['no topic', '{}', 'application/json', 'invalid_argument'],
  ['a topic that is no text', '{"topic":1}', 'application/json', 'invalid_argument'],
  ['a topic that is no name', '{"topic":"A B"}', 'application/json', 'invalid_argument'],
  ['nested too deep', `${'['.repeat(65)}${']'.repeat(65)}`, 'application/json', 'invalid_argument'],
  ['another media type', '{}', 'text/plain', 'unsupported_media_type'],
  ['more than a mebibyte', `{"topic":"${'x'.repeat(1 << 20)}"}`, 'application/json', 'too_large'],
])('a body with %s is refused', async (_, body, type, code) => {
  expect((await client.request('POST', path, { body, headers: { 'content-type': type } })).problem.code).toBe(code)
})

test('a query is refused by name, after the topic', async () => {
  expect(pointers(await client.post(`${path}?dry=1`, { topic, url }))).toEqual(['/dry'])
  expect((await client.post(`${path}?dry=1`, { topic: 'nowhere', url })).problem.code).toBe('not_found')
})
