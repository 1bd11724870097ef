import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent } from './events.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    keys: {
      publisher: { scopes: ['publish'] },
      consumer: { scopes: ['consume'] },
      subscriber: { scopes: ['subscribe'] },
      admin: { scopes: ['admin'] },
      orders: { scopes: ['publish:orders.*', 'consume:orders.new'] },
      exact: { scopes: ['publish:a.b', 'consume:a.b'] },
      inner: { scopes: ['consume:*.log'] },
      all: { scopes: ['publish', 'consume', 'admin'] },
      both: { scopes: ['publish:a.*', 'publish:b.*'] },
    },
  })
  for (const name of ['orders.new', 'orders.old', 'orders', 'invoices', 'a.b', 'axb', 'a.bc', 'xa.b', 'b.c', 'x.log']) {
    await gateway.topic({}, name)
    await gateway.as('all').structured(name, cloudEvent('first'))
    await gateway.as('all').put(`/v1/topics/${name}/groups/g`, { start: 'earliest' })
  }
})
afterAll(async () => {
  const log = gateway.logged.join('\n')
  await gateway.stop()
  for (const name of ['publisher', 'orders', 'all']) expect(log).not.toContain(gateway.keyText(name))
})

/** Every operation on a topic, by the scope that it needs. */
const operations: readonly [scope: 'publish' | 'consume', method: string, path: string, body?: unknown][] = [
  ['publish', 'POST', '/events', {}],
  ['consume', 'GET', '/events'],
  ['consume', 'GET', '/events/1'],
  ['consume', 'PUT', '/groups/g', {}],
  ['consume', 'GET', '/groups/g'],
  ['consume', 'POST', '/groups/g/pull', {}],
  ['consume', 'POST', '/groups/g/settle', { settlements: [{ lease: 'x', outcome: 'ack' }] }],
  ['consume', 'POST', '/groups/g/seek', { to: 'earliest' }],
  ['consume', 'GET', '/groups/g/dead'],
  ['consume', 'POST', '/groups/g/dead/redrive', { all: true }],
]

async function code(key: string, method: string, target: string, json?: unknown): Promise<string> {
  const answer = await gateway.as(key).request(method, target, json === undefined ? {} : { json })
  return answer.status < 400 ? 'ok' : answer.problem.code
}

describe('without a key', () => {
  test.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer slk_',
    'Bearer slk_x_y',
    'Basic c2xrOng=',
    'slk_x_y',
    `Bearer ${'x'.repeat(4000)}`,
    'Bearer slk_é',
  ])('or with a wrong one (%j) everything but the public pages is 401, alike', async (authorization) => {
    const headers = authorization === undefined ? {} : { authorization: Buffer.from(authorization).toString('latin1') }
    const paths = [
      '/v1/topics',
      '/v1/topics/orders',
      '/v1/topics/nowhere',
      '/v1/brokers',
      '/metrics',
      '/v1/deliveries',
      '/nowhere',
    ]
    for (const path of paths) {
      const answer = await gateway.client.get(path, headers)
      expect(answer.problem.code, path).toBe('unauthenticated')
      expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    }
    const details = await Promise.all(
      paths.map(async (path) => (await gateway.client.get(path, headers)).problem.detail),
    )
    expect(new Set(details).size).toBe(1)
  })

  test.each(['/healthz', '/readyz', '/problems/conflict', '/openapi.json', '/docs'])('%s is public', async (path) => {
    expect((await gateway.client.get(path)).status).toBe(200)
    expect((await gateway.client.get(path, { authorization: 'Bearer slk_wrong' })).status).toBe(200)
  })

  test('another method of a public page says which are', async () => {
    const answer = await gateway.client.request('POST', '/healthz')
    expect(answer.problem.code).toBe('method_not_allowed')
    expect(answer.headers.get('allow')).toBe('GET, HEAD')
  })

  test('a changed key is no key: one character, its case, its end', async () => {
    const text = gateway.keyText('all')
    const flipped = `${text.slice(0, -1)}${text.endsWith('A') ? 'B' : 'A'}`
    for (const wrong of [flipped, text.toUpperCase(), text.slice(0, -1), `${text}x`, text.replace('slk_', 'SLK_')]) {
      const answer = await gateway.client.get('/v1/topics', { authorization: `Bearer ${wrong}` })
      expect(answer.problem.code).toBe('unauthenticated')
    }
    for (const right of [`Bearer ${text}`, `bearer ${text}`, `BEARER  ${text} `]) {
      expect((await gateway.client.get('/v1/topics', { authorization: right })).status).toBe(200)
    }
  })
})

