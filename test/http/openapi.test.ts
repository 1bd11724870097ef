import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contractOf } from '../fixtures/client.ts'
import type { OpenApi } from '../fixtures/contract.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'

let gateway: TestGateway
let document: OpenApi
beforeAll(async () => {
  gateway = await startTestGateway()
  document = (await contractOf(gateway.url)).document
})
afterAll(() => gateway.stop())

const g = '/v1/topics/{topic}/groups/{group}'
/** What api.md has and this version serves. */
const operations: Readonly<Record<string, readonly string[]>> = {
  '/v1/topics/{topic}/events': ['get', 'post'],
  '/v1/topics/{topic}/events/{position}': ['get'],
  '/v1/tickets': ['post'],
  [g]: ['delete', 'get', 'put'],
  [`${g}/seek`]: ['post'],
  [`${g}/pull`]: ['post'],
  [`${g}/settle`]: ['post'],
  [`${g}/dead`]: ['get'],
  [`${g}/dead/redrive`]: ['post'],
  [`${g}/dead/{id}`]: ['delete'],
  '/v1/subscriptions': ['get', 'post'],
  '/v1/subscriptions/{id}': ['delete', 'get', 'patch'],
  '/v1/subscriptions/{id}/pause': ['post'],
  '/v1/subscriptions/{id}/resume': ['post'],
  '/v1/subscriptions/{id}/test': ['post'],
  '/v1/subscriptions/{id}/rotate-secret': ['post'],
  '/v1/deliveries': ['get'],
  '/v1/deliveries/redrive': ['post'],
  '/v1/deliveries/{id}': ['delete', 'get'],
  '/v1/deliveries/{id}/retry': ['post'],
  '/v1/replays': ['post'],
  '/v1/operations/{id}': ['get'],
  '/v1/operations/{id}/pause': ['post'],
  '/v1/operations/{id}/resume': ['post'],
  '/v1/operations/{id}/cancel': ['post'],
  '/v1/topics': ['get'],
  '/v1/topics/{topic}': ['get'],
  '/v1/brokers': ['get'],
  '/v1/hooks/{source}': ['post'],
  '/healthz': ['get'],
  '/readyz': ['get'],
  '/metrics': ['get'],
  '/problems/{code}': ['get'],
}

const parametersOf = (path: string, method: string): string[] =>
  (document.paths[path]?.[method]?.parameters ?? []).map(({ name, in: where }) => `${where} ${name}`).toSorted()

