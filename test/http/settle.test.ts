import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent } from './events.ts'
import { Group } from './groups.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterAll(() => gateway.stop())

const leaseMs = 30_000

/** A group that owes these events. */
async function owing(ids: readonly string[], options: Record<string, unknown> = {}): Promise<Group> {
  const topic = await gateway.topic()
  const group = new Group(client, topic)
  await group.create({ lease: `${leaseMs}ms`, ...options })
  await client.batch(
    topic,
    ids.map((id) => cloudEvent(id, id.includes(':') ? { partitionkey: id.split(':')[0] } : {})),
  )
  return group
}

describe('an ack', () => {
  test('settles for good; the same ack again is ok as long as the lease would have lasted', async () => {
    const group = await owing(['a'])
    const { lease } = await group.one()
    expect(await group.say(lease, 'ack')).toBe('ok')
    expect(await group.lag()).toBe(0)
    expect(await group.say(lease, 'ack')).toBe('ok')
    expect(await group.settle({ lease, outcome: 'ack' }, { lease, outcome: 'ack' })).toMatchObject([
      { status: 'ok' },
      { status: 'ok' },
    ])
    gateway.clock.advance(leaseMs + 1000)
    expect(await group.say(lease, 'ack')).toBe('lease_lost')
    expect(await group.pull()).toEqual([])
  })

  test('does not turn into something else afterwards', async () => {
    const group = await owing(['a'])
    const { lease } = await group.one()
    await group.say(lease, 'ack')
    for (const outcome of ['nack', 'reject', 'extend']) expect(await group.say(lease, outcome)).toBe('lease_lost')
    expect(await group.pull()).toEqual([])
    expect(await group.dead()).toEqual([])
  })
})

describe('a nack', () => {
  test('gives the event back at once, with the next attempt', async () => {
    const group = await owing(['a'])
    const first = await group.one()
    expect(await group.say(first.lease, 'nack')).toBe('ok')
    const second = await group.one()
    expect([second.event.id, second.attempt]).toEqual(['a', 2])
    expect(second.lease).not.toBe(first.lease)
    expect(second.event).toEqual(first.event)
  })

  test('with a delay, not before it is over', async () => {
    const group = await owing(['a'])
    const began = Date.now()
    expect(await group.say((await group.one()).lease, 'nack', { delay: '300ms' })).toBe('ok')
    expect(await group.pull()).toEqual([])
    const again = await group.one('20s')
    expect(Date.now() - began).toBeGreaterThanOrEqual(300)
    expect(again.attempt).toBe(2)
  })
})

describe('a lease', () => {
  test('that ran out gives the event to another puller, and settles nothing any more', async () => {
    const group = await owing(['a'])
    const first = await group.one()
    expect(await group.pull()).toEqual([])
    gateway.clock.advance(leaseMs + 1000)
    for (const outcome of ['ack', 'nack', 'reject', 'extend'])
      expect(await group.say(first.lease, outcome)).toBe('lease_lost')
    const second = await group.one()
    expect(second.attempt).toBe(2)
    // The one that was superseded, while the newer one is held.
    for (const outcome of ['ack', 'nack', 'reject', 'extend'])
      expect(await group.say(first.lease, outcome)).toBe('lease_lost')
    expect((await group.get()).json()).toMatchObject({ lag: { events: 1 }, inFlight: 1 })
    expect(await group.say(second.lease, 'ack')).toBe('ok')
    expect(await group.lag()).toBe(0)
  })

  test('can be extended, by its own length or by what is asked; the renewed one takes its place', async () => {
    const group = await owing(['a'])
    const first = await group.one()
    gateway.clock.advance(leaseMs - 5000)
    const [extended] = await group.settle({ lease: first.lease, outcome: 'extend' })
    expect(extended).toMatchObject({ lease: first.lease, status: 'ok', renewed: expect.any(String) })
    const left = Date.parse(extended?.expiresAt ?? '') - gateway.clock.now()
    expect(left).toBeGreaterThan(leaseMs - 5000)
    expect(left).toBeLessThanOrEqual(leaseMs)
    gateway.clock.advance(leaseMs - 5000)
    expect(await group.pull()).toEqual([])
    const [again] = await group.settle({ lease: extended?.renewed, outcome: 'extend', delay: '2h' })
    expect(Date.parse(again?.expiresAt ?? '') - gateway.clock.now()).toBeGreaterThan(7_100_000)
    gateway.clock.advance(7_000_000)
    expect(await group.say(again?.renewed ?? '', 'ack')).toBe('ok')
    expect(await group.lag()).toBe(0)
  })

  test('that was never given is lost', async () => {
    const group = await owing(['a'])
    const other = await owing(['b'])
    const foreign = (await other.one()).lease
    for (const lease of ['nonsense', 'x'.repeat(1024), '0', '../..', '\u0000', foreign]) {
      expect(await group.say(lease, 'ack'), lease.slice(0, 20)).toBe('lease_lost')
    }
    expect(await group.lag()).toBe(1)
    expect(await other.say(foreign, 'ack')).toBe('ok')
  })
})

