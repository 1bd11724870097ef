import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GatewayError } from '../../src/core/errors.ts'
import type { Sender } from '../../src/core/sender.ts'
import { Link } from '../../src/webhook/link.ts'
import { answer } from './receiver.ts'
import { diallerTo, newReceiver, newSender, send, subscriptionOf } from './sending.ts'

/** Listeners that nobody may connect to, on both loopback addresses and the same port. */
const canaries: Server[] = []
let port = 0
let touched = 0

beforeAll(async () => {
  for (const host of ['127.0.0.1', '::1']) {
    const canary = createServer((socket) => {
      touched += 1
      socket.destroy()
    })
    canary.listen(port, host)
    await once(canary, 'listening')
    port = (canary.address() as AddressInfo).port
    canaries.push(canary)
  }
})

afterAll(() => {
  for (const canary of canaries) canary.close()
})

/** As outside of `dev`, with a dialler that is real: what the guard lets through reaches the canaries. */
function guarded(resolver?: (host: string) => Promise<readonly string[]>): { sender: Sender; dialled: string[] } {
  const dialled: string[] = []
  const dialler = (address: string, to: number) => {
    dialled.push(address)
    return connect({ host: address, port: to })
  }
  const sender = newSender({
    allowLoopback: false,
    dialler,
    ...(resolver && { resolver }),
  })
  return { sender, dialled }
}

async function expectRefused(url: string, resolver?: (host: string) => Promise<readonly string[]>): Promise<void> {
  const before = touched
  const { sender, dialled } = guarded(resolver)
  const refused = await sender.check(url, '/url').then(
    () => undefined,
    (error: GatewayError) => error,
  )
  expect(refused, url).toMatchObject({ code: 'invalid_argument', errors: [{ pointer: '/url' }] })
  expect(await send(sender, subscriptionOf(url)), url).toMatchObject({ stage: 'guard', error: refused!.message })
  expect(dialled).toEqual([])
  expect(touched).toBe(before)
}

/** Goes through, by the injected dialler, to an endpoint. */
async function expectReached(url: string, addresses: readonly string[] = []): Promise<string[]> {
  const receiver = await newReceiver()
  const { dialled, dialler } = diallerTo(receiver.port)
  const sender = newSender({ allowLoopback: false, dialler, resolver: async () => addresses })
  await sender.check(url, '/url')
  expect(await send(sender, subscriptionOf(url)), url).toMatchObject({ status: 200 })
  expect(receiver.requests).toHaveLength(1)
  return dialled
}

const loopback = [
  ...['127.0.0.1', '2130706433', '0x7f000001', '0x7f.1', '017700000001', '0177.0.0.1', '127.1', '127.0.1', '0', '0x'],
  ...['127.0.0.0x1', '127.0.0.1.', '127%2e0%2e0%2e1', '①②⑦.⓪.⓪.①', '127。0。0。1', '127.0.0\u00ad.1', '127.0.\n0.1'],
]
const metadata = [
  ...['169.254.169.254', '0xA9FEA9FE', '2852039166', '0251.0376.0251.0376', '169.254.43518', '169.16689662'],
  ...['①⑥⑨.②⑤④.①⑥⑨.②⑤④', '169.254.170.2', '100.100.100.200', '192.0.0.192', '168.63.129.16', '[fd00:ec2::254]'],
  'metadata.google.internal',
]
const forbidden6 = [
  ...['::', '::1', '::ffff:7f00:1', '::ffff:a9fe:a9fe', '::7f00:1', '::ffff:0:7f00:1', '64:ff9b::a9fe:a9fe'],
  ...['64:ff9b:1::a9fe:a9fe', '2002:a9fe:a9fe::', '2001:0:a9fe:a9fe::1', '2001:0:4136:e378:8000:63bf:5601:5601'],
  ...['fe80::1', 'fec0::1', 'fd00::1', 'ff02::1', '2001:db8::1', '3fff::1', '5f00::1', '100::1', '::ffff:127.0.0.1'],
  ...['2606:4700::5efe:a9fe:a9fe', '2606:4700::200:5efe:7f00:1', '64:ff9b::7f00:1', '2001:20::1', '2001:2::1'],
]
const forbidden4 = [
  ...[
    '0.0.0.0',
    '0.1.2.3',
    '10.0.0.1',
    '10.255.255.255',
    '100.64.0.1',
    '100.127.255.255',
    '127.0.0.1',
    '127.255.255.254',
  ],
  ...[
    '169.254.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.1',
    '192.0.2.1',
    '192.88.99.1',
    '192.168.0.1',
    '198.18.0.1',
  ],
  ...['198.19.255.255', '198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255'],
]
const open = [
  ...['8.8.8.8', '172.15.255.255', '172.32.0.0', '100.63.255.255', '100.128.0.0', '192.0.1.1', '198.17.255.255'],
  ...['198.20.0.0', '223.255.255.255', '2606:4700::1111', '2a00:1450::1', '64:ff9b::808:808', '::ffff:808:808'],
]

