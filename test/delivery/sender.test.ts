import { connect, Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { Parcel } from '../../src/core/parcel.ts'
import { Origins } from '../../src/webhook/origins.ts'
import { retryAfterMs } from '../../src/webhook/retry-after.ts'
import { answer, drip, hang, raw, reset, type Script } from './receiver.ts'
import { newReceiver, newSender, order, send, subscriptionOf } from './sending.ts'

describe('what is sent', () => {
  test('structured: the event in the JSON format, byte for byte', async () => {
    const receiver = await newReceiver()
    const parcel = Parcel.ofEvent(order)
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const subscription = subscriptionOf(`${receiver.url}/hook?a=b`, { headers: { 'X-Tenant': 'one' } })
    const result = await send(newSender(), subscription, { parcel, attempt: 3, replay: 'rp1', trace: { traceparent } })
    expect(result).toEqual({ at: expect.any(Number), durationMs: expect.any(Number), status: 200 })
    const [request] = receiver.requests
    expect(request).toMatchObject({
      method: 'POST',
      path: '/hook?a=b',
      headers: {
        'content-type': 'application/cloudevents+json',
        'user-agent': 'Sluice/test',
        'x-tenant': 'one',
        'webhook-id': 'delivery',
        'webhook-attempt': '3',
        'webhook-replay': 'rp1',
        traceparent,
      },
    })
    expect(request!.body).toEqual(Buffer.from(parcel.bytes))
    expect(Number(request!.headers['webhook-timestamp'])).toBeCloseTo(Date.now() / 1000, -2)
    for (const name of ['accept-encoding', 'accept', 'authorization', 'expect']) {
      expect(request!.headers).not.toHaveProperty(name)
    }
  })

  test('binary: attributes in headers, percent-encoded, and data as it is', async () => {
    const receiver = await newReceiver()
    const data = Buffer.from([0, 255, 128, 10])
    const attributes = {
      ...order.attributes,
      datacontenttype: 'application/octet-stream; a=b',
      subject: 'Euro € 😀 "x" 100%~!',
      flag: true,
      count: -1,
    }
    const subscription = subscriptionOf(receiver.url, { mode: 'binary' })
    await send(newSender(), subscription, { parcel: Parcel.ofEvent({ attributes, data }) })
    const { headers, body } = receiver.requests[0]!
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream; a=b',
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/orders',
      'ce-type': 'placed',
      // The example of the HTTP binding, section 3.1.3.2, and more.
      'ce-subject': 'Euro%20%E2%82%AC%20%F0%9F%98%80%20%22x%22%20100%25~!',
      'ce-flag': 'true',
      'ce-count': '-1',
    })
    expect(headers).not.toHaveProperty('ce-datacontenttype')
    expect(body).toEqual(data)
  })

  test('data: data as it is, and no attribute', async () => {
    const receiver = await newReceiver()
    await send(newSender(), subscriptionOf(receiver.url, { mode: 'data' }))
    const { headers, body } = receiver.requests[0]!
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'webhook-id': 'delivery' })
    expect(Object.keys(headers).filter((name) => name.startsWith('ce-'))).toEqual([])
    expect(body).toEqual(order.data)
  })

  test('without a content type data is JSON where it is; without data there is no body', async () => {
    const receiver = await newReceiver()
    const { datacontenttype: _, ...attributes } = order.attributes
    const sender = newSender()
    const events = [
      { attributes, data: Buffer.from('[1]') },
      { attributes, data: Buffer.from([1]) },
      { attributes },
      { attributes: { ...attributes, datacontenttype: 'text/plain; x=ü' }, data: Buffer.from('a') },
    ]
    for (const mode of ['binary', 'data'] as const) {
      receiver.requests.length = 0
      const subscription = subscriptionOf(receiver.url, { mode })
      for (const event of events) await send(sender, subscription, { parcel: Parcel.ofEvent(event) })
      const types = receiver.requests.map(({ headers }) => headers['content-type'])
      expect(types).toEqual(['application/json', undefined, undefined, 'text/plain'])
      expect(receiver.requests[2]!.headers['content-length']).toBe('0')
    }
  })

  test('a user-agent of the subscription replaces ours', async () => {
    const receiver = await newReceiver()
    await send(newSender(), subscriptionOf(receiver.url, { headers: { 'User-Agent': 'mine' } }))
    expect(receiver.requests[0]!.rawHeaders.filter((name) => /^user-agent$/i.test(name))).toHaveLength(1)
    expect(receiver.requests[0]!.headers['user-agent']).toBe('mine')
  })

  test('an event that cannot be read is not sent', async () => {
    const receiver = await newReceiver()
    const parcel = Parcel.ofBytes(Buffer.from('{"broken'))
    const result = await send(newSender(), subscriptionOf(receiver.url, { mode: 'data' }), { parcel })
    expect(result).toMatchObject({ stage: 'gateway', error: 'The event could not be made into a request.' })
    expect(receiver.requests).toHaveLength(0)
  })

  test.each([
    ['an id with a dot', { id: 'a.b' }, {}],
    ['no valid secret', {}, { secrets: [] }],
    ['a secret that is none', {}, { secrets: [{ secret: 'whsec_' }] }],
    ['a header that is reserved', {}, { headers: { Host: 'example.com' } }],
    ['a header with a line break', {}, { headers: { 'x-a': 'b\r\nx-c: d' } }],
  ])('%s is not sent', async (_, outgoing, changes) => {
    const receiver = await newReceiver()
    const result = await send(newSender(), subscriptionOf(receiver.url, changes), outgoing)
    expect(result).toMatchObject({ stage: 'gateway', error: expect.any(String) })
    expect(receiver.requests).toHaveLength(0)
  })
})

