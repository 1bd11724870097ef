import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { Collector } from './collector.ts'
import { answer, Receiver } from './receiver.ts'
import { eventually, Whole } from './whole.ts'

const caller = { trace: '0af7651916cd43dd8448eb211c80319c', span: 'b7ad6b7169203331' }
const traceparent = `00-${caller.trace}-${caller.span}-01`
const quick = { retry: { schedule: ['10ms', '10ms'] } }

let receiver: Receiver
let whole: Whole
let events = 0

beforeEach(async () => {
  receiver = await Receiver.start()
})
afterEach(() => receiver.close())

function structured(type: string, more: object = {}): string {
  return JSON.stringify({ specversion: '1.0', id: `t${++events}`, type, source: '/shop', data: { n: 1 }, ...more })
}

async function publish(body: string, headers: Record<string, string> = {}, type = 'application/cloudevents+json') {
  const answered = await whole.client.publish('orders', body, type, { headers })
  expect(answered.status).toBe(200)
}

async function attributesOf(type: string): Promise<Record<string, unknown>> {
  const read = await whole.client.get(`/v1/topics/orders/events?from=earliest&type=${type}`)
  return read.json<{ events: { event: Record<string, unknown> }[] }>().events[0]!.event
}

async function subscribe(type: string, more: object = {}): Promise<string> {
  return whole.subscribe(`${receiver.url}/hook?token=canary-query`, { filters: [{ exact: { type } }], ...more })
}