describe('addresses in a URL', () => {
  test.each(loopback)('A: %j is loopback, however it is written', async (host) => {
    await expectRefused(`http://${host}:${port}/`)
  })

  test.each(metadata)("B: %s leads to a cloud's metadata", async (host) => {
    await expectRefused(`http://${host}/`, async () => ['8.8.8.8'])
  })

  test.each(forbidden6)('C: [%s] is not the public internet', async (address) => {
    await expectRefused(`http://[${address}]:${port}/`)
  })

  test.each(['fe80::1%25eth0', 'fe80::1%eth0'])('C: [%s] has a zone', async (address) => {
    await expectRefused(`http://[${address}]:${port}/`)
  })

  test.each(forbidden4)('D: %s is not the public internet', async (address) => {
    await expectRefused(`http://${address}:${port}/`)
  })

  test.each(open)('%s is reached', async (address) => {
    const url = `http://${address.includes(':') ? `[${address}]` : address}/`
    expect(await expectReached(url)).toHaveLength(1)
  })
})

describe('E: URLs', () => {
  test.each([
    ...['http://example.com@127.0.0.1/', 'http://127.0.0.1@example.com/', 'http://127.0.0.1\\@example.com/'],
    ...['http://example.com\\@127.0.0.1/', 'http://127.0.0.1#@example.com', 'http:127.0.0.1', 'http:/127.0.0.1/'],
    ...['http:\\\\127.0.0.1/', 'ht\ttp://example.com/', 'http://example.com%00/', 'http://example.com\u0000/'],
    ...['file:///etc/passwd', 'gopher://example.com/', 'data:text/plain,x', 'ftp://example.com/', 'javascript:1', ''],
    ...[
      'http://localhost/',
      'http://localhost./',
      'http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/',
      'http://a.localhost/',
      'http://user:pw@example.com/',
    ],
    ...[
      'http://example.com:0/',
      'http://example.com:22/',
      'http://example.com:6379/',
      'http://',
      'http:///x',
      'example.com',
    ],
    ...['http://@example.com/', ' http://example.com/', 'http://example.com:99999/'],
  ])('%j is refused', async (url) => {
    await expectRefused(url, async () => ['8.8.8.8'])
  })

  test.each(['http://GATEWAY.example/', 'http://gateway.example./', 'http://8.8.4.4/'])(
    '%j is the gateway itself',
    async (url) => {
      const listening = { host: '8.8.4.4', port: () => 80 }
      const sender = newSender({ allowLoopback: false, listening, resolver: async () => ['8.8.4.4'] })
      await expect(sender.check(url, '/url')).rejects.toMatchObject({ code: 'invalid_argument' })
      expect(await send(sender, subscriptionOf(url))).toMatchObject({ stage: 'guard' })
      await sender.check(`${url.slice(0, -1)}:8080/`, '/url')
    },
  )

  test.each([
    'http://example.com/',
    'https://example.com:8443/hook?a=b',
    'HTTP://Example.COM',
    'http://bücher.example/ä?ö',
    'http://example.com/#part',
  ])('%j may be registered', async (url) => {
    await guarded(async () => ['8.8.8.8']).sender.check(url, '/url')
  })
})