describe('several settlements', () => {
  test('each has its own result, in order; those that fail take nothing with them', async () => {
    const group = await owing(['a', 'b', 'c', 'd'])
    const [a, b, c, d] = (await group.pull()).map(({ lease }) => lease)
    const results = await group.settle(
      { lease: a, outcome: 'ack' },
      { lease: 'nonsense', outcome: 'ack' },
      { lease: b, outcome: 'nack', delay: '1h' },
      { lease: c, outcome: 'reject', reason: 'bad' },
      { lease: d, outcome: 'extend' },
    )
    expect(results.map(({ lease, status, error }) => [lease, error?.code ?? status])).toEqual([
      [a, 'ok'],
      ['nonsense', 'lease_lost'],
      [b, 'ok'],
      [c, 'ok'],
      [d, 'ok'],
    ])
    expect(results.map(({ renewed }) => renewed !== undefined)).toEqual([false, false, false, false, true])
    expect((await group.get()).json()).toMatchObject({ inFlight: 1 })
    expect((await group.dead()).map(({ event }) => event.id)).toEqual(['c'])
  })

  test('a thousand at once, and no more', async () => {
    const ids = Array.from({ length: 1000 }, (_, i) => `e-${i}`)
    const group = await owing(ids)
    const deliveries = await group.pull(1000)
    expect(deliveries.length).toBe(1000)
    const acks = deliveries.map(({ lease }) => ({ lease, outcome: 'ack' }))
    expect((await group.settleRaw([...acks, acks[0]])).problem.errors).toMatchObject([{ pointer: '/settlements' }])
    expect(await group.lag()).toBe(1000)
    expect((await group.settle(...acks)).every(({ status }) => status === 'ok')).toBe(true)
    expect(await group.lag()).toBe(0)
  })

  test.each([
    [[], ['/settlements']],
    [[{ lease: 'x', outcome: 'done' }], ['/settlements/0/outcome']],
    [[{ lease: '', outcome: 'ack' }], ['/settlements/0/lease']],
    [[{ outcome: 'ack' }], ['/settlements/0/lease']],
    [
      [
        { lease: 'x', outcome: 'ack' },
        { lease: 'x', outcome: 'ack', bogus: 1 },
      ],
      ['/settlements/1/bogus'],
    ],
    [[{ lease: 'x', outcome: 'ack', delay: '1s' }], ['/settlements/0/delay']],
    [[{ lease: 'x', outcome: 'reject', delay: '1s' }], ['/settlements/0/delay']],
    [[{ lease: 'x', outcome: 'nack', delay: '8d' }], ['/settlements/0/delay']],
    [[{ lease: 'x', outcome: 'nack', reason: 'r' }], ['/settlements/0/reason']],
    [[{ lease: 'x', outcome: 'extend', delay: '13h' }], ['/settlements/0/delay']],
    [[{ lease: 'x', outcome: 'extend', delay: '1ms' }], ['/settlements/0/delay']],
    [[{ lease: 'x', outcome: 'reject', reason: 'r'.repeat(1025) }], ['/settlements/0/reason']],
  ])('are refused as a whole: %j', async (settlements, pointers) => {
    const group = await owing(['a'])
    const { lease } = await group.one()
    const { problem } = await group.settleRaw([
      ...settlements,
      ...(settlements.length > 0 ? [{ lease, outcome: 'ack' }] : []),
    ])
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(pointers)
    expect(await group.lag()).toBe(1)
  })

  test('what the broker lacks is refused by name, and nothing is settled', async () => {
    const weak = await startTestGateway({ capabilities: { reject: false, extend: false, nackDelayMs: 1000 } })
    try {
      const topic = await weak.topic()
      const group = new Group(weak.client, topic)
      await group.create()
      await weak.client.batch(topic, [cloudEvent('a'), cloudEvent('b')])
      const [a, b] = await group.pull()
      for (const [settlement, capability] of [
        [{ outcome: 'reject' }, 'reject'],
        [{ outcome: 'extend' }, 'extend'],
        [{ outcome: 'nack', delay: '2s' }, 'nackDelayMs'],
      ] as const) {
        const answer = await group.settleRaw([
          { lease: a?.lease, outcome: 'ack' },
          { lease: b?.lease, ...settlement },
        ])
        expect(answer.problem).toMatchObject({ code: 'unsupported', capability })
      }
      expect(await group.lag()).toBe(2)
    } finally {
      await weak.stop()
    }
  })
})

describe('a key', () => {
  test('whose event is leased or delayed holds back its successors, and nothing else', async () => {
    const group = await owing(['k:1', 'k:2', 'j:1', 'k:3', 'free'])
    const first = await group.pull()
    expect(first.map(({ event }) => event.id)).toEqual(['k:1', 'j:1', 'free'])
    expect(await group.pull()).toEqual([])
    expect(await group.say(first[0]!.lease, 'nack', { delay: '1h' })).toBe('ok')
    expect(await group.say(first[1]!.lease, 'ack')).toBe('ok')
    expect(await group.pull()).toEqual([])
    gateway.clock.advance(3_600_000)
    const again = await group.pull()
    expect(again.find(({ event }) => event.id === 'k:1')?.attempt).toBe(2)
    expect(again.some(({ event }) => event.id === 'k:2')).toBe(false)
    expect(await group.say(again.find(({ event }) => event.id === 'k:1')!.lease, 'ack')).toBe('ok')
    expect((await group.pull()).map(({ event }) => event.id)).toEqual(['k:2'])
  })
})

test('any connection settles what another one pulled', async () => {
  const group = await owing(['a'])
  const { lease } = await group.one()
  // Another client of the same gateway: nothing of a lease is in the connection.
  const other = new Group(gateway.as('nobody'), group.path.split('/')[3]!)
  expect(await other.say(lease, 'ack')).toBe('ok')
})