describe('scopes', () => {
  test.each(operations)('%s is what %s %s needs', async (scope, method, path, body) => {
    const target = `/v1/topics/orders.new${path}`
    expect(await code(scope === 'publish' ? 'publisher' : 'consumer', method, target, body)).toBe('ok')
    for (const other of [scope === 'publish' ? 'consumer' : 'publisher', 'subscriber', 'admin']) {
      expect(await code(other, method, target, body), other).toBe('permission_denied')
    }
  })

  test.each(operations)(
    'a topic that no scope of the key can see is 404 (%s: %s %s)',
    async (_, method, path, body) => {
      for (const hidden of ['invoices', 'nowhere']) {
        expect(await code('orders', method, `/v1/topics/${hidden}${path}`, body)).toBe('not_found')
      }
    },
  )

  test.each(operations.filter(([scope]) => scope === 'consume'))(
    'one that it sees and may not is 403 (%s: %s %s)',
    async (_, method, path, body) => {
      expect(await code('orders', method, `/v1/topics/orders.old${path}`, body)).toBe('permission_denied')
    },
  )

  test('absent and foreign topics look alike, whatever is asked', async () => {
    for (const [, method, path, json] of operations) {
      const [absent, foreign] = await Promise.all(
        ['nowhere', 'invoices'].map((topic) =>
          gateway.as('orders').request(method, `/v1/topics/${topic}${path}`, json === undefined ? {} : { json }),
        ),
      )
      expect({ ...absent?.problem, instance: '' }).toEqual({ ...foreign?.problem, instance: '' })
    }
  })

  test('a pattern means what it says: a dot is a dot, a star is anything', async () => {
    const sees = async (key: string): Promise<string[]> =>
      (await gateway.as(key).get('/v1/topics')).json<{ items: { topic: string }[] }>().items.map(({ topic }) => topic)
    expect(await sees('exact')).toEqual(['a.b'])
    expect(await sees('orders')).toEqual(['orders.new', 'orders.old'])
    expect(await sees('inner')).toEqual(['x.log'])
    expect(await sees('both')).toEqual(['a.b', 'a.bc', 'b.c'])
    expect((await sees('all')).length).toBe(10)
    for (const topic of ['axb', 'a.bc', 'xa.b'])
      expect(await code('exact', 'POST', `/v1/topics/${topic}/events`, 1)).toBe('not_found')
  })

  test('a 403 says which scope is missing', async () => {
    const { problem } = await gateway.as('orders').get('/v1/topics/orders.old/events')
    expect(problem.detail).toContain('consume:orders.old')
  })

  test('a topic shows itself to everybody who sees it; the brokers to admins', async () => {
    expect(await code('orders', 'GET', '/v1/topics/orders.old')).toBe('ok')
    expect(await code('orders', 'GET', '/v1/topics/invoices')).toBe('not_found')
    expect(await code('admin', 'GET', '/v1/brokers')).toBe('ok')
    expect(await code('publisher', 'GET', '/v1/brokers')).toBe('permission_denied')
    expect(await code('admin', 'GET', '/metrics')).toBe('ok')
    expect(await code('consumer', 'GET', '/metrics')).toBe('permission_denied')
  })

  test('precedence: 401, 404, 403, 400', async () => {
    const wrong = '/events?bogus=1'
    expect(await code('nobody', 'GET', `/v1/topics/orders.old${wrong}`)).toBe('unauthenticated')
    expect(await code('orders', 'GET', `/v1/topics/invoices${wrong}`)).toBe('not_found')
    expect(await code('orders', 'GET', `/v1/topics/orders.old${wrong}`)).toBe('permission_denied')
    expect(await code('orders', 'GET', `/v1/topics/orders.new${wrong}`)).toBe('invalid_argument')
    expect(await code('publisher', 'POST', '/v1/topics/nowhere/events?bogus=1', 1)).toBe('not_found')
  })
})

test('a path or method that is not there is 404 or 405 for whoever has a key', async () => {
  expect(await code('publisher', 'GET', '/nowhere')).toBe('not_found')
  expect(await code('publisher', 'PATCH', '/v1/topics/orders/events')).toBe('method_not_allowed')
})

describe('topics that come into being on first use', () => {
  test('only do for a key whose scope reaches them', async () => {
    const dev = await startTestGateway({
      creates: true,
      keys: { orders: { scopes: ['publish:orders.*', 'consume:orders.*'] } },
    })
    try {
      const client = dev.as('orders')
      expect((await client.structured('invoices', cloudEvent('a'))).problem.code).toBe('not_found')
      expect((await client.get('/v1/topics/invoices/events')).problem.code).toBe('not_found')
      expect((await client.put('/v1/topics/invoices/groups/g')).problem.code).toBe('not_found')
      expect((await client.get('/v1/topics')).json()).toEqual({ items: [] })
      expect((await client.structured('orders.a', cloudEvent('a'))).status).toBe(200)
      expect((await client.get('/v1/topics/orders.b/events')).status).toBe(200)
      expect((await client.put('/v1/topics/orders.c/groups/g')).status).toBe(201)
      const { items } = (await client.get('/v1/topics')).json<{ items: { topic: string }[] }>()
      expect(items.map(({ topic }) => topic)).toEqual(['orders.a', 'orders.b', 'orders.c'])
    } finally {
      await dev.stop()
    }
  })

  test('not by a publish that is refused, and at once only one', async () => {
    const dev = await startTestGateway({ creates: true })
    try {
      expect((await dev.client.publish('bad', 'no JSON', 'application/json')).status).toBe(400)
      expect((await dev.client.get('/v1/topics')).json()).toEqual({ items: [] })
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => dev.client.structured('new', cloudEvent(`e-${i}`))),
      )
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
      expect(
        (await dev.client.get('/v1/topics/new/events?from=earliest')).json<{ events: unknown[] }>().events.length,
      ).toBe(20)
      expect((await dev.client.get('/v1/topics/other/groups/g')).problem.code).toBe('not_found')
    } finally {
      await dev.stop()
    }
  })
})
