import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nkeys } from '@nats-io/nats-core'
import { afterEach, describe, expect, test } from 'vitest'
import type { Broker } from '../../src/core/broker.ts'
import type { GatewayError } from '../../src/core/errors.ts'
import { event } from '../conformance/events.ts'
import { pause, until } from '../conformance/waiting.ts'
import { operated } from './nats/jwt.ts'
import { openNats } from './nats/open.ts'
import { keys } from './services/kafka/tls.ts'
import { startNats } from './services/nats.ts'
import { passageTo } from './services/passage.ts'
import { freePort } from './services/ports.ts'
import { run } from './services/run.ts'
import { nameOf, publish, pull, refusal, roundTrip, secret, topicOn } from './work.ts'

const app = { user: 'app', password: 'app' }
const sent = event('a', { datacontenttype: 'application/octet-stream' }, Uint8Array.from([0, 255, 10, 13]))
const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

type Options = NonNullable<Parameters<typeof startNats>[0]>

async function start(options: Options = {}) {
  const server = await startNats(options)
  ends.push(() => server.stop())
  return server
}

async function open(servers: readonly string[], more: object = {}): Promise<Broker> {
  const broker = await openNats(servers, more)
  ends.push(() => broker.close())
  return broker
}

async function refuses(broker: Broker): Promise<boolean> {
  const [outcome] = await Promise.allSettled([broker.health()])
  return outcome.status === 'rejected' && (outcome.reason as GatewayError).code === 'misconfigured'
}

describe('who connects', () => {
  test('by user and password, or an NKey; a wrong one is refused once, by what to set', async () => {
    const [known, unknown] = [nkeys.createUser(), nkeys.createUser()]
    const seed = (pair: typeof known): string => new TextDecoder().decode(pair.getSeed())
    const { servers } = await start({
      accounts: `accounts { APP { jetstream: enabled, users: [
        { user: app, password: "${secret}" }, { nkey: ${known.getPublicKey()} }
      ] } }`,
    })
    await roundTrip(await open(servers, { user: 'app', password: secret }), sent)
    await roundTrip(await open(servers, { nkey: seed(known) }), sent)
    const passage = await passageTo(new URL(servers[0]!).host)
    ends.push(() => passage.close())
    const through = [`nats://${passage.address}`]
    const wrong = [{ user: 'app', password: `${secret}-wrong` }, { token: secret }, { nkey: seed(unknown) }, {}]
    for (const more of wrong) await refusal(open(through, more), 'misconfigured', 'refuses the credentials')
    await pause(1000)
    expect(passage.connections).toBe(wrong.length)
  })

  test('by a token', async () => {
    const { servers } = await start({ accounts: `authorization { token: "${secret}" }` })
    await roundTrip(await open(servers, { token: secret }), sent)
    await refusal(open(servers, { token: `${secret}-wrong` }), 'misconfigured', 'token')
  })

  test('by the credentials of an operator’s account', async () => {
    const { accounts, credentials } = operated()
    const { servers } = await start({ accounts })
    await roundTrip(await open(servers, { credentials }), sent)
    await refusal(open(servers, { credentials: operated().credentials }), 'misconfigured', 'credentials')
  })

  test('whose credentials expire is told so, and does not ask again and again', async () => {
    const { accounts, credentials } = operated(8)
    const { nodes } = await start({ accounts })
    const passage = await passageTo(new URL(nodes[0]!.url).host)
    ends.push(() => passage.close())
    const broker = await open([`nats://${passage.address}`], { credentials })
    await broker.health()
    await until(20_000, 'health says why', () => refuses(broker))
    const attempts = passage.connections
    await pause(3000)
    // Four a second if nothing held it back. The second in which they expire may still let one in, to throw it out again.
    expect(passage.connections - attempts).toBeLessThanOrEqual(3)
    await refusal(broker.health(), 'misconfigured', 'credentials')
  })

  test('whose credentials are withdrawn waits, health says why, and it goes on once they hold again', async () => {
    const server = await start()
    const node = server.nodes[0]!
    const passage = await passageTo(new URL(node.url).host)
    ends.push(() => passage.close())
    const broker = await open([`nats://${passage.address}`], app)
    const topic = await topicOn(broker)
    const before = await readFile(join(node.folder, 'nats.conf'), 'utf8')
    const restart = async (configuration: string): Promise<void> => {
      await node.stop()
      await node.configure(configuration)
      await node.start()
    }
    await restart(before.replace('password: app', 'password: other'))
    await until(20_000, 'health says why', () => refuses(broker))
    const attempts = passage.connections
    await pause(3000)
    expect(passage.connections - attempts).toBeLessThanOrEqual(1)
    await restart(before)
    await until(20_000, 'it is connected again', () =>
      broker.health().then(
        () => true,
        () => false,
      ),
    )
    expect(await publish(broker, topic, [sent])).toMatchObject([{ status: 'stored' }])
  })

  test('whom a busy server did not hear in time is not refused', async () => {
    const { nodes } = await start({ accounts: `authorization { token: "${secret}", timeout: 1 }` })
    const passage = await passageTo(new URL(nodes[0]!.url).host)
    ends.push(() => passage.close())
    const release = passage.hold('client')
    const token = { token: secret, requestTimeout: '20s' }
    await refusal(open([`nats://${passage.address}`], token), 'unavailable', 'no server answered')
    release()
    await roundTrip(await open([`nats://${passage.address}`], token), sent)
  })
})

