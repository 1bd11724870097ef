import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rabbitmq } from '../../adapters/rabbitmq/index.ts'
import type { Broker } from '../../src/core/broker.ts'
import { event, eventOfSize } from '../conformance/events.ts'
import { until } from '../conformance/waiting.ts'
import { configOf } from './rabbitmq-target.ts'
import { passageTo, through } from './services/passage.ts'
import { freePort } from './services/ports.ts'
import { type RabbitServer, startRabbitmq } from './services/rabbitmq.ts'
import { groupOptions, nameOf, publish, pull, refusal, secret, topicOn } from './work.ts'

let server: RabbitServer
const opened: Broker[] = []

beforeAll(async () => {
  server = await startRabbitmq()
  const { node } = server
  await node.ctl('add_vhost', 'shop')
  await node.ctl('add_user', 'limited', secret)
  await node.ctl('set_permissions', '-p', 'shop', 'limited', '^mine.*', '^mine.*', '^mine.*')
  await node.ctl('set_permissions', '-p', 'shop', 'guest', '.*', '.*', '.*')
}, 180_000)
afterAll(async () => {
  await Promise.all(opened.map((broker) => broker.close()))
  await server?.stop()
})

async function open(url: string, more: object = {}): Promise<Broker> {
  const broker = await rabbitmq.open(configOf(url, more))
  opened.push(broker)
  return broker
}

const bare = (vhost = ''): string => `amqp://${new URL(server.url).host}${vhost}`

