import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  consume,
  createGroup,
  event,
  folder,
  group,
  idsOf,
  never,
  open,
  openWithTopic,
  publish,
  pull,
  settle,
  TestClock,
  topic,
} from './support.ts'

const lost = { status: 'failed', error: { code: 'lease_lost' } }
const ok = { status: 'ok' }

describe('a lease', () => {
  it('ends by its time: the event comes again with the next attempt, and the old receipt settles nothing', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({}, clock)
    const consumer = await consume(broker, { leaseMs: 1000 })
    await publish(broker, event('a'))
    const first = await pull(consumer)
    expect(first).toMatchObject([{ attempt: 1, position: '1', expiresAt: clock.now() + 1000 }])
    clock.advance(999)
    expect(await pull(consumer)).toEqual([])
    clock.advance(1)
    expect(await settle(consumer, first)).toMatchObject([lost])
    const second = await pull(consumer)
    expect(second).toMatchObject([{ attempt: 2 }])
    expect(await settle(consumer, first)).toMatchObject([lost])
    expect(await broker.groups.describe(topic, group)).toMatchObject({
      inFlight: 1,
      lag: { events: 1, oldestMs: 1000 },
    })
    expect(await settle(consumer, second)).toEqual([ok])
    expect(await broker.groups.describe(topic, group)).toMatchObject({ inFlight: 0, lag: { events: 0, oldestMs: 0 } })
  })

  it('may be settled the same way again as long as it would have lasted, and no other way', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({}, clock)
    const consumer = await consume(broker, { leaseMs: 10_000 })
    await publish(broker, event('a'), event('b'))
    const [a, b] = await pull(consumer)
    const reject = { kind: 'reject', reason: 'bad' } as const
    expect(await settle(consumer, [a!])).toEqual([ok])
    expect(await settle(consumer, [b!], reject)).toEqual([ok])
    expect(await settle(consumer, [a!, a!])).toEqual([ok, ok])
    expect(await settle(consumer, [b!], reject)).toEqual([ok])
    expect(await settle(consumer, [b!])).toMatchObject([lost])
    expect(await settle(consumer, [a!], { kind: 'nack' })).toMatchObject([lost])
    clock.advance(9_999)
    expect(await settle(consumer, [a!])).toEqual([ok])
    clock.advance(1)
    expect(await settle(consumer, [a!])).toMatchObject([lost])
    expect(await broker.deadLetters!.list(topic, group, { limit: 10 })).toHaveLength(1)
  })

  it('is longer when extended, and the old receipt is superseded', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({}, clock)
    const consumer = await consume(broker, { leaseMs: 1000 })
    await publish(broker, event('a'))
    const deliveries = await pull(consumer)
    const [extended] = await settle(consumer, deliveries, { kind: 'extend', durationMs: 5000 })
    expect(extended).toMatchObject({ status: 'ok', expiresAt: clock.now() + 5000 })
    const renewed = extended?.status === 'ok' ? extended.renewed! : ''
    clock.advance(4999)
    expect(await settle(consumer, deliveries)).toMatchObject([lost])
    expect(await pull(consumer)).toEqual([])
    expect(await consumer.settle([{ receipt: renewed, outcome: { kind: 'ack' } }])).toEqual([ok])
  })

  it('is no receipt when it is not one', async () => {
    const broker = await openWithTopic()
    const consumer = await consume(broker)
    await publish(broker, event('a'))
    const [delivery] = await pull(consumer)
    const forged = [
      '',
      'x',
      '-',
      `${delivery!.receipt}x`,
      `1-${delivery!.receipt.split('-')[1]}`,
      '1-0-0',
      '1-1-zzzzzzzzzz',
    ]
    const results = await consumer.settle(forged.map((receipt) => ({ receipt, outcome: { kind: 'ack' } })))
    expect(results).toMatchObject(forged.map(() => lost))
    await broker.groups.create(topic, 'others', { start: 'earliest', leaseMs: 30_000, maxAttempts: 1 })
    const others = await broker.open(topic, 'others', { prefetch: 1 })
    expect(await settle(others, [delivery!])).toMatchObject([lost])
    expect(await settle(consumer, [delivery!])).toEqual([ok])
  })

  it('and attempts, cursor, double acks and dead letters survive a restart', async () => {
    const path = join(folder(), 'log.db')
    const first = await open({ path })
    await first.admin!.ensure(topic, {})
    const before = await consume(first, { maxAttempts: 2 })
    await publish(first, event('a'), event('b'), event('c'), event('d'))
    const [a, b, c] = await pull(before, 3)
    await settle(before, [a!])
    await settle(before, [b!], { kind: 'nack' })
    await first.close()
    const second = await open({ path })
    const after = await second.open(topic, group, { prefetch: 10 })
    expect(await settle(after, [a!])).toEqual([ok])
    const [again, fresh, ...more] = await pull(after)
    expect([again, fresh]).toMatchObject([
      { attempt: 2, position: '2' },
      { attempt: 1, position: '4' },
    ])
    expect(more).toEqual([])
    expect(await settle(after, [c!])).toEqual([ok])
    expect(await settle(after, [again!], { kind: 'nack' })).toEqual([ok])
    expect(await second.deadLetters!.list(topic, group, { limit: 10 })).toMatchObject([
      { reason: 'attempts exhausted: 2 of 2', attempts: 2, position: '2' },
    ])
    expect(await settle(after, [fresh!])).toEqual([ok])
    expect(await second.groups.describe(topic, group)).toMatchObject({ inFlight: 0, lag: { events: 0 } })
  })
})