describe('the document', () => {
  test('has what is served, and nothing that is not', () => {
    const found = Object.entries(document.paths).map(([path, item]) => [path, Object.keys(item).toSorted()])
    expect(Object.fromEntries(found)).toEqual(operations)
    expect(JSON.stringify(document)).not.toContain('/ui')
  })

  test('is OpenAPI 3.1 with what tools need', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d$/)
    expect(document).toMatchObject({ info: { title: expect.any(String), version: expect.any(String) } })
    for (const [path, item] of Object.entries(document.paths)) {
      const variables = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => `path ${name}`).toSorted()
      for (const [method, operation] of Object.entries(item)) {
        expect(parametersOf(path, method).filter((name) => name.startsWith('path'))).toEqual(variables)
        expect(Object.keys(operation.responses), `${method} ${path}`).toContain('default')
        expect(Object.keys(operation.responses.default?.content ?? {})).toEqual(['application/problem+json'])
        expect(operation).toMatchObject({ summary: expect.any(String) })
        for (const parameter of operation.parameters) expect(parameter).toHaveProperty('schema')
      }
    }
  })

  test('every reference leads somewhere, and nowhere outside', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference!)
    expect(references.length).toBeGreaterThan(10)
    for (const reference of references) {
      const name = /^#\/components\/schemas\/(\w+)$/.exec(reference)?.[1]
      expect(Object.keys(document.components.schemas), reference).toContain(name)
    }
  })

  test.each([
    [
      '/v1/topics/{topic}/events',
      'post',
      ['atomic', 'delay', 'id', 'key', 'source', 'subject', 'time', 'type'],
      ['Idempotency-Key'],
    ],
    ['/v1/topics/{topic}/events', 'get', ['from', 'key', 'limit', 'ticket', 'to', 'type', 'wait'], ['Last-Event-ID']],
    [g, 'put', [], ['If-Match']],
    [g, 'delete', [], ['If-Match']],
    [`${g}/seek`, 'post', [], ['If-Match']],
    [`${g}/dead`, 'get', ['cursor', 'limit'], []],
    ['/v1/topics', 'get', ['cursor', 'limit'], []],
    ['/v1/brokers', 'get', ['cursor', 'limit'], []],
    ['/v1/subscriptions', 'get', ['cursor', 'limit', 'topic'], []],
    ['/v1/subscriptions/{id}', 'patch', [], ['If-Match']],
    ['/v1/subscriptions/{id}', 'delete', [], ['If-Match']],
    ['/v1/deliveries', 'get', ['cursor', 'event', 'limit', 'since', 'status', 'subscription', 'topic'], []],
  ])('%s %s names its parameters', (path, method, query, headers) => {
    const named = parametersOf(path, method).filter((name) => !name.startsWith('path'))
    expect(named).toEqual([...headers.map((name) => `header ${name}`), ...query.map((name) => `query ${name}`)])
  })

  test('bodies and answers are described by media type', () => {
    const publish = document.paths['/v1/topics/{topic}/events'] as unknown as Record<
      string,
      { requestBody?: { content: object }; responses: Record<string, { content: object }> }
    >
    expect(Object.keys(publish.post?.requestBody?.content ?? {})).toEqual([
      'application/cloudevents+json',
      'application/cloudevents-batch+json',
      'application/x-ndjson',
      '*/*',
    ])
    expect(Object.keys(publish.post?.responses[200]?.content ?? {})).toEqual([
      'application/json',
      'application/x-ndjson',
    ])
    expect(Object.keys(publish.get?.responses[200]?.content ?? {})).toEqual([
      'application/json',
      'application/x-ndjson',
      'text/event-stream',
    ])
  })

  test('limits are those of this gateway', async () => {
    const own = await startTestGateway({ limits: { batchEvents: 7, settle: 9 } })
    const text = JSON.stringify((await contractOf(own.url)).document)
    await own.stop()
    expect(text).toContain('"maxItems":7')
    expect(text).toContain('"maxItems":9')
  })
})

describe('the API page', () => {
  /** Everything that a browser loads by itself: addresses in tags and style sheets. */
  function addressesIn(type: string, text: string): string[] {
    const patterns = type.startsWith('text/css')
      ? [/url\(\s*["']?([^"')]+)/g, /@import\s+["']([^"']+)/g]
      : [/\b(?:src|href|action|data|poster|srcset)\s*=\s*["']?([^"'\s>]+)/g, /url\(\s*["']?([^"')]+)/g]
    return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, address]) => address!))
  }

  test('loads nothing from elsewhere, and everything it loads is there', async () => {
    const page = await gateway.client.get('/docs')
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    const waiting = addressesIn('text/html', page.text)
    expect(waiting.length).toBeGreaterThanOrEqual(3)
    for (let address = waiting.pop(); address !== undefined; address = waiting.pop()) {
      if (address.startsWith('data:') || address.startsWith('#')) continue
      expect(address).toMatch(/^\/docs\/[\w.-]+$/)
      const asset = await gateway.client.get(address)
      const type = asset.headers.get('content-type') ?? ''
      expect(asset.status, address).toBe(200)
      expect(type).toMatch(address.endsWith('.css') ? /^text\/css/ : /^text\/javascript/)
      if (type.startsWith('text/css')) waiting.push(...addressesIn(type, asset.text))
    }
  })

  test('is held to it by its policy', async () => {
    const policy = (await gateway.client.get('/docs')).headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'self'")
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src/)
  })

  test('reads the document of this gateway', async () => {
    expect((await gateway.client.get('/docs/start.js')).text).toContain("'/openapi.json'")
  })

  test.each([
    'nothing.js',
    'package.json',
    '..',
    '..%2f..%2fpackage.json',
    '%2e%2e%2fpackage.json',
    '.env',
    '%00',
    'a/b',
  ])('there is no %s', async (name) => {
    expect((await gateway.client.get(`/docs/${name}`)).problem.code).toBe('not_found')
  })
})