describe('a user with few permissions', () => {
  const limited = { user: 'limited', password: secret }
  const users = (permissions: string): string => `accounts { APP { jetstream: enabled, users: [
    { user: app, password: app }, { user: limited, password: "${secret}", permissions: { ${permissions} } }
  ] } }`

  test('is told what it lacks, and nothing else suffers', async () => {
    const { servers } = await start({
      accounts: users('publish: { deny: ["theirs.>", "$JS.API.STREAM.CREATE.>"] }'),
    })
    const all = await open(servers, { ...app, subject: '{topic}.{type}' })
    const broker = await open(servers, { ...limited, subject: '{topic}.{type}' })
    await all.admin!.ensure('theirs', {})
    const mine = await topicOn(all)
    const create = broker.admin!.ensure(nameOf('new'), {})
    await refusal(create, 'misconfigured', 'publish to $JS.API.STREAM.CREATE.new', 'the stream of new')
    const result = { status: 'failed', error: { code: 'misconfigured' } }
    const results = await publish(broker, 'theirs', [event('a'), event('b')])
    expect(results).toMatchObject([result, result])
    expect(results).toMatchObject([
      { error: { detail: expect.stringContaining('publish to theirs.conformance.made') } },
      {},
    ])
    expect(await publish(broker, mine, [sent])).toMatchObject([{ status: 'stored' }])
    expect((await pull(broker, mine, 1)).map((one) => one.event.attributes.id)).toEqual(['a'])
  })

  test('does all of it with what the documentation asks for', async () => {
    const publishes = 'publish: { allow: ["events.>", "sluice.>", "$JS.API.>", "$JS.ACK.>"] }'
    const { servers } = await start({ accounts: users(`${publishes}, subscribe: { allow: ["_INBOX.>"] }`) })
    const broker = await open(servers, { ...limited, subject: 'events.{topic}.{type}' })
    await roundTrip(broker, sent)
    const topic = await topicOn(broker)
    const signal = AbortSignal.timeout(20_000)
    const batch = [event('b'), event('c')]
    expect(await broker.publish(topic, batch, { signal, atomic: true })).toMatchObject([{}, { status: 'stored' }])
    expect(await broker.publish(topic, [event('d')], { signal, delayMs: 100 })).toMatchObject([{ status: 'stored' }])
    const consumer = await broker.open(topic, 'g', { prefetch: 10 })
    const { deliveries } = await consumer.pull({ max: 1, waitMs: 5000, signal })
    const outcome = { kind: 'reject', reason: 'no' } as const
    expect(await consumer.settle([{ receipt: deliveries[0]!.receipt, outcome }])).toEqual([{ status: 'ok' }])
    await consumer.close()
    expect(await broker.deadLetters!.redrive(topic, 'g', 'all')).toBe(1)
    const rest = await pull(broker, topic, 3)
    expect(rest.map((one) => one.event.attributes.id).sort()).toEqual(['b', 'c', 'd'])
    await broker.groups.seek!(topic, 'g', 'earliest')
    await pull(broker, topic, 3)
    await broker.groups.delete(topic, 'g')
  })

  test('without the inbox for its answers is refused when it is opened', async () => {
    const { servers } = await start({ accounts: users('subscribe: { deny: ["_INBOX.>"] }') })
    await refusal(open(servers, limited), 'misconfigured', 'subscribe to _INBOX.')
  })

  test('without JetStream’s API is refused when it is opened', async () => {
    const { servers } = await start({ accounts: users('publish: { deny: ["$JS.API.>"] }') })
    await refusal(open(servers, limited), 'misconfigured', 'publish to $JS.API.INFO')
  })
})