describe('a nack', () => {
  it('brings the event back after its delay, never before', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({}, clock)
    const consumer = await consume(broker)
    await publish(broker, event('a'))
    await settle(consumer, await pull(consumer), { kind: 'nack', delayMs: 60_000 })
    clock.advance(59_999)
    expect(await pull(consumer)).toEqual([])
    expect(await broker.groups.describe(topic, group)).toMatchObject({ inFlight: 0, lag: { events: 1 } })
    clock.advance(1)
    expect(await pull(consumer)).toMatchObject([{ attempt: 2 }])
  })
})

describe('attempts', () => {
  it('are counted to the last one; then the event is a dead letter with its bytes, also when its lease just ends', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({}, clock)
    const consumer = await consume(broker, { leaseMs: 1000, maxAttempts: 2 })
    await publish(broker, event('poison', {}, 100), event('fine'))
    const [poison, fine] = await pull(consumer)
    await settle(consumer, [fine!])
    clock.advance(1000)
    const again = await pull(consumer)
    expect(again).toMatchObject([{ attempt: 2 }])
    clock.advance(1000)
    const dead = await broker.deadLetters!.list(topic, group, { limit: 10 })
    expect(dead).toMatchObject([
      { attempts: 2, position: '1', deadAt: clock.now(), reason: 'attempts exhausted: 2 of 2' },
    ])
    expect(dead[0]!.event.attributes).toEqual(poison!.event.attributes)
    expect(dead[0]!.event.data).toEqual(new Uint8Array(100))
    expect(await pull(consumer)).toEqual([])
  })

  it('begin anew with a redrive, which happens once', async () => {
    const broker = await openWithTopic()
    const consumer = await consume(broker, { maxAttempts: 3 })
    await publish(broker, ...Array.from({ length: 1200 }, (_, i) => event(`e${i}`)))
    const all = await pull(consumer, 2000)
    await settle(consumer, all, { kind: 'reject', reason: 'no' })
    const letters = broker.deadLetters!
    const [one, two] = await letters.list(topic, group, { limit: 2 })
    expect(await letters.list(topic, group, { limit: 1, after: one!.id })).toMatchObject([{ id: two!.id }])
    expect(await letters.redrive(topic, group, [one!.id, one!.id, '999999'])).toBe(1)
    await letters.delete(topic, group, two!.id)
    await expect(letters.delete(topic, group, two!.id)).rejects.toMatchObject({ code: 'not_found' })
    const back = await pull(consumer)
    expect(back).toMatchObject([{ attempt: 1, position: '1' }])
    await settle(consumer, back)
    const counts = await Promise.all([letters.redrive(topic, group, 'all'), letters.redrive(topic, group, 'all')])
    expect(counts[0]! + counts[1]!).toBe(1198)
    expect(await pull(consumer, 2000)).toHaveLength(1198)
    expect(await letters.list(topic, group, { limit: 10 })).toEqual([])
  })
})

