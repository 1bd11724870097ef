import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contractOf } from '../fixtures/client.ts'
import type { Problem } from '../fixtures/contract.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { exchange, RawConnection } from '../fixtures/raw-http.ts'
import { cloudEvent, entriesOf, until } from './events.ts'

let gateway: TestGateway
let topic: string
beforeAll(async () => {
  gateway = await startTestGateway({
    limits: { idle: '800ms', event: '64KiB', batchBytes: '256KiB', inFlightBytes: '4MiB' },
  })
  topic = await gateway.topic()
})
afterAll(() => gateway.stop())

const codeOf = (text: string): string => (JSON.parse(text) as Problem).code
const types = ['text/plain', 'application/cloudevents+json', 'application/cloudevents-batch+json'] as const
const head = (more: string, type = 'text/plain'): string =>
  `POST /v1/topics/${topic}/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\n${more}\r\n`

describe('a body that is too large', () => {
  test.each(types)('by its length is refused before it is sent (%s)', async (type) => {
    for (const length of [2 ** 20, 2 ** 32, 2 ** 50]) {
      const answer = await exchange(gateway.url, head(`content-length: ${length}\r\n`, type))
      expect(answer.status).toBe(413)
      expect(codeOf(answer.text)).toBe('too_large')
    }
  })

  test.each(types)('in chunks is refused when it is, and not taken any further (%s)', async (type) => {
    const connection = await RawConnection.open(gateway.url)
    connection.write(head('transfer-encoding: chunked\r\n', type))
    const chunk = Buffer.from(`4000\r\n${'x'.repeat(0x4000)}\r\n`)
    let sent = 0
    while (connection.text === '' && !connection.ended && sent < 1 << 28) {
      const more = connection.socket.write(chunk)
      sent += chunk.length
      // Nothing is sent on while nothing is taken: what the gateway reads is what this counts, and what is in between.
      if (!more)
        await Promise.race([new Promise((r) => connection.socket.once('drain', r)), connection.until((t) => t !== '')])
      else await new Promise((resolve) => setImmediate(resolve))
    }
    const answer = await connection.answer('POST', '/')
    ;(await contractOf(gateway.url)).check(answer)
    expect(answer.status).toBe(413)
    expect(sent).toBeLessThan(32 << 20)
    await connection.end()
  })

  test('at the limit is taken, one byte more is not', async () => {
    const bare = (await gateway.client.publish(topic, '', 'text/plain')).status
    expect(bare).toBe(200)
    for (const [more, status] of [
      [0, 200],
      [1, 413],
    ] as const) {
      // What the attributes take is found by the size that is refused; here they are all given.
      const attributes = {
        specversion: '1.0',
        id: 'i',
        source: '/s',
        type: 't',
        time: '2026-01-01T00:00:00Z',
        datacontenttype: 'text/plain',
      }
      const size = Object.entries(attributes).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
      const body = 'x'.repeat((64 << 10) - size + more)
      const query = '?id=i&source=/s&type=t&time=2026-01-01T00:00:00Z'
      expect((await gateway.client.publish(topic, body, 'text/plain', { query })).status).toBe(status)
    }
  })

  test('where JSON is taken, too', async () => {
    const path = `/v1/topics/${topic}/groups/g`
    const request = `PUT ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n`
    expect((await exchange(gateway.url, request)).status).toBe(413)
  })
})