describe('what comes back', () => {
  test.each([200, 201, 202, 204, 299])('%i is a success', async (status) => {
    const receiver = await newReceiver()
    receiver.script = answer({ status, headers: { 'retry-after': '5' } })
    const result = await send(newSender(), subscriptionOf(receiver.url))
    expect(result).toEqual({ at: expect.any(Number), durationMs: expect.any(Number), status })
  })

  test.each([300, 304, 400, 401, 404, 410, 429, 500, 503])(
    '%i is a failure, with the text of the answer',
    async (status) => {
      const receiver = await newReceiver()
      receiver.script = answer({ status, body: status === 304 ? '' : 'because' })
      const result = await send(newSender(), subscriptionOf(receiver.url))
      expect(result).toMatchObject({ status, stage: 'response', error: expect.stringContaining(String(status)) })
      expect(result.body).toBe(status === 304 ? undefined : 'because')
      expect(result).not.toHaveProperty('retryAfterMs')
    },
  )

  test('at most 1 KiB is kept, without half of a character; what is no text is replaced', async () => {
    const receiver = await newReceiver()
    receiver.scripts.set('/long', answer({ status: 500, body: `a${'é'.repeat(2000)}` }))
    receiver.scripts.set('/bytes', answer({ status: 500, body: Buffer.from([0x61, 0xff, 0x00, 0x62]) }))
    const sender = newSender()
    const long = await send(sender, subscriptionOf(`${receiver.url}/long`))
    expect(long.body).toBe(`a${'é'.repeat(511)}`)
    const bytes = await send(sender, subscriptionOf(`${receiver.url}/bytes`))
    expect(bytes.body).toBe('a\ufffd\ufffdb')
  })

  test('what is compressed stays so', async () => {
    const receiver = await newReceiver()
    const bomb = gzipSync(Buffer.alloc(10 << 20))
    receiver.script = answer({ status: 500, headers: { 'content-encoding': 'gzip' }, body: bomb.subarray(0, 12_000) })
    const result = await send(newSender(), subscriptionOf(receiver.url))
    expect(Buffer.byteLength(result.body!)).toBeLessThanOrEqual(1024)
    expect(result).toMatchObject({ status: 500 })
  })

  const now = Date.parse('2026-01-31T12:00:00Z')
  test.each([
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7000],
    ['86401', 86_400_000],
    ['9'.repeat(400), 86_400_000],
    ['Sat, 31 Jan 2026 12:01:00 GMT', 60_000],
    ['Sat, 31 Jan 2099 12:01:00 GMT', 86_400_000],
    ['Sat, 31 Jan 2026 11:59:00 GMT', undefined],
    ['-5', undefined],
    ['+5', undefined],
    ['5.5', undefined],
    ['9e99', undefined],
    ['NaN', undefined],
    ['Infinity', undefined],
    ['0x10', undefined],
    ['', undefined],
    ['soon', undefined],
    ['2026-02-01', undefined],
    ['Sat, 99 Jan 2026 12:01:00 GMT', undefined],
    [['1', '2'], undefined],
    [undefined, undefined],
  ])('Retry-After: %j', (header, ms) => {
    expect(retryAfterMs(header, now)).toBe(ms)
  })

  test('Retry-After of a failure is passed on', async () => {
    const receiver = await newReceiver()
    receiver.script = answer({ status: 503, headers: { 'retry-after': '120' } })
    expect(await send(newSender(), subscriptionOf(receiver.url))).toMatchObject({ retryAfterMs: 120_000 })
  })
})