describe('F: names', () => {
  test.each([...forbidden4, ...forbidden6])('one that leads to %s is refused', async (address) => {
    await expectRefused(`http://name.example:${port}/`, async () => [address])
  })

  test.each(['127.0.0.1', '::1', 'fd00::1'])('one of several addresses that is %s refuses all', async (address) => {
    await expectRefused(`http://name.example:${port}/`, async () => ['8.8.8.8', '2606:4700::1111', address])
  })

  test.each(open)('one that leads to %s is reached, at that address', async (address) => {
    expect(await expectReached('http://name.example/', [address])).toEqual([address])
  })

  test('an answer that is no address is refused', async () => {
    await expectRefused(`http://name.example:${port}/`, async () => ['localhost'])
    await expectRefused(`http://name.example:${port}/`, async () => ['fe80::1%lo'])
  })

  test('a thousand addresses are refused', async () => {
    const many = Array.from({ length: 1000 }, (_, n) => `8.8.${n >> 8}.${n & 255}`)
    await expectRefused(`http://name.example:${port}/`, async () => many)
  })

  test('one that does not resolve may be registered, and its attempts fail by name', async () => {
    const resolver = () => Promise.reject(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }))
    const { sender, dialled } = guarded(resolver)
    await sender.check('http://nowhere.example/', '/url')
    const result = await send(sender, subscriptionOf('http://nowhere.example/'))
    expect(result).toMatchObject({ stage: 'dns', error: 'nowhere.example does not exist.' })
    expect(dialled).toEqual([])
  })

  test('a resolver that hangs ends with the attempt, and a registration passes', async () => {
    const { sender } = guarded(() => new Promise(() => {}))
    const result = await send(sender, subscriptionOf('http://slow.example/', { timeoutMs: 50 }))
    expect(result).toMatchObject({ stage: 'timeout', error: 'The host was not resolved in time.' })
    const patient = send(sender, subscriptionOf('http://slow.example/', { timeoutMs: 20_000 }))
    const checked = sender.check('http://slow.example/', '/url')
    expect(await patient).toMatchObject({ stage: 'dns', error: 'slow.example was not resolved in time.' })
    await checked
  })

  test('rebinding: what was resolved and checked is what is dialled', async () => {
    const answers = [['8.8.8.8'], ['127.0.0.1']]
    const receiver = await newReceiver()
    receiver.script = answer({ headers: { connection: 'close' } })
    const { dialled, dialler } = diallerTo(receiver.port)
    const sender = newSender({ allowLoopback: false, dialler, resolver: async () => answers.shift() ?? ['127.0.0.1'] })
    expect(await send(sender, subscriptionOf('http://rebind.example/'))).toMatchObject({ status: 200 })
    expect(await send(sender, subscriptionOf('http://rebind.example/'))).toMatchObject({ status: 200 })
    expect(dialled).toEqual(['8.8.8.8', '8.8.8.8'])
  })

  test('a name that leads elsewhere later is followed, and its open connection is not used again', async () => {
    let now = 1_700_000_000_000
    let addresses = ['8.8.8.8']
    const receiver = await newReceiver()
    const { dialled, dialler } = diallerTo(receiver.port)
    const clock = { now: () => now, random: () => {} }
    const sender = newSender({ allowLoopback: false, dialler, clock, resolver: async () => addresses })
    const subscription = subscriptionOf('http://moving.example/')
    await send(sender, subscription)
    await send(sender, subscription)
    expect(dialled).toEqual(['8.8.8.8'])
    addresses = ['8.8.4.4']
    now += 30_000
    expect(await send(sender, subscription)).toMatchObject({ status: 200 })
    expect(dialled).toEqual(['8.8.8.8', '8.8.4.4'])
    addresses = ['10.0.0.1']
    now += 30_000
    expect(await send(sender, subscription)).toMatchObject({ stage: 'guard' })
    addresses = ['8.8.4.4']
    // Refused in between: it is asked for at once again, and what was open is closed.
    expect(await send(sender, subscription)).toMatchObject({ status: 200 })
    expect(new Set(receiver.requests.map(({ connection }) => connection)).size).toBe(3)
    expect(dialled).toEqual(['8.8.8.8', '8.8.4.4', '8.8.4.4'])
  })

  test('while a name cannot be resolved, what it led to holds for half a minute', async () => {
    let now = 1_700_000_000_000
    let broken = false
    let asked = 0
    const receiver = await newReceiver()
    const { dialler } = diallerTo(receiver.port)
    const resolver = async () => {
      asked += 1
      if (broken) throw new Error('SERVFAIL')
      return ['8.8.8.8']
    }
    const sender = newSender({ allowLoopback: false, dialler, resolver, clock: { now: () => now, random: () => {} } })
    const subscription = subscriptionOf('http://flaky.example/')
    expect(await send(sender, subscription)).toMatchObject({ status: 200 })
    broken = true
    now += 14_000
    expect(await send(sender, subscription)).toMatchObject({ status: 200 })
    expect(asked).toBe(1)
    now += 2000
    expect(await send(sender, subscription)).toMatchObject({ status: 200 })
    await expect.poll(() => asked).toBe(2)
    now += 14_000
    expect(await send(sender, subscription)).toMatchObject({ stage: 'dns' })
    broken = false
    expect(await send(sender, subscription)).toMatchObject({ status: 200 })
  })

  test('an address is checked again when it is dialled', async () => {
    const { dialled, dialler } = diallerTo(port)
    const target = { origin: 'http://a.example', secure: false, host: 'a.example', literal: false, port, path: '/' }
    const refuse = () => 'a private network'
    const link = new Link({ target, addresses: ['10.0.0.1'], dialler, refuse, context: undefined, session: undefined })
    const { promise, resolve } = Promise.withResolvers<Error | null>()
    link.connect({ hostname: 'a.example', protocol: 'http:', port: String(port) }, (...args) => resolve(args[0]))
    expect(await promise).toMatchObject({ stage: 'guard' })
    expect(dialled).toEqual([])
  })

  test('the next address is tried where one refuses', async () => {
    const receiver = await newReceiver()
    const closed = await newReceiver()
    const port = closed.port
    await closed.close()
    const dialler = (address: string) =>
      connect({ host: '127.0.0.1', port: address === '8.8.8.8' ? port : receiver.port })
    const sender = newSender({ allowLoopback: false, dialler, resolver: async () => ['8.8.8.8', '8.8.4.4'] })
    expect(await send(sender, subscriptionOf('http://two.example/'))).toMatchObject({ status: 200 })
  })

  test.each([301, 302, 303, 307, 308])('%i is not followed', async (status) => {
    const before = touched
    const receiver = await newReceiver()
    receiver.script = answer({ status, headers: { location: `http://127.0.0.1:${port}/` } })
    const { dialled, dialler } = diallerTo(receiver.port)
    const sender = newSender({ allowLoopback: false, dialler, resolver: async () => ['8.8.8.8'] })
    const result = await send(sender, subscriptionOf('http://redirects.example/'))
    expect(result).toMatchObject({ status, stage: 'response', error: expect.stringContaining('redirects') })
    expect(dialled).toEqual(['8.8.8.8'])
    expect(touched).toBe(before)
  })

  test('a proxy of the environment is not used', async () => {
    const before = touched
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'NODE_USE_ENV_PROXY']
    const old = names.map((name) => process.env[name])
    for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : `http://127.0.0.1:${port}`
    try {
      await expectReached('http://name.example/', ['8.8.8.8'])
    } finally {
      for (const [at, name] of names.entries()) {
        if (old[at] === undefined) delete process.env[name]
        else process.env[name] = old[at]
      }
    }
    expect(touched).toBe(before)
  })
})

