import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { exchange } from '../fixtures/raw-http.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({ creates: true })
})
afterAll(() => gateway.stop())

/** A publish, with just these headers. */
const publish = (headers: string) =>
  exchange(
    gateway.url,
    `POST /v1/topics/t/events HTTP/1.1\r\n${headers}content-length: 1\r\nconnection: close\r\n\r\n1`,
  )
const get = (path: string, headers: string) =>
  exchange(gateway.url, `GET ${path} HTTP/1.1\r\n${headers}connection: close\r\n\r\n`)

describe('without keys', () => {
  test.each(['localhost', '127.0.0.1', '[::1]', 'LOCALHOST', 'localhost:8080', '127.0.0.1:1', '[::1]:65535'])(
    'the host %s is this machine',
    async (host) => {
      expect((await publish(`host: ${host}\r\n`)).status).toBe(200)
    },
  )

  test.each([
    'example.com',
    'localhost.example.com',
    'example.com:8080',
    '127.0.0.1.example.com',
    'localhost.',
    'metadata.google.internal',
    '169.254.169.254',
    '0.0.0.0',
    '127.0.0.2',
    '2130706433',
    '[::]',
    '[::ffff:127.0.0.1]',
    'localhost:8080.example.com',
    'user@localhost',
    '',
  ])('the host %j is not: every path is refused', async (host) => {
    for (const path of ['/v1/topics', '/healthz', '/openapi.json', '/docs', '/metrics', '/nowhere', '/v1/hooks/x']) {
      const answer = await get(path, `host: ${host}\r\n`)
      expect([403, 400], `${path}: ${answer.text}`).toContain(answer.status)
    }
    expect([403, 400]).toContain((await publish(`host: ${host}\r\n`)).status)
  })

  test.each([
    'http://example.com',
    'https://localhost.example.com',
    'null',
    'http://169.254.169.254',
    'file://',
    'chrome-extension://x',
  ])('a page of %s is not let in', async (origin) => {
    const headers = `host: localhost\r\norigin: ${origin}\r\n`
    expect((await publish(headers)).status).toBe(403)
    expect((await get('/v1/topics', headers)).status).toBe(403)
    expect((await get('/nowhere', headers)).status).toBe(403)
  })

  test.each(['http://localhost:3000', 'http://127.0.0.1', 'https://[::1]:8443'])('a page of %s is', async (origin) => {
    expect((await publish(`host: localhost\r\norigin: ${origin}\r\n`)).status).toBe(200)
  })

  test('nothing is said about other origins', async () => {
    const headers = 'host: localhost\r\norigin: http://localhost:3000\r\n'
    for (const answer of [await publish(headers), await get('/v1/topics', headers)]) {
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([])
    }
    const preflight = await exchange(
      gateway.url,
      `OPTIONS /v1/topics/t/events HTTP/1.1\r\n${headers}access-control-request-method: POST\r\nconnection: close\r\n\r\n`,
    )
    expect(preflight.status).toBe(405)
    expect([...preflight.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([])
  })

  test('metrics and brokers are for whoever is here', async () => {
    expect((await gateway.client.get('/metrics')).status).toBe(200)
    expect((await gateway.client.get('/v1/brokers')).status).toBe(200)
  })

  test('a key is not asked for, and not looked at', async () => {
    expect((await gateway.client.get('/v1/topics', { authorization: 'Bearer slk_wrong' })).status).toBe(200)
  })
})