describe('where nothing is exported', () => {
  beforeAll(async () => {
    whole = await Whole.start()
  })
  afterAll(() => whole.stop())

  test('what a request carries goes on with its event, to readers and to endpoints, whatever the mode', async () => {
    for (const mode of ['structured', 'binary', 'data']) await subscribe('carried', { mode })
    await publish(structured('carried'), { traceparent, tracestate: 'vendor=1' })
    expect(await attributesOf('carried')).toMatchObject({ traceparent, tracestate: 'vendor=1' })
    await receiver.received(3)
    for (const { headers } of receiver.requests) {
      expect(headers).toMatchObject({ traceparent, tracestate: 'vendor=1' })
    }
  })

  test('a retry carries it too, out of its row', async () => {
    let left = 1
    receiver.script = (...given) => answer({ status: left-- > 0 ? 500 : 200 })(...given)
    await subscribe('again', { policy: quick })
    await publish(structured('again'), { traceparent })
    await receiver.received(2)
    expect(receiver.requests.map(({ headers }) => headers.traceparent)).toEqual([traceparent, traceparent])
  })

  test('an event keeps its own', async () => {
    const own = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-00`
    await publish(structured('own', { traceparent: own }), { traceparent, tracestate: 'vendor=1' })
    const event = await attributesOf('own')
    expect(event).toMatchObject({ traceparent: own })
    expect(event).not.toHaveProperty('tracestate')
  })

  test('without one, an event has none, and what is no context is not taken for one', async () => {
    await subscribe('bare')
    await publish(structured('bare'))
    await publish(structured('bare'), { traceparent: `00-${'0'.repeat(32)}-${caller.span}-01`, tracestate: 'a=1' })
    await receiver.received(2)
    for (const { headers, body } of receiver.requests) {
      expect(headers).not.toHaveProperty('traceparent')
      const { id: _, time: __, ...event } = JSON.parse(body.toString())
      expect(event).toEqual({ specversion: '1.0', type: 'bare', source: '/shop', data: { n: 1 } })
    }
  })

  test('every event of a batch and of a stream has it', async () => {
    await subscribe('several')
    await publish(
      `[${structured('several')},${structured('several')}]`,
      { traceparent },
      'application/cloudevents-batch+json',
    )
    await publish(`${structured('several')}\n`, { traceparent }, 'application/x-ndjson')
    await receiver.received(3)
    expect(receiver.requests.map(({ headers }) => headers.traceparent)).toEqual([traceparent, traceparent, traceparent])
  })
})

describe('where the environment names a collector', () => {
  let collector: Collector

  beforeAll(async () => {
    collector = await Collector.start()
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url)
    vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'x-team=gates')
    vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '20')
    whole = await Whole.start(process.env)
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    await whole.stop()
    await collector.close()
  })

  /** The attempts at a subscription, once there are so many. */
  async function attempts(subscription: string, count: number) {
    const theirs = () => {
      return collector
        .named('deliver orders')
        .filter(({ attributes }) => attributes['sluice.subscription'] === subscription)
    }
    return eventually(theirs, (found) => found.length === count)
  }

  test('a trace leads from the caller through the event to the receiver', async () => {
    const id = await subscribe('traced', { name: 'traced-one' })
    await publish(structured('traced'), { traceparent, tracestate: 'vendor=1' })
    await receiver.received(1)
    const [attempt] = await attempts(id, 1)
    const event = await attributesOf('traced')
    const [published] = collector
      .named('publish orders')
      .filter(({ spanId }) => String(event.traceparent).includes(spanId))

    expect(published).toMatchObject({ traceId: caller.trace, parentSpanId: caller.span, kind: 4, status: 0 })
    expect(published!.attributes).toMatchObject({
      'messaging.system': 'sluice',
      'messaging.operation.name': 'publish',
      'messaging.destination.name': 'orders',
      'messaging.message.id': event.id,
    })
    expect(event).toMatchObject({ traceparent: `00-${caller.trace}-${published!.spanId}-01`, tracestate: 'vendor=1' })
    expect(attempt).toMatchObject({ traceId: caller.trace, parentSpanId: published!.spanId, kind: 3, status: 0 })
    expect(attempt!.attributes).toMatchObject({
      'messaging.destination.name': 'orders',
      'messaging.destination.subscription.name': 'traced-one',
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'url.full': `${receiver.url}/hook`,
      'server.port': receiver.port,
      'sluice.attempt': 1,
      'sluice.outcome': 'succeeded',
      'sluice.delivery': receiver.requests[0]!.headers['webhook-id'],
    })
    expect(receiver.requests[0]!.headers).toMatchObject({
      traceparent: `00-${caller.trace}-${attempt!.spanId}-01`,
      tracestate: 'vendor=1',
    })
    expect(collector.resource).toMatchObject({ 'service.name': 'sluice' })
    expect(collector.headers[0]).toMatchObject({ 'x-team': 'gates' })
    expect(JSON.stringify(collector.spans)).not.toContain('canary')
    expect(whole.logged.join('\n')).toContain(`"trace":"${caller.trace}"`)
  })

  test('a trace begins here where the caller has none', async () => {
    const id = await subscribe('begun')
    await publish(structured('begun'))
    const [attempt] = await attempts(id, 1)
    const published = collector.spans.find(({ spanId }) => spanId === attempt!.parentSpanId)
    expect(published).toMatchObject({ name: 'publish orders', traceId: attempt!.traceId })
    expect(published!.parentSpanId ?? '').toBe('')
  })

  test('a retry begins a trace of its own, linked to that of the event', async () => {
    let left = 1
    receiver.script = (...given) => answer({ status: left-- > 0 ? 503 : 200 })(...given)
    const id = await subscribe('retried', { policy: quick })
    await publish(structured('retried', { traceparent }))
    const [first, second] = await attempts(id, 2)
    expect(first).toMatchObject({ traceId: caller.trace, parentSpanId: caller.span, status: 2 })
    expect(first!.attributes).toMatchObject({
      'error.type': '503',
      'http.response.status_code': 503,
      'sluice.outcome': 'parked',
      'sluice.stage': 'response',
    })
    expect(second!.traceId).not.toBe(caller.trace)
    expect(second!.links).toMatchObject([{ traceId: caller.trace, spanId: caller.span }])
    expect(second!.attributes).toMatchObject({ 'sluice.attempt': 2, 'http.request.resend_count': 1 })
    expect(receiver.requests[1]!.headers.traceparent).toBe(`00-${second!.traceId}-${second!.spanId}-01`)
  })

  test('what the caller does not sample is passed on and not exported, retries neither', async () => {
    let left = 1
    receiver.script = (...given) => answer({ status: left-- > 0 ? 503 : 200 })(...given)
    const trace = 'c'.repeat(32)
    await subscribe('unsampled', { policy: quick })
    await publish(structured('unsampled'), { traceparent: `00-${trace}-${caller.span}-00` })
    await receiver.received(2)
    for (const { headers } of receiver.requests)
      expect(headers.traceparent).toMatch(new RegExp(`^00-${trace}-.{16}-00$`))
    // A later one that is sampled shows that everything before it was exported.
    const id = await subscribe('after')
    await publish(structured('after'))
    await attempts(id, 1)
    expect(collector.spans.filter(({ traceId }) => traceId === trace)).toEqual([])
  })

  test('a publish that is refused says why', async () => {
    const trace = 'd'.repeat(32)
    const headers = { traceparent: `00-${trace}-${caller.span}-01` }
    const refused = await whole.client.publish('orders', '{"specversion":"1.0"}', 'application/cloudevents+json', {
      headers,
    })
    expect(refused.status).toBe(400)
    const [span] = await eventually(
      () => collector.spans.filter(({ traceId }) => traceId === trace),
      (found) => found.length === 1,
    )
    expect(span).toMatchObject({ status: 2, attributes: { 'error.type': 'invalid_argument' } })
  })
})

describe('where the collector', () => {
  afterEach(() => vi.unstubAllEnvs())

  test('cannot be reached, deliveries go on, it is told once, and stopping does not wait', async () => {
    const gone = await Collector.start()
    vi.stubEnv('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', `${gone.url}/v1/traces`)
    vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '10')
    vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', '300')
    await gone.close()
    whole = await Whole.start(process.env)
    await subscribe('plain')
    for (let i = 0; i < 20; i++) await publish(structured('plain'))
    await receiver.received(20)
    const told = () => whole.logged.filter((line) => line.includes('Traces cannot be exported'))
    await eventually(told, (lines) => lines.length > 0)
    await publish(structured('plain'))
    await receiver.received(21)
    const began = performance.now()
    await whole.stop()
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(told()).toHaveLength(1)
  })

  test('is there, what is left is exported when the gateway stops', async () => {
    const collector = await Collector.start()
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url)
    vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '600000')
    vi.stubEnv('OTEL_SERVICE_NAME', 'gate')
    whole = await Whole.start(process.env)
    await subscribe('last')
    await publish(structured('last'))
    await receiver.received(1)
    expect(collector.spans).toEqual([])
    await whole.stop()
    expect(collector.spans.map(({ name }) => name).sort()).toEqual(['deliver orders', 'publish orders'])
    expect(collector.resource).toMatchObject({ 'service.name': 'gate' })
    await collector.close()
  })
})
