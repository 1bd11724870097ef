import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { exchange } from '../fixtures/raw-http.ts'
import { batchType, cloudEvent, type Entry, ndjsonType, type Page, pagesOf, structuredType } from './events.ts'

// The limits of api.md, "Limits and defaults", where nothing is configured.
let gateway: TestGateway
let client: Client
let topic: string
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
  topic = await gateway.topic()
})
afterAll(() => gateway.stop())

const mebibyte = 1 << 20
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

describe('by default', () => {
  test('an event has a mebibyte, attributes included', async () => {
    expect((await client.publish(topic, 'x'.repeat(mebibyte - 500), 'text/plain')).status).toBe(200)
    expect((await client.publish(topic, 'x'.repeat(mebibyte - 10), 'text/plain')).problem.code).toBe('too_large')
    expect((await client.structured(topic, cloudEvent('a', { data: 'x'.repeat(mebibyte) }))).problem.code).toBe(
      'too_large',
    )
    // Escapes and base64 take more on the way than in the event.
    const data = Buffer.alloc(1_000_000, 1).toString('base64')
    expect(data.length).toBeGreaterThan(mebibyte)
    expect((await client.structured(topic, cloudEvent('b', { data_base64: data }))).status).toBe(200)
  })

  test('a batch has 1,000 events and 16 MiB', async () => {
    const events = Array.from({ length: 1001 }, (_, i) => cloudEvent(`e-${i}`))
    expect((await client.batch(topic, events)).problem.code).toBe('too_large')
    expect((await client.batch(topic, events.slice(1))).status).toBe(200)
    const head = (length: number): string =>
      `POST /v1/topics/${topic}/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${batchType}\r\ncontent-length: ${length}\r\n\r\n`
    expect((await exchange(gateway.url, head(16 * mebibyte + 1))).status).toBe(413)
  })

  test('a line has a mebibyte', async () => {
    const line = (size: number): string => `${JSON.stringify(cloudEvent('l', { data: 'x'.repeat(size) }))}\n`
    const answer = await client.publish(topic, line(mebibyte - 300) + line(mebibyte), ndjsonType)
    expect(answer.lines().slice(0, 2)).toMatchObject([
      { status: 'stored' },
      { status: 'failed', error: { code: 'too_large' } },
    ])
  })

  test('JSON has 64 levels', async () => {
    expect((await client.publish(topic, nested(64), 'application/json')).status).toBe(200)
    expect((await client.publish(topic, nested(65), 'application/json')).status).toBe(400)
    const enveloped = (levels: number): string => `{"specversion":"1.0","type":"t","data":${nested(levels)}}`
    expect((await client.publish(topic, enveloped(63), structuredType)).status).toBe(200)
    expect((await client.publish(topic, enveloped(64), structuredType)).status).toBe(400)
    expect((await client.publish(topic, `[${enveloped(63)}]`, batchType)).status).toBe(200)
    expect((await client.publish(topic, `[${enveloped(64)}]`, batchType)).status).toBe(400)
  })

  test('a delay has seven days', async () => {
    expect((await client.structured(topic, cloudEvent('d'), '?delay=7d')).status).toBe(200)
    expect((await client.structured(topic, cloudEvent('d'), '?delay=8d')).problem.errors).toMatchObject([
      { pointer: '/delay' },
    ])
  })

  test('a lease has 30 seconds, and an event 16 attempts', async () => {
    expect((await client.put(`/v1/topics/${topic}/groups/g`)).json()).toMatchObject({ lease: '30s', maxAttempts: 16 })
  })
})

describe('a page of JSON', () => {
  test('ends early where events are large, and the next goes on', async () => {
    const large = await gateway.topic()
    const data = 'x'.repeat(900_000)
    const ids = Array.from({ length: 22 }, (_, i) => `e-${i}`)
    for (const id of ids) await client.structured(large, cloudEvent(id, { data }))
    const pages = await pagesOf(client, large)
    expect(pages.length).toBeGreaterThan(2)
    expect(pages.flatMap(({ events }) => events.map(({ event }) => event.id))).toEqual(ids)
    for (const page of pages) expect(JSON.stringify(page).length).toBeLessThan(17 << 20)
  }, 60_000)

  test('looks at a bounded part of the log: it may be empty, and the next goes on', async () => {
    const long = await gateway.topic({ dedupWindowMs: 0 })
    const batch = `[${Array.from({ length: 1000 }, () => '{"specversion":"1.0","type":"a"}').join(',')}]`
    // More than it looks at, by more than the broker hands over at once.
    for (let i = 0; i < 35; i++) await client.publish(long, batch, batchType)
    await client.structured(long, cloudEvent('wanted', { type: 'b' }))
    const page = async (from: string): Promise<Page> =>
      (await client.get(`/v1/topics/${long}/events?type=b&from=${encodeURIComponent(from)}`)).json<Page>()
    const first = await page('earliest')
    expect(first.events).toEqual([])
    const second = await page(first.next)
    expect(second.events.map(({ event }) => event.id)).toEqual(['wanted'])
    // Lines have no pages.
    const lines = await client.get(`/v1/topics/${long}/events?from=earliest&type=b`, { accept: ndjsonType })
    expect(lines.lines<Entry>().map(({ event }) => event?.id)).toEqual(['wanted', undefined])
  }, 60_000)
})
