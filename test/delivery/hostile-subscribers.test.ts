import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ownAddress } from '../../src/webhook/own-address.ts'
import { answer, Receiver } from './receiver.ts'
import { Whole } from './whole.ts'

let whole: Whole
let receiver: Receiver
beforeAll(async () => {
  whole = await Whole.start()
})
afterAll(() => whole.stop())
beforeEach(async () => {
  receiver = await Receiver.start()
})
afterEach(() => receiver.close())

const path = '/v1/subscriptions'

function refused(more: object) {
  return whole.client.post(path, { topic: 'orders', url: `${receiver.url}/hook`, ...more })
}

describe('a subscription that begins at no place of the log', () => {
  test.each(['c1.xx', 'c1.-1', 'c1.0', `c1.${'9'.repeat(40)}`])('is refused: %s', async (start) => {
    const answer = await refused({ start })
    expect(answer.status).toBe(400)
    expect(answer.problem.errors?.map(({ pointer }) => pointer)).toEqual(['/start'])
  })

  test('is refused where the place is one of another log', async () => {
    expect((await refused({ start: 'c1.000000000000-1' })).problem.code).toBe('stale_cursor')
  })

  test('holds back nobody else', async () => {
    await whole.subscribe(`${receiver.url}/hook`, { filters: [{ exact: { type: 'held' } }] })
    await refused({ start: 'c1.xx' })
    await whole.publish('held-1', 'held')
    await receiver.received(1)
  })

  test('is taken where the place is one', async () => {
    const { next } = (await whole.client.get('/v1/topics/orders/events?from=earliest')).json<{ next: string }>()
    expect((await refused({ start: next })).status).toBe(201)
  })
})

test('what is told of a subscription has no query of its endpoint', async () => {
  const watcher = await Receiver.start()
  await whole.subscribe(watcher.url, { topic: 'sluice.events' })
  receiver.script = answer({ status: 410 })
  await whole.subscribe(`${receiver.url}/hook?token=canary`, { filters: [{ exact: { type: 'told' } }] })
  await whole.publish('told-1', 'told')
  await watcher.received(1)
  expect(JSON.parse(watcher.requests[0]!.body.toString()).data.url).toBe(`${receiver.url}/hook`)
  await watcher.close()
})

describe('the gateway itself is no endpoint', () => {
  test.each(['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'])('as %s', async (host) => {
    const { port } = new URL(whole.url)
    const answer = await refused({ url: `http://${host}:${port}/v1/topics/orders/events` })
    expect(answer.status).toBe(400)
    expect(answer.problem.errors?.[0]?.pointer).toBe('/url')
  })

  test('where it listens on every address of the machine', () => {
    const isOwn = ownAddress({ host: '0.0.0.0', port: () => 8080 })
    expect(
      ['127.0.0.1', '127.0.0.9', '0.0.0.0', '::ffff:127.0.0.1', '192.0.2.1'].map((one) => isOwn(one, 8080)),
    ).toEqual([true, true, true, true, false])
    expect(isOwn('127.0.0.1', 8081)).toBe(false)
  })
})