describe('G: endpoints that misbehave', () => {
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
  const headers = (count: number, size: number) => `x: ${'a'.repeat(size)}\r\n`.repeat(count)
  const resetAfter =
    (head: string): Script =>
    (_, __, socket) =>
      socket.write(head, () => setImmediate(() => socket.resetAndDestroy()))

  const failures: readonly [string, Script, string, number?][] = [
    ['never answers', hang, 'timeout'],
    ['drips headers', drip('HTTP/1.1 200 OK\r\n', 'x: y\r\n', 10), 'timeout'],
    ['stops within the status line', raw('HTTP/1.1 2'), 'timeout'],
    ['sends large headers', raw('HTTP/1.1 200 OK\r\n', headers(1, 100_000), '\r\n'), 'response'],
    ['sends many headers', raw('HTTP/1.1 200 OK\r\n', headers(10_000, 10), '\r\n'), 'response'],
    [
      'sends a thousand encodings',
      raw(`HTTP/1.1 200 OK\r\n${'content-encoding: gzip\r\n'.repeat(1000)}\r\n`),
      'response',
    ],
    ['floods with 103', drip('', 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n', 1), 'response'],
    ['floods with 100', raw('HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000)), 'response'],
    ['switches protocols', raw('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'), 'response'],
    ['resets before an answer', reset, 'response'],
    ['resets within the head', resetAfter('HTTP/1.1 200 OK\r\nx: '), 'response'],
    ['closes without an answer', (_, __, socket) => socket.end(), 'response'],
    ['sends garbage', raw('\x00\x01\x02garbage\r\n\r\n'), 'response'],
    ['speaks HTTP/2', raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'response'],
    ['contradicts itself', raw('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'), 'response'],
  ]
  test.each(failures)('one that %s is a failure', async (_, script, stage) => {
    const receiver = await newReceiver()
    receiver.script = script
    const sender = newSender()
    const result = await send(sender, subscriptionOf(receiver.url, { timeoutMs: 400 }))
    expect(result).toMatchObject({ stage, error: expect.any(String) })
    expect(result.error).not.toMatch(/garbage|UND_ERR|at .*\.js/)
    expect(result.status).toBeUndefined()
    // The next one gets a connection of its own.
    receiver.script = answer()
    expect(await send(sender, subscriptionOf(receiver.url))).toMatchObject({ status: 200 })
    expect(receiver.connections).toBe(2)
  })

  const decided: readonly [string, Script][] = [
    ['drips its body', drip(chunked, '1\r\nx\r\n', 10)],
    ['sends endless chunks', drip(chunked, `4000\r\n${'x'.repeat(0x4000)}\r\n`, 1)],
    ['announces 10 GB', drip('HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n', 'x'.repeat(10_000), 1)],
    ['never ends its body', raw('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nx')],
    ['resets within its body', resetAfter(`${chunked}1\r\nx\r\n`)],
    ['breaks its chunks', raw(chunked, '1\r\nx\r\nzz\r\n')],
    ['ends with the connection', (_, __, socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nx')],
  ]
  test.each(decided)('the head decides for one that %s', async (_, script) => {
    const receiver = await newReceiver()
    receiver.script = script
    const sender = newSender()
    const result = await send(sender, subscriptionOf(receiver.url))
    expect(result).toMatchObject({ status: 200, body: expect.stringMatching(/^x/) })
    expect(result).not.toHaveProperty('error')
    // Long before the timeout of five seconds.
    expect(result.durationMs).toBeLessThan(3500)
    receiver.script = answer()
    expect(await send(sender, subscriptionOf(receiver.url))).toMatchObject({ status: 200 })
    expect(receiver.connections).toBe(2)
  })

  test('a body that is too large is not waited for', async () => {
    const receiver = await newReceiver()
    receiver.scripts.set('/slow', raw('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nx'))
    receiver.scripts.set('/large', raw('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n', 'x'.repeat(20_000)))
    const sender = newSender()
    const slow = send(sender, subscriptionOf(`${receiver.url}/slow`)).then(() => 'slow')
    await receiver.received(1)
    const large = send(sender, subscriptionOf(`${receiver.url}/large`)).then(() => 'large')
    expect(await Promise.race([slow, large])).toBe('large')
    await slow
  })

  test('an endpoint that is not there', async () => {
    const receiver = await newReceiver()
    const { url } = receiver
    await receiver.close()
    const result = await send(newSender(), subscriptionOf(url))
    expect(result).toMatchObject({ stage: 'connect', error: 'The connection was refused (ECONNREFUSED).' })
  })

  test('one that does not connect: the attempt ends, and what was begun with it', async () => {
    const sockets: Socket[] = []
    const dialler = () => {
      // Never connected, as where every packet is lost.
      const socket = new Socket()
      sockets.push(socket)
      return socket
    }
    const sender = newSender({ dialler })
    const quick = await send(sender, subscriptionOf('http://127.0.0.1/', { timeoutMs: 50 }))
    expect(quick).toMatchObject({ stage: 'timeout', error: 'No connection was made in time.' })
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true])
    const patient = await send(sender, subscriptionOf('http://127.0.0.1/', { timeoutMs: 25_000 }))
    expect(patient).toMatchObject({ stage: 'connect', error: 'The connection was not made in time.' })
    expect(patient.durationMs).toBeLessThan(15_000)
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true])
  })
})

describe('connections', () => {
  test('are kept and used again', async () => {
    const receiver = await newReceiver()
    const sender = newSender()
    const subscription = subscriptionOf(receiver.url)
    for (let i = 0; i < 20; i++) await send(sender, subscription)
    expect(receiver.connections).toBe(1)
  })

  test('to one host are bounded, and what waits for one comes in turn', async () => {
    const receiver = await newReceiver()
    const held: (() => void)[] = []
    receiver.script = (_, response) => held.push(() => response.end())
    const sender = newSender({ maxConnectionsPerHost: 3 })
    const subscription = subscriptionOf(receiver.url)
    const results = Array.from({ length: 7 }, (_, n) => send(sender, subscription, { id: `d${n}` }))
    const impatient = send(sender, subscriptionOf(receiver.url, { timeoutMs: 50 }), { id: 'late' })
    await receiver.received(3)
    expect(await impatient).toMatchObject({ stage: 'timeout', error: 'No connection was made in time.' })
    expect(receiver.requests).toHaveLength(3)
    for (let done = 0; done < 7; done++) {
      await receiver.received(done + 1)
      held[done]!()
    }
    for (const result of await Promise.all(results)) expect(result).toMatchObject({ status: 200 })
    expect(receiver.connections).toBe(3)
    const ids = receiver.requests.map(({ headers }) => headers['webhook-id'])
    expect(ids).toEqual(['d0', 'd1', 'd2', 'd3', 'd4', 'd5', 'd6'])
  })

  test('that hang give way to what waits', async () => {
    const receiver = await newReceiver()
    receiver.scripts.set('/hang', hang)
    const sender = newSender({ maxConnectionsPerHost: 1 })
    const hung = send(sender, subscriptionOf(`${receiver.url}/hang`, { timeoutMs: 100 }))
    const next = send(sender, subscriptionOf(receiver.url))
    expect(await hung).toMatchObject({ stage: 'timeout' })
    expect(await next).toMatchObject({ status: 200 })
  })

  test('an abort ends an attempt at once, wherever it is', async () => {
    const receiver = await newReceiver()
    receiver.script = hang
    const sender = newSender({ maxConnectionsPerHost: 1 })
    const abort = new AbortController()
    const subscription = subscriptionOf(receiver.url)
    const both = [send(sender, subscription, {}, abort.signal), send(sender, subscription, {}, abort.signal)]
    await receiver.received(1)
    abort.abort()
    for (const result of await Promise.all(both)) {
      expect(result).toMatchObject({ stage: 'gateway', error: 'The gateway stopped the attempt.' })
    }
    expect(await send(sender, subscription, {}, abort.signal)).toMatchObject({ stage: 'gateway' })
    receiver.script = answer()
    expect(await send(sender, subscription)).toMatchObject({ status: 200 })
    expect(receiver.requests).toHaveLength(2)
  })

  test('closing ends what runs and every connection', async () => {
    const receiver = await newReceiver()
    const sender = newSender()
    const subscription = subscriptionOf(receiver.url)
    await send(sender, subscription)
    receiver.script = hang
    const running = [send(sender, subscription), send(sender, subscription)]
    await receiver.received(3)
    await sender.close()
    for (const result of await Promise.all(running)) expect(result).toMatchObject({ stage: 'gateway' })
    expect(await send(sender, subscription)).toMatchObject({ stage: 'gateway' })
    await expect.poll(() => receiver.openConnections).toBe(0)
  })

  test('that are idle are bounded over all hosts', async () => {
    const receiver = await newReceiver()
    const dialler = () => connect({ host: '127.0.0.1', port: receiver.port })
    const sender = newSender({ dialler, resolver: async () => ['8.8.8.8'] })
    const hosts = Array.from({ length: 1300 }, (_, n) => subscriptionOf(`http://h${n}.example/`))
    for (let i = 0; i < hosts.length; i += 50) {
      const results = await Promise.all(hosts.slice(i, i + 50).map((subscription) => send(sender, subscription)))
      for (const result of results) expect(result).toMatchObject({ status: 200 })
    }
    await expect.poll(() => receiver.openConnections).toBeLessThanOrEqual(1000)
  })

  test('a host that was used long ago is forgotten, and is as good as new when it is used again', () => {
    const resolve = async () => ['8.8.8.8']
    const refuse = () => undefined
    const dialler = () => new Socket()
    let now = 0
    const origins = new Origins({ dialler, maxConnections: 1, refuse, resolve, now: () => now })
    const get = (host: string) => {
      const target = { origin: `http://${host}`, secure: false, host, literal: true, port: 80, path: '/' }
      return origins.get(target, undefined)
    }
    const first = get('h0')
    const last = Array.from({ length: 10_000 }, (_, n) => {
      const origin = get(`h${n}`)
      origin.usedAt = ++now
      return origin
    }).at(-1)
    expect(get('h0')).toBe(first)
    get('one-more')
    expect(first.closed).toBe(true)
    expect(get('h0')).not.toBe(first)
    expect(get('h9999')).toBe(last)
  })
})