describe('what is allowed by name', () => {
  test('in dev loopback is, and nothing else', async () => {
    const receiver = await newReceiver()
    const sender = newSender({ resolver: async () => ['::1', '127.0.0.1'] })
    for (const url of [receiver.url, `http://localhost:${receiver.port}`]) {
      await sender.check(url, '/url')
      expect(await send(sender, subscriptionOf(url))).toMatchObject({ status: 200 })
    }
    await sender.check('http://[::1]:8080/', '/url')
    await expect(sender.check('http://10.0.0.1/', '/url')).rejects.toThrow(/private network.*allowPrivate/)
    await expect(sender.check('http://0.0.0.0/', '/url')).rejects.toThrow('"this network"')
    await expect(sender.check(`http://2130706433:${receiver.port}/`, '/url')).rejects.toThrow('Write the address as')
  })

  test('networks that outbound.allowPrivate names are, and their neighbours not', async () => {
    const receiver = await newReceiver()
    const { dialled, dialler } = diallerTo(receiver.port)
    const allowPrivate = ['10.1.0.0/16', 'fd00:1::/32']
    const resolver = async (host: string) => [host === 'inside.example' ? '10.1.2.3' : '10.2.0.1']
    const sender = newSender({ allowLoopback: false, allowPrivate, dialler, resolver })
    for (const url of [
      'http://10.1.255.255/',
      'http://[fd00:1::5]/',
      'http://inside.example/',
      'http://[::ffff:10.1.0.1]/',
    ]) {
      await sender.check(url, '/url')
      expect(await send(sender, subscriptionOf(url))).toMatchObject({ status: 200 })
    }
    expect(dialled).toHaveLength(4)
    for (const url of ['http://10.2.0.0/', 'http://[fd00:2::5]/', 'http://outside.example/', 'http://localhost/']) {
      await expect(sender.check(url, '/url')).rejects.toMatchObject({ code: 'invalid_argument' })
    }
  })

  test('what is no network is a mistake in the configuration', () => {
    expect(() => newSender({ allowPrivate: ['10.0.0.0'] })).toThrow(/allowPrivate: 10\.0\.0\.0 is no network/)
  })
})
