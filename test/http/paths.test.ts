import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorCodes } from '../../src/core/errors.ts'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterAll(() => gateway.stop())

describe('problem pages', () => {
  test.each(errorCodes)('%s is explained', async (code) => {
    const answer = await client.get(`/problems/${code}`)
    expect(answer.status).toBe(200)
    expect(answer.text).toContain(code)
  })

  test('others are not there', async () => {
    for (const code of ['nonsense', '__proto__', 'constructor', 'Conflict']) {
      expect((await client.get(`/problems/${code}`)).problem.code).toBe('not_found')
    }
  })
})

test('the dashboard is not there', async () => {
  expect((await client.get('/ui')).problem.code).toBe('not_found')
})

describe('methods', () => {
  test.each([
    ['/v1/topics/t/events', 'DELETE', ['POST', 'GET', 'HEAD']],
    ['/v1/topics/t', 'PUT', ['GET', 'HEAD']],
    ['/v1/topics', 'POST', ['GET', 'HEAD']],
    ['/v1/topics/t/groups/g', 'POST', ['PUT', 'GET', 'DELETE', 'HEAD']],
    ['/v1/topics/t/groups/g/pull', 'GET', ['POST']],
    ['/v1/tickets', 'GET', ['POST']],
    ['/healthz', 'DELETE', ['GET', 'HEAD']],
    ['/metrics', 'POST', ['GET', 'HEAD']],
    ['/openapi.json', 'PUT', ['GET', 'HEAD']],
    ['/v1/subscriptions', 'PUT', ['POST', 'GET', 'HEAD']],
    ['/v1/subscriptions/x', 'POST', ['GET', 'PATCH', 'DELETE', 'HEAD']],
    ['/v1/subscriptions/x/pause', 'GET', ['POST']],
    ['/v1/deliveries', 'POST', ['GET', 'HEAD']],
    ['/v1/deliveries/x/retry', 'GET', ['POST']],
    ['/v1/replays', 'GET', ['POST']],
    ['/v1/operations/x', 'DELETE', ['GET', 'HEAD']],
    ['/v1/topics/t/events', 'OPTIONS', ['POST', 'GET', 'HEAD']],
  ])('%s takes no %s', async (path, method, allowed) => {
    const answer = await client.request(method, path)
    expect(answer.problem.code).toBe('method_not_allowed')
    expect(answer.headers.get('allow')?.split(', ').toSorted()).toEqual(allowed.toSorted())
  })

  test('HEAD is GET without the body', async () => {
    const topic = await gateway.topic()
    for (const path of ['/healthz', '/openapi.json', `/v1/topics/${topic}`, `/v1/topics/${topic}/events`]) {
      const head = await client.request('HEAD', path)
      expect(head.status).toBe(200)
      expect(head.headers.get('content-type')).toBe((await client.get(path)).headers.get('content-type'))
    }
    expect((await client.request('HEAD', '/v1/topics/nowhere')).status).toBe(404)
  })
})

test('a query where none is taken is refused by name', async () => {
  const topic = await gateway.topic()
  const group = `/v1/topics/${topic}/groups/g`
  await client.put(group)
  for (const [method, path] of [
    ['GET', '/healthz'],
    ['GET', '/readyz'],
    ['GET', '/metrics'],
    ['GET', '/openapi.json'],
    ['GET', '/problems/conflict'],
    ['GET', `/v1/topics/${topic}`],
    ['GET', group],
    ['PUT', group],
    ['POST', `${group}/pull`],
    ['POST', `${group}/settle`],
    ['POST', `${group}/seek`],
    ['POST', `${group}/dead/redrive`],
    ['DELETE', `${group}/dead/1`],
    ['DELETE', group],
    ['POST', '/v1/tickets'],
  ] as const) {
    const { problem } = await client.request(method, `${path}?bogus=1&a/b=2`)
    expect(
      problem.errors?.map(({ pointer }) => pointer),
      `${method} ${path}`,
    ).toEqual(['/bogus', '/a~1b'])
  }
})
