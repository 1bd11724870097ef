import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'

const page = 'https://app.example.com'

function corsOf(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')))
}

describe('the origins that the configuration names', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startTestGateway({ cors: [page], keys: { all: { scopes: ['publish', 'consume'] } } })
  })
  afterAll(() => gateway.stop())

  test('may read what they asked for, also where it is a refusal', async () => {
    for (const [client, path] of [
      [gateway.as('all'), '/v1/topics'],
      [gateway.as('all'), '/v1/topics/nowhere'],
      [gateway.client, '/v1/topics'],
      [gateway.client, '/nowhere'],
      [gateway.as('all'), '/nowhere'],
    ] as const) {
      const { headers } = await client.get(path, { origin: page })
      expect(headers.get('access-control-allow-origin'), path).toBe(page)
      expect(headers.get('access-control-expose-headers'), path).toContain('Location')
      expect(headers.get('vary')?.toLowerCase()).toContain('origin')
      expect(headers.get('access-control-allow-credentials')).toBeNull()
    }
  })

  test('may ask before, without a key', async () => {
    const headers = {
      origin: page,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'authorization, content-type, ce-id',
    }
    const answer = await gateway.client.request('OPTIONS', '/v1/topics/t/groups/g', { headers })
    expect(answer.status).toBe(204)
    expect(corsOf(answer.headers)).toMatchObject({
      'access-control-allow-origin': page,
      'access-control-allow-methods': expect.stringContaining('PUT'),
      'access-control-allow-headers': 'authorization, content-type, ce-id',
    })
    expect((await gateway.client.request('OPTIONS', '/nowhere', { headers })).status).toBeGreaterThanOrEqual(400)
  })

  test.each([
    'https://example.com',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com.evil.com',
    'null',
  ])('others may not: %s', async (origin) => {
    expect(corsOf((await gateway.as('all').get('/v1/topics', { origin })).headers)).toEqual({})
    const headers = { origin, 'access-control-request-method': 'GET' }
    expect(corsOf((await gateway.client.request('OPTIONS', '/v1/topics', { headers })).headers)).toEqual({})
  })

  test('a request without an origin is none of theirs', async () => {
    expect(corsOf((await gateway.as('all').get('/v1/topics')).headers)).toEqual({})
  })
})

test('without any nothing is said, and OPTIONS is a method like others', async () => {
  const gateway = await startTestGateway({ keys: { all: { scopes: ['publish'] } } })
  try {
    expect(corsOf((await gateway.as('all').get('/v1/topics', { origin: page })).headers)).toEqual({})
    const answer = await gateway.as('all').request('OPTIONS', '/v1/topics', { headers: { origin: page } })
    expect(answer.problem.code).toBe('method_not_allowed')
    expect(corsOf(answer.headers)).toEqual({})
  } finally {
    await gateway.stop()
  }
})

test('a star is everybody', async () => {
  const gateway = await startTestGateway({ cors: ['*'], keys: { all: { scopes: ['publish'] } } })
  try {
    const { headers } = await gateway.as('all').get('/v1/topics', { origin: 'https://anywhere.example' })
    expect(['*', 'https://anywhere.example']).toContain(headers.get('access-control-allow-origin'))
  } finally {
    await gateway.stop()
  }
})