describe('opening', () => {
  test('with a wrong password is refused, by what to set', async () => {
    await refusal(
      open(bare(), { username: 'limited', password: `${secret}-wrong` }),
      'misconfigured',
      'credentials',
      'password',
    )
    await refusal(open(bare(), { username: 'nobody', password: secret }), 'misconfigured', 'credentials')
  })

  test('a virtual host that is not there, or closed to the user, is refused by its name', async () => {
    await refusal(open(bare('/nowhere')), 'misconfigured', 'virtual host nowhere', 'add_vhost')
    const limited = { username: 'limited', password: secret }
    await refusal(open(bare('/'), limited), 'misconfigured', 'virtual host /', 'set_permissions')
  })

  test('where nobody listens is unavailable, and says where', async () => {
    const port = await freePort()
    await refusal(open(`amqp://127.0.0.1:${port}`), 'unavailable', `127.0.0.1:${port}`, 'ECONNREFUSED')
  })

  test.each([
    ['another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['one that hangs up', ''],
  ])('where %s is spoken says to look at the address', async (_, answer) => {
    const other = createServer((socket) => socket.once('data', () => socket.end(answer)))
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    try {
      await refusal(open(`amqp://127.0.0.1:${port}`), 'unavailable', `127.0.0.1:${port}`, 'amqps://', 'url')
    } finally {
      other.close()
    }
  })

  test('goes to the next node of the list', async () => {
    const dead = `amqp://127.0.0.1:${await freePort()}`
    const broker = await rabbitmq.open(rabbitmq.config.parse({ type: 'rabbitmq', url: [dead, bare()] }))
    opened.push(broker)
    await broker.health()
  })
})

describe('TLS', () => {
  test('with the authority’s certificate publishes and consumes', async () => {
    const broker = await open(server.tlsUrl, { tls: { ca: await readFile(server.ca, 'utf8') } })
    const topic = await topicOn(broker)
    await publish(broker, topic, [event('a')])
    expect((await pull(broker, topic, 1)).map((one) => one.event.attributes.id)).toEqual(['a'])
  })

  test('of an unknown authority is refused, by what to set', async () => {
    await refusal(open(server.tlsUrl), 'misconfigured', 'TLS', 'tls.ca')
  })

  test('where there is none is refused too', async () => {
    await refusal(open(bare().replace('amqp:', 'amqps:')), 'misconfigured', 'TLS', 'amqp://')
  })
})

describe('a user with few permissions', () => {
  const limited = () => open(bare('/shop'), { username: 'limited', password: secret })

  test('works where it has them, without the default exchange', async () => {
    const broker = await limited()
    await until(5000, 'the look for alarms gives up', async () => broker.health().then(() => true))
    const topic = nameOf('mine')
    await broker.admin!.ensure(topic, {})
    expect(await publish(broker, topic, [event('a')])).toMatchObject([
      { status: 'failed', error: { code: 'unprocessable' } },
    ])
    await broker.health()
  })

  test('is told what it lacks, in every call, and nothing else suffers', async () => {
    const guest = await open(bare('/shop'))
    const theirs = await topicOn(guest, 'theirs')
    const broker = await limited()
    const words = [theirs, 'set_permissions']
    await refusal(broker.admin!.ensure(nameOf('theirs'), {}), 'misconfigured', 'theirs', 'set_permissions')
    await refusal(broker.groups.create(theirs, 'more', groupOptions), 'misconfigured', 'set_permissions')
    await refusal(broker.open(theirs, 'g', { prefetch: 1 }), 'misconfigured', ...words)
    const mine = nameOf('mine')
    await broker.admin!.ensure(mine, {})
    for (const result of await publish(broker, theirs, [event('a'), event('b')])) {
      expect(result).toMatchObject({ status: 'failed', error: { code: 'misconfigured' } })
      expect(result).toMatchObject({ error: { detail: expect.stringMatching(`${theirs}.*set_permissions`) } })
    }
    expect(await publish(broker, mine, [event('b')])).toMatchObject([{ status: 'failed' }])
    await publish(guest, theirs, [event('c')])
    expect((await pull(guest, theirs, 1)).map((one) => one.event.attributes.id)).toEqual(['c'])
  })
})

describe('limits', () => {
  test('of attributes: what does not fit into a frame is refused, and what fits goes', async () => {
    const broker = await open(bare())
    const topic = await topicOn(broker)
    const withBytes = (id: string, bytes: number) => event(id, { big: 'x'.repeat(bytes) })
    const results = await publish(broker, topic, [
      withBytes('fits', 64_000),
      withBytes('over', 66_000),
      withBytes('far-over', 1_000_000),
      event('named', { ['n'.repeat(250)]: 'x' }),
    ])
    expect(results.map(({ status }) => status)).toEqual(['stored', 'failed', 'failed', 'failed'])
    for (const result of results.slice(1)) expect(result).toMatchObject({ error: { code: 'too_large' } })
    const [read] = await pull(broker, topic, 1)
    expect(read!.event.attributes.big).toHaveLength(64_000)
  })

  test('of a message: one that the server takes no more is unknown, and the next one goes', async () => {
    const broker = await open(bare(), { maxEventBytes: '17MiB' })
    const topic = await topicOn(broker)
    expect(await publish(broker, topic, [eventOfSize('over', 16.5 * 2 ** 20)])).toMatchObject([
      { status: 'unknown', error: { detail: expect.stringContaining('larger than') } },
    ])
    expect(await publish(broker, topic, [event('next')])).toMatchObject([{ status: 'stored' }])
  })
})

test('credentials that are withdrawn are not offered again and again, and health says why', async () => {
  await server.node.ctl('add_user', 'leaving', secret)
  await server.node.ctl('set_permissions', '-p', 'shop', 'leaving', '.*', '.*', '.*')
  const passage = await passageTo(new URL(bare('/shop')).host)
  const broker = await open(through(passage, bare('/shop')), { username: 'leaving', password: secret })
  await server.node.ctl('delete_user', 'leaving')
  passage.cut()()
  await until(20_000, 'health says why', async () => {
    const [outcome] = await Promise.allSettled([broker.health()])
    return outcome.status === 'rejected' && String(outcome.reason.message).includes('credentials')
  })
  const before = passage.connections
  await new Promise((resolve) => setTimeout(resolve, 3000))
  expect(passage.connections - before).toBeLessThanOrEqual(2)
  await broker.close()
  await passage.close()
})