describe('a body that stalls', () => {
  test.each([
    ['with a length', 'content-length: 100\r\n', 'x'],
    ['in chunks', 'transfer-encoding: chunked\r\n', '1\r\nx\r\n'],
    ['before its first byte', 'content-length: 100\r\n', ''],
  ])('%s is given up, with a problem', async (_, headers, part) => {
    const contract = await contractOf(gateway.url)
    const stalled = types.map(async (type) => {
      const connection = await RawConnection.open(gateway.url)
      connection.write(head(headers, type) + part)
      const answer = await connection.answer('POST', '/')
      contract.check(answer)
      expect(answer.status).toBe(400)
      expect(answer.text).toContain('stalled')
      await connection.end()
    })
    await Promise.all(stalled)
  })

  test('is not one that flows, however slowly', async () => {
    const connection = await RawConnection.open(gateway.url)
    connection.write(head('content-length: 12\r\nconnection: close\r\n'))
    for (let i = 0; i < 12; i++) {
      connection.write('x')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect((await connection.answer('POST', '/')).status).toBe(200)
    connection.close()
  })

  test('and one that is broken off, store nothing', async () => {
    const own = await gateway.topic()
    for (const part of ['', 'x'.repeat(50)]) {
      const connection = await RawConnection.open(gateway.url)
      connection.write(head('content-length: 100\r\n').replace(topic, own) + part)
      await new Promise((resolve) => setTimeout(resolve, 20))
      connection.close()
    }
    await gateway.client.structured(own, cloudEvent('after'))
    expect((await entriesOf(gateway.client, own)).map(({ event }) => event.id)).toEqual(['after'])
  })
})

describe('many slow clients', () => {
  async function many(count: number, request: string): Promise<RawConnection[]> {
    const connections: RawConnection[] = []
    for (let left = count; left > 0; left -= 100) {
      connections.push(
        ...(await Promise.all(Array.from({ length: Math.min(left, 100) }, () => RawConnection.open(gateway.url)))),
      )
    }
    for (const connection of connections) if (request !== '') connection.write(request)
    return connections
  }

  test('1,000 idle connections do not stop a publish', async () => {
    const connections = await many(1000, '')
    try {
      expect((await gateway.client.structured(topic, cloudEvent('a'))).status).toBe(200)
      expect(connections.filter(({ ended }) => ended).length).toBe(0)
    } finally {
      for (const connection of connections) connection.close()
    }
  }, 60_000)

  test('1,000 that have begun a request and go no further do not, either', async () => {
    const connections = await many(1000, head('content-length: 60000\r\n').slice(0, 60))
    try {
      expect((await gateway.client.structured(topic, cloudEvent('a'))).status).toBe(200)
    } finally {
      for (const connection of connections) connection.close()
    }
  }, 60_000)

  test.each([
    ['a large body', 'content-length: 60000\r\n', 'text/plain'],
    ['chunks', 'transfer-encoding: chunked\r\n', 'application/cloudevents-batch+json'],
    ['lines', 'transfer-encoding: chunked\r\n', 'application/x-ndjson'],
  ])(
    'nor do those that announce %s and send none of it',
    async (_, headers, type) => {
      const patient = await startTestGateway({
        limits: { event: '64KiB', batchBytes: '256KiB', inFlightBytes: '4MiB' },
      })
      const there = await patient.topic()
      const connections = await Promise.all(Array.from({ length: 200 }, () => RawConnection.open(patient.url)))
      try {
        const request = head(headers, type).replace(topic, there)
        for (const connection of connections) connection.write(request)
        // Each has been looked at once one that came after them was answered.
        await patient.client.get('/healthz')
        for (const [body, media] of [
          ['x', 'text/plain'],
          [JSON.stringify([cloudEvent('b')]), 'application/cloudevents-batch+json'],
          [JSON.stringify(cloudEvent('c')), 'application/x-ndjson'],
        ] as const) {
          expect((await patient.client.publish(there, body, media)).status, media).toBe(200)
        }
      } finally {
        for (const connection of connections) connection.close()
        await patient.stop()
      }
    },
    60_000,
  )

  test('what all of them hold is bounded; beyond it is 503, and there is room again', async () => {
    const body = 'x'.repeat(60_000)
    const connections = await Promise.all(Array.from({ length: 100 }, () => RawConnection.open(gateway.url)))
    for (const connection of connections) connection.write(head(`content-length: ${body.length}\r\n`) + body.slice(1))
    const answers = await Promise.all(connections.map((connection) => connection.answer('POST', '/')))
    const statuses = new Set(answers.map(({ status }) => status))
    expect(statuses).toEqual(new Set([400, 503]))
    for (const answer of answers) if (answer.status === 503) expect(answer.headers.get('retry-after')).toBe('1')
    for (const connection of connections) connection.close()
    await until(async () => (await gateway.client.publish(topic, body, 'text/plain')).status === 200)
  }, 60_000)
})
