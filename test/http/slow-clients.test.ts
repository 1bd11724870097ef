import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { RawConnection } from '../fixtures/raw-http.ts'
import { cloudEvent, type Entry, idsOf, ndjsonType } from './events.ts'

let gateway: TestGateway
let begun: { readonly at: number; readonly connection: RawConnection }
beforeAll(async () => {
  gateway = await startTestGateway({ limits: { idle: '500ms' } })
  // It takes ten seconds, while the others run.
  const connection = await RawConnection.open(gateway.url)
  connection.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: ')
  begun = { at: Date.now(), connection }
  // The platform tells the console of every answer that is broken off.
  vi.spyOn(console, 'error').mockImplementation(() => {})
})
afterAll(async () => {
  vi.restoreAllMocks()
  await gateway.stop()
})

describe('a client that reads nothing', () => {
  test('of a live read is dropped, and resumes from its last cursor', async () => {
    const topic = await gateway.topic()
    const data = 'x'.repeat(500_000)
    const fill = async (from: number, to: number): Promise<void> => {
      for (let i = from; i < to; i++) await gateway.client.structured(topic, cloudEvent(`e-${i}`, { data }))
    }
    const connection = await RawConnection.open(gateway.url)
    connection.socket.pause()
    connection.write(
      `GET /v1/topics/${topic}/events?from=earliest HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n`,
    )
    // More than what the buffers on the way take.
    await fill(0, 60)
    await new Promise((resolve) => setTimeout(resolve, 1000))
    connection.socket.resume()
    await connection.end()
    const ids = [...connection.text.matchAll(/^id: (.+)\ndata: .*"id":"(e-\d+)".*\n\n/gm)]
    const [last, cursor, id] = ids.at(-1)!
    expect(last.length).toBeGreaterThan(500_000)
    const next = Number(id?.slice(2)) + 1
    expect(next, 'what it had not read was not sent').toBeLessThan(60)
    const target = `/v1/topics/${topic}/events?from=${encodeURIComponent(cursor!)}`
    const rest = (await gateway.client.get(target, { accept: ndjsonType })).lines<Entry>()
    expect(rest.slice(0, -1).map((entry) => entry.event.id)).toEqual(
      Array.from({ length: 60 - next }, (_, i) => `e-${next + i}`),
    )
  }, 60_000)

  test('of its receipts is dropped, and what it published is there', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 0 })
    const connection = await RawConnection.open(gateway.url)
    connection.socket.pause()
    const request = `POST /v1/topics/${topic}/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n`
    connection.write(`${request}transfer-encoding: chunked\r\n\r\n`)
    // A long id makes a long receipt out of a short line.
    const lines = Array.from(
      { length: 20 },
      (_, i) => `${JSON.stringify(cloudEvent(`${i}-${'x'.repeat(3000)}`))}\n`,
    ).join('')
    const chunk = `${lines.length.toString(16)}\r\n${lines}\r\n`
    let sent = 0
    while (!connection.socket.destroyed && sent < 100_000_000) {
      const flushed = connection.socket.write(chunk)
      sent += chunk.length
      if (!flushed) {
        await new Promise<void>((resolve) => {
          connection.socket.once('drain', resolve)
          connection.socket.once('close', resolve)
        })
      }
    }
    expect(sent, 'it was cut off before everything was sent').toBeLessThan(100_000_000)
    expect((await idsOf(gateway.client, topic)).length).toBeGreaterThan(0)
    connection.close()
  }, 60_000)
})

test('headers that do not come within ten seconds are given up', async () => {
  const { at, connection } = begun
  await connection.end()
  expect(Date.now() - at).toBeLessThan(20_000)
  const [status = ''] = connection.text.split('\r\n', 1)
  expect(status).toContain('400')
  expect(connection.text).toContain('application/problem+json')
}, 30_000)