describe('TLS', () => {
  test('with the authority’s certificate, and refused without it, by what to set', async () => {
    const { ca: authority, broker: pair } = await keys()
    const { servers } = await start({ more: `tls { cert_file: "${pair}", key_file: "${pair}" }` })
    const ca = await readFile(authority, 'utf8')
    await roundTrip(await open(servers, { ...app, tls: { ca } }), sent)
    await roundTrip(await open([servers[0]!.replace('nats:', 'tls:')], { ...app, tls: { ca } }), sent)
    await refusal(open(servers, { ...app, tls: true }), 'misconfigured', 'TLS', '(tls)')
    await refusal(open(servers, app), 'misconfigured', 'TLS', '(tls)')
    await refusal(open(servers, { ...app, tls: { ca: 'none' } }), 'misconfigured', 'PEM')
  })

  test('from the first byte, with a certificate of the client’s own', async () => {
    const { ca: authority, broker: pair, cert, key } = await keys()
    const files = `cert_file: "${pair}", key_file: "${pair}", ca_file: "${authority}"`
    const { servers } = await start({ more: `tls { ${files}, verify: true, handshake_first: true }` })
    const read = (path: string): Promise<string> => readFile(path, 'utf8')
    const tls = { ca: await read(authority), first: true }
    const client = { cert: await read(cert), key: await read(key) }
    await roundTrip(await open(servers, { ...app, tls: { ...tls, ...client } }), sent)
    await refusal(open(servers, { ...app, tls }), 'misconfigured', 'TLS')
  })

  test('where the server has none is refused', async () => {
    const { servers } = await start()
    await refusal(open([servers[0]!.replace('nats:', 'tls:')], app), 'misconfigured', 'tls')
    await refusal(open(servers, { ...app, tls: true }), 'misconfigured', 'tls')
  })
})

test('a websocket carries the same', async () => {
  const { websockets } = await start()
  await roundTrip(await open(websockets, app), sent)
  await refusal(open(websockets, { ...app, password: `${secret}-wrong` }), 'misconfigured', 'credentials')
})

test('an encrypted websocket is opened where Node trusts the authority, and refused elsewhere', async () => {
  const { ca, broker: pair } = await keys()
  const port = await freePort()
  const tls = `tls { cert_file: "${pair}", key_file: "${pair}" }`
  await start({ more: `websocket { host: 127.0.0.1, port: ${port}, ${tls} }` })
  const servers = [`wss://127.0.0.1:${port}`]
  const adapter = join(import.meta.dirname, '../../adapters/nats/index.ts')
  const script = `const { nats } = await import(${JSON.stringify(adapter)})
    const broker = await nats.open(nats.config.parse(JSON.parse(process.argv[1])))
    await broker.health()
    await broker.close()
    console.log('healthy')`
  const config = JSON.stringify({ type: 'nats', servers, ...app })
  // Node reads which authorities it trusts when it starts.
  const words = [process.execPath, '--input-type=module', '-e', script, config]
  expect(await run('env', [`NODE_EXTRA_CA_CERTS=${ca}`, ...words])).toContain('healthy')
  await refusal(open(servers, app), 'unavailable', servers[0]!)
})

test('a server without JetStream is refused, by what to start it with, and an account without by what it lacks', async () => {
  const accounts = 'accounts { APP { users: [{ user: app, password: app }] } }'
  const without = await start({ accounts, jetstream: false })
  await refusal(open(without.servers, app), 'misconfigured', 'JetStream is not enabled', '-js')
  const { servers } = await start({ accounts })
  await refusal(open(servers, app), 'misconfigured', 'for account', 'jetstream: enabled')
})

test('where nobody listens is unavailable, and says where', async () => {
  const url = `nats://127.0.0.1:${await freePort()}`
  await refusal(open([url], app), 'unavailable', url)
})