describe('a consumer', () => {
  it('holds no more than its prefetch, and gets more once something is settled, by whomever', async () => {
    const broker = await openWithTopic()
    await createGroup(broker)
    const one = await broker.open(topic, group, { prefetch: 3 })
    const other = await broker.open(topic, group, { prefetch: 3 })
    await publish(broker, ...Array.from({ length: 10 }, (_, i) => event(`e${i}`)))
    const held = [...(await pull(one, 2)), ...(await pull(one))]
    expect(held).toHaveLength(3)
    expect(await pull(one)).toEqual([])
    const waiting = pull(one, 10, 10_000)
    await settle(other, [held[0]!])
    expect(await waiting).toHaveLength(1)
  })

  it('gives back what it holds when it is closed, and its waiting pulls end', async () => {
    const broker = await openWithTopic()
    await createGroup(broker)
    const one = await broker.open(topic, group, { prefetch: 10 })
    const other = await broker.open(topic, group, { prefetch: 10 })
    await publish(broker, event('a'), event('b'))
    expect(await pull(one)).toHaveLength(2)
    const starved = pull(one, 1, 60_000)
    const waiting = pull(other, 10, 60_000)
    await one.close()
    await one.close()
    expect(await starved).toEqual([])
    expect((await waiting).map(({ attempt }) => attempt)).toEqual([2, 2])
    await expect(pull(one)).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('gives back what nobody took because the pull was cancelled, uncounted', async () => {
    const broker = await openWithTopic()
    const consumer = await consume(broker)
    await publish(broker, event('a'))
    const controller = new AbortController()
    const pulling = consumer.pull({ max: 1, waitMs: 1000, signal: controller.signal })
    controller.abort()
    const { deliveries } = await pulling
    expect(deliveries).toEqual([])
    expect(await pull(consumer)).toMatchObject([{ attempt: 1 }])
  })

  it('learns that a seek took away what it held', async () => {
    const broker = await openWithTopic()
    const consumer = await consume(broker)
    await publish(broker, event('a'), event('b'))
    const batch = await consumer.pull({ max: 1, waitMs: 0, signal: never })
    await broker.groups.seek!(topic, group, 'earliest')
    expect(batch.revoked.aborted).toBe(true)
    expect(await settle(consumer, batch.deliveries)).toMatchObject([lost])
    const again = await consumer.pull({ max: 10, waitMs: 0, signal: never })
    expect(again.epoch).toBeGreaterThan(batch.epoch)
    expect(idsOf(again.deliveries)).toEqual(['a', 'b'])
    expect(again.deliveries.map(({ attempt }) => attempt)).toEqual([1, 1])
  })

  it('of a group that is deleted has nothing', async () => {
    const broker = await openWithTopic()
    const consumer = await consume(broker)
    await publish(broker, event('a'))
    const held = await pull(consumer)
    await broker.groups.delete(topic, group)
    await expect(pull(consumer)).rejects.toMatchObject({ code: 'not_found' })
    await createGroup(broker)
    expect(await settle(consumer, held)).toMatchObject([lost])
    expect(await pull(consumer)).toHaveLength(1)
  })
})
