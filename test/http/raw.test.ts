import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contractOf } from '../fixtures/client.ts'
import type { Problem } from '../fixtures/contract.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { exchange, RawConnection } from '../fixtures/raw-http.ts'
import { entriesOf } from './events.ts'

let gateway: TestGateway
const topic = 'raw'
beforeAll(async () => {
  gateway = await startTestGateway()
  await gateway.topic({}, topic)
})
// Whatever was thrown at it: it goes on, and stored nothing of it.
afterAll(async () => {
  const entries = await entriesOf(gateway.client, topic)
  await gateway.stop()
  expect(entries).toEqual([])
})

const codeOf = (text: string): string => (JSON.parse(text) as Problem).code
const publish = (headers: string, body = '{}'): string =>
  `POST /v1/topics/${topic}/events HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n${body}`

describe('what is no HTTP', () => {
  test.each([
    ['nonsense', 'nonsense\r\n\r\n'],
    [
      'TLS',
      Uint8Array.from([0x16, 0x03, 0x01, 0x00, 0xc8, 0x01, 0x00, 0x00, 0xc4, 0x03, 0x03, 0x0d, 0x0a, 0x0d, 0x0a]),
    ],
    ['another protocol', 'SSH-2.0-x\r\n\r\n'],
    ['a version that is none', 'GET / HTTP/9.9\r\nhost: localhost\r\n\r\n'],
    ['HTTP/2 in the clear', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a header without a colon', 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nnonsense\r\n\r\n'],
    ['a space before the colon', 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nx : y\r\n\r\n'],
    ['a header with an empty name', 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n: y\r\n\r\n'],
    ['a header with a NUL', 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: \u0000\r\n\r\n'],
    ['a folded header', 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: a\r\n b\r\n\r\n'],
    ['a bare line feed in a header', 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: a\ny: b\r\n\r\n'],
    ['a space in the address', 'GET /health z HTTP/1.1\r\nhost: localhost\r\n\r\n'],
    ['a method that is none', 'G@T /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n'],
    ['a length and chunks', publish('content-length: 2\r\ntransfer-encoding: chunked\r\n', '2\r\n{}\r\n0\r\n\r\n')],
    ['chunks, and then another coding', publish('transfer-encoding: chunked, gzip\r\n')],
    ['chunked twice', publish('transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n', '2\r\n{}\r\n0\r\n\r\n')],
    ['two lengths', publish('content-length: 2\r\ncontent-length: 3\r\n')],
    ['two lengths that agree', publish('content-length: 2\r\ncontent-length: 2\r\n')],
    ['a list of lengths', publish('content-length: 2, 2\r\n')],
    ['a negative length', publish('content-length: -2\r\n')],
    ['a length with a sign', publish('content-length: +2\r\n')],
    ['a length in hexadecimal', publish('content-length: 0x2\r\n')],
    ['a length beyond all bounds', publish(`content-length: ${'9'.repeat(30)}\r\n`)],
    [
      'a chunk whose size is none',
      publish('content-type: application/json\r\ntransfer-encoding: chunked\r\n', 'zz\r\n{}\r\n0\r\n\r\n'),
    ],
    [
      'a chunk without its end',
      publish('content-type: application/json\r\ntransfer-encoding: chunked\r\n', '2\r\n{}xx0\r\n\r\n'),
    ],
    ['a chunk whose size has no bound', publish('transfer-encoding: chunked\r\n', `${'f'.repeat(20)}\r\n{}`)],
  ])('is refused with a problem, and the connection ends: %s', async (_, request) => {
    const connection = await RawConnection.open(gateway.url)
    connection.write(request)
    const answer = await connection.answer('POST', '/raw')
    ;(await contractOf(gateway.url)).check(answer)
    expect(answer.status).toBe(400)
    expect(codeOf(answer.text)).toBe('invalid_argument')
    await connection.end()
  })

  test('an address that is none, or nobody’s', async () => {
    for (const target of [
      '//',
      '/%',
      '/%zz',
      '/v1/topics/%',
      '/v1/topics/%ff/events',
      '/\\..\\x',
      '/..;/x',
      '/v1//topics',
      '/v1/topics/',
    ]) {
      const answer = await exchange(
        gateway.url,
        `GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
      )
      expect([400, 404], target).toContain(answer.status)
    }
    for (const line of ['OPTIONS *', 'GET http://[', 'TRACE /healthz']) {
      const connection = await RawConnection.open(gateway.url)
      connection.write(`${line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
      const [method = '', target = ''] = line.split(' ')
      const answer = await connection.answer(method, target)
      expect(answer.status, `${line}: ${answer.text}`).toBeGreaterThanOrEqual(400)
      ;(await contractOf(gateway.url)).check(answer)
      connection.close()
    }
  })

  test('a tunnel is not made', async () => {
    const connection = await RawConnection.open(gateway.url)
    connection.write('CONNECT localhost:1 HTTP/1.1\r\nhost: localhost:1\r\n\r\n')
    await connection.end()
    expect(connection.text).not.toContain('HTTP/1.1 2')
  })
})

test('a request without a host', async () => {
  const answer = await exchange(gateway.url, 'GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n')
  expect([answer.status, codeOf(answer.text)]).toEqual([400, 'invalid_argument'])
})

describe('a header that may be there once', () => {
  test.each([
    'host',
    'ce-id',
    'ce-type',
    'ce-myext',
    'ce-specversion',
    'content-type',
    'idempotency-key',
    'authorization',
  ])('%s', async (name) => {
    const binary = 'ce-specversion: 1.0\r\nce-type: t\r\ncontent-type: text/plain\r\nconnection: close\r\n'
    const others = binary.replace(new RegExp(`${name}: .*\r\n`), '')
    const value = name === 'content-type' ? 'text/plain' : '1.0'
    const twice = `${name}: ${value}\r\n${name.toUpperCase()}: ${value}\r\n`
    const answer = await exchange(gateway.url, publish(`${others}${twice}content-length: 1\r\n`, 'x'))
    expect(answer.status).toBe(400)
    expect(answer.text).toContain(name)
  })
})

describe('too many or too large headers', () => {
  const request = (headers: string): string =>
    `GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${headers}\r\n`
  const many = (count: number): string => Array.from({ length: count }, (_, i) => `x-${i}: y\r\n`).join('')

  test('are 431 with a body: their number', async () => {
    expect((await exchange(gateway.url, request(many(98)))).status).toBe(200)
    for (const count of [99, 1000, 2500]) {
      const answer = await exchange(gateway.url, request(many(count)))
      expect(answer.status, `${count} headers`).toBe(431)
      expect(codeOf(answer.text)).toBe('headers_too_large')
    }
  })

  test('are 431 with a body: their bytes', async () => {
    expect((await exchange(gateway.url, request(`x: ${'y'.repeat(15_000)}\r\n`))).status).toBe(200)
    for (const headers of [
      `x: ${'y'.repeat(17_000)}\r\n`,
      `x: ${'y'.repeat(200_000)}\r\n`,
      `${'x'.repeat(17_000)}: y\r\n`,
    ]) {
      const answer = await exchange(gateway.url, request(headers))
      expect(answer.status).toBe(431)
      expect(codeOf(answer.text)).toBe('headers_too_large')
    }
    const line = await exchange(gateway.url, `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
    expect(line.status).toBe(431)
  })

  test('also where they come slowly', async () => {
    const connection = await RawConnection.open(gateway.url)
    connection.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n')
    for (let i = 0; i < 40 && connection.text === ''; i++) {
      connection.write(`x-${i}: ${'y'.repeat(500)}\r\n`)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    expect((await connection.answer('GET', '/healthz')).status).toBe(431)
    connection.close()
  })

  test('where the platform does not count, the app does', async () => {
    const own = await startTestGateway({ countsHeaders: true, limits: { headerBytes: '16KiB', headerCount: 20 } })
    try {
      const headers = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`x-${i}`, 'y']))
      expect((await own.client.get('/healthz', headers)).problem.code).toBe('headers_too_large')
      expect((await own.client.get('/healthz')).status).toBe(200)
    } finally {
      await own.stop()
    }
  })
})

describe('one connection', () => {
  test('answers what was sent ahead in order', async () => {
    const connection = await RawConnection.open(gateway.url)
    const paths = ['/healthz', '/nowhere', '/readyz', '/problems/conflict', '/v1/topics']
    connection.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`).join(''))
    const contract = await contractOf(gateway.url)
    for (const path of paths) {
      const answer = await connection.answer('GET', path)
      contract.check(answer)
      expect(answer.status).toBe(path === '/nowhere' ? 404 : 200)
    }
    connection.close()
  })

  test('goes on after a refusal that left nothing unread', async () => {
    const connection = await RawConnection.open(gateway.url)
    connection.write(publish('content-type: application/json\r\ncontent-length: 1\r\n', '{'))
    expect((await connection.answer('POST', '/')).status).toBe(400)
    connection.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
    expect((await connection.answer('GET', '/healthz')).status).toBe(200)
    connection.close()
  })

  test('an expectation is met before the body, or refused', async () => {
    const connection = await RawConnection.open(gateway.url)
    connection.write(publish('content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 1\r\n', ''))
    expect(await connection.until((text) => text.startsWith('HTTP/1.1 100'))).toBe(true)
    connection.write('{')
    expect((await connection.answer('POST', '/')).status).toBe(400)
    connection.close()
    const answer = await exchange(gateway.url, publish('expect: tea\r\nconnection: close\r\ncontent-length: 1\r\n', ''))
    expect(answer.status).toBe(400)
  })

  test('of HTTP/1.0 is answered and ends', async () => {
    const connection = await RawConnection.open(gateway.url)
    connection.write('GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n')
    expect((await connection.answer('GET', '/healthz')).status).toBe(200)
    await connection.end()
  })
})
