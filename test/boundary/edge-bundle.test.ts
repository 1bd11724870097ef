import { builtinModules } from 'node:module'
import { type Context, createContext, Script } from 'node:vm'
import { type BuildResult, build } from 'esbuild'
import { beforeAll, describe, expect, test } from 'vitest'
import { hookSecret } from '../fixtures/edge.ts'
import { signers } from '../fixtures/hook-signatures.ts'

// What an edge runtime has, and nothing else: no process, no Buffer, no require.
const web = {
  AbortController,
  AbortSignal,
  ByteLengthQueuingStrategy,
  Headers,
  ReadableStream,
  Request,
  Response,
  TextDecoder,
  TextEncoder,
  TransformStream,
  URL,
  URLSearchParams,
  WritableStream,
  atob,
  btoa,
  clearInterval,
  clearTimeout,
  console,
  crypto,
  performance,
  queueMicrotask,
  setInterval,
  setTimeout,
  structuredClone,
}

type Bundle = BuildResult<{ write: false; metafile: true }>

/** Node's own modules stay outside the bundle, so that the metafile names whoever imports them. */
function bundle(contents: string): Promise<Bundle> {
  return build({
    stdin: { contents, resolveDir: 'test/fixtures', loader: 'ts' },
    bundle: true,
    write: false,
    metafile: true,
    format: 'iife',
    globalName: 'edge',
    platform: 'browser',
    conditions: ['workerd', 'worker'],
    target: 'es2024',
    external: ['node:*', ...builtinModules],
    logLevel: 'silent',
  })
}

function nodeImports({ metafile }: Bundle): string[] {
  return Object.entries(metafile.inputs).flatMap(([file, { imports }]) =>
    imports.filter(({ external }) => external).map(({ path }) => `${file} → ${path}`),
  )
}

let app: Bundle
beforeAll(async () => {
  app = await bundle("export { createEdgeApp, keyText } from './edge.ts'")
})

test('the bundle of the gateway imports nothing of Node', async () => {
  expect(nodeImports(app)).toEqual([])
  // The same check sees an import that must not be there.
  expect(nodeImports(await bundle("import 'node:fs'\nimport 'path'"))).toEqual(['<stdin> → node:fs', '<stdin> → path'])
})

describe('where there are only web globals', () => {
  let context: Context
  beforeAll(async () => {
    context = createContext({ ...web })
    new Script(app.outputFiles[0]?.text ?? '').runInContext(context)
    await new Script('edge.createEdgeApp().then((app) => { globalThis.app = app })').runInContext(context)
  })

  type Init = { method?: string; headers?: Record<string, string>; body?: string | ReadableStream<Uint8Array> }
  function request(path: string, { headers = {}, ...init }: Init = {}): Promise<Response> {
    const send = new Script(`(url, { headers, ...init }) => app.fetch(new Request(url, {
      ...init,
      duplex: 'half',
      headers: { authorization: 'Bearer ' + edge.keyText, ...headers },
    }))`).runInContext(context) as (url: string, init: Init) => Promise<Response>
    return send(`https://edge.test${path}`, { headers, ...init })
  }
  const post = (path: string, body: string, type = 'application/json'): Promise<Response> =>
    request(path, { method: 'POST', body, headers: { 'content-type': type } })

  test('nothing of Node is there', () => {
    const found = new Script(
      "['process', 'Buffer', 'require', 'global', 'setImmediate'].filter((name) => name in globalThis)",
    )
    expect(found.runInContext(context)).toEqual([])
  })

  test('GET /healthz answers', async () => {
    const response = await request('/healthz')
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ status: 'ok' })
  })

  test('an event that was published can be read and pulled', async () => {
    const published = await post('/v1/topics/orders/events?id=a', '{"n":9007199254740993}')
    expect([published.status, await published.json()]).toMatchObject([200, { id: 'a', status: 'stored' }])
    const read = await request('/v1/topics/orders/events?from=earliest')
    expect(await read.text()).toContain('"data":{"n":9007199254740993}')
    const lines = await request('/v1/topics/orders/events?from=earliest', {
      headers: { accept: 'application/x-ndjson' },
    })
    expect((await lines.text()).split('\n').length).toBe(3)
    const group = '/v1/topics/orders/groups/g'
    const json = { 'content-type': 'application/json' }
    expect((await request(group, { method: 'PUT', body: '{"start":"earliest"}', headers: json })).status).toBe(201)
    const pulled = (await (await post(`${group}/pull`, '{}')).json()) as { deliveries: { lease: string }[] }
    const settlements = [{ lease: pulled.deliveries[0]?.lease, outcome: 'ack' }]
    const settled = await post(`${group}/settle`, JSON.stringify({ settlements }))
    expect(await settled.json()).toMatchObject({ results: [{ status: 'ok' }] })
  })

  test('lines are published, live reads are read, keys are idempotent, and tickets hold', async () => {
    const line = '{"specversion":"1.0","id":"b","type":"t"}\n'
    const receipts = await (await post('/v1/topics/orders/events', line, 'application/x-ndjson')).text()
    expect(receipts).toContain('"summary":{"stored":1,"failed":0,"unknown":0}')
    const once = { method: 'POST', body: '1', headers: { 'content-type': 'application/json', 'idempotency-key': 'k' } }
    const [first, again] = [
      await request('/v1/topics/orders/events', once),
      await request('/v1/topics/orders/events', once),
    ]
    expect(await again.text()).toBe(await first.text())
    const { ticket } = (await (await post('/v1/tickets', '{"topic":"orders"}')).json()) as { ticket: string }
    const live = await request(`/v1/topics/orders/events?from=earliest&limit=1&ticket=${encodeURIComponent(ticket)}`, {
      headers: { accept: 'text/event-stream', authorization: '' },
    })
    expect(await live.text()).toContain('data: {"position":"0"')
  })

  test('a webhook that somebody else signed becomes an event', async () => {
    const headers = signers.github({ secret: hookSecret, body: '{"n":1}', id: 'from-github' })
    const hook = { method: 'POST', body: '{"n":1}', headers: { ...headers, authorization: '' } }
    const taken = await request('/v1/hooks/github', hook)
    expect([taken.status, await taken.json()]).toMatchObject([200, { id: 'from-github', status: 'stored' }])
    expect(await (await request('/v1/hooks/github', hook)).json()).toMatchObject({ duplicate: true })
    expect((await request('/v1/hooks/github', { ...hook, body: '{"n":2}' })).status).toBe(401)
  })

  test('a body without end is refused, and not taken any further', async () => {
    let taken = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        taken += 1 << 16
        if (taken > 64 << 20) controller.close()
        else controller.enqueue(new Uint8Array(1 << 16).fill(0x78))
      },
    })
    const headers = { 'content-type': 'text/plain' }
    expect((await request('/v1/topics/orders/events', { method: 'POST', headers, body })).status).toBe(413)
    expect(taken).toBeLessThan(4 << 20)
  })

  test('what is wrong is a problem, counted headers among it', async () => {
    const unknown = await request('/nowhere')
    expect([unknown.status, unknown.headers.get('content-type')]).toEqual([404, 'application/problem+json'])
    expect((await request('/v1/topics/orders', { headers: { authorization: '' } })).status).toBe(401)
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`x-${i}`, 'y']))
    expect((await request('/healthz', { headers: many })).status).toBe(431)
    const large = await post('/v1/topics/orders/events', 'x'.repeat(2 << 20), 'text/plain')
    expect(large.status).toBe(413)
  })
})
