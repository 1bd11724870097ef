import { GetQueueUrlCommand, SendMessageCommand } from '@aws-sdk/client-sqs'
import { describe, expect, test } from 'vitest'
import { assertSameEvent, event, events } from '../conformance/events.ts'
import { until } from '../conformance/waiting.ts'
import { group, idsOf, publish, pull, say, take, workbench } from './sqs/workbench.ts'

const bench = workbench('topics')
const hour = 3_600_000

describe.each([
  ['a standard queue', {}],
  ['a FIFO queue', { fifo: true }],
  ['SNS', { sns: true }],
  ['SNS FIFO', { sns: true, fifo: true }],
] as const)('%s', (_, mode) => {
  test('a rejected event lies among the dead letters as it was, and is redriven once', async () => {
    const broker = await bench.open(mode)
    const dead = broker.deadLetters!
    const { topic, consumer } = await bench.stage(broker)
    const bad = event(
      'bad',
      { partitionkey: 'k', empty: '', n: 5 },
      Uint8Array.from({ length: 256 }, (_, i) => i),
    )
    await publish(broker, topic, bad)
    const [first] = await take(consumer, 1)
    const reason = 'not "ours": \ud83d\ude00, \u0000'
    expect(await say(consumer, first!, { kind: 'reject', reason })).toEqual({ status: 'ok' })
    expect(await say(consumer, first!, { kind: 'reject', reason })).toEqual({ status: 'ok' })
    expect(await say(consumer, first!, { kind: 'ack' })).toMatchObject({ error: { code: 'lease_lost' } })
    const [letter, ...more] = await dead.list(topic, group, { limit: 10 })
    expect([letter, more]).toMatchObject([{ reason, attempts: 1 }, []])
    assertSameEvent(letter!.event, bad)
    expect(Date.now() - letter!.deadAt).toBeLessThan(60_000)
    // Within the five minutes in which FIFO would take it for what was published before.
    expect(await dead.redrive(topic, group, [letter!.id])).toBe(1)
    expect(await dead.redrive(topic, group, 'all')).toBe(0)
    const [again] = await take(consumer, 1)
    assertSameEvent(again!.event, bad)
    expect(again!.attempt).toBe(1)
    // It may die a second time.
    expect(await say(consumer, again!, { kind: 'reject', reason: 'again' })).toEqual({ status: 'ok' })
    const [second] = await dead.list(topic, group, { limit: 10 })
    await dead.delete(topic, group, second!.id)
    expect(await dead.list(topic, group, { limit: 10 })).toEqual([])
    await expect(dead.delete(topic, group, second!.id)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('after as many attempts as it may have, by nacks and by leases, it is dead; what comes after it goes on', async () => {
    const broker = await bench.open(mode)
    const { topic, consumer } = await bench.stage(broker, { maxAttempts: 2, leaseMs: 1000 })
    await publish(broker, topic, event('poison', { partitionkey: 'k' }), event('next', { partitionkey: 'k' }))
    const seen: string[] = []
    await until(30_000, 'the poison dies', async () => {
      for (const delivery of await pull(consumer)) {
        seen.push(`${delivery.event.attributes.id} ${delivery.attempt}`)
        const { id } = delivery.event.attributes
        if (id === 'next') await say(consumer, delivery, { kind: 'ack' })
        else if (delivery.attempt === 1) await say(consumer, delivery, { kind: 'nack' })
        // The second lease is left to end.
      }
      return (await broker.deadLetters!.list(topic, group, { limit: 10 })).length > 0
    })
    await until(20_000, 'its successor comes', async () => {
      for (const delivery of await pull(consumer)) {
        seen.push(`${delivery.event.attributes.id} ${delivery.attempt}`)
        await say(consumer, delivery, { kind: 'ack' })
      }
      return seen.some((one) => one.startsWith('next'))
    })
    expect(seen.filter((one) => one.startsWith('poison'))).toEqual(['poison 1', 'poison 2'])
    const [letter] = await broker.deadLetters!.list(topic, group, { limit: 10 })
    expect(letter).toMatchObject({ attempts: 2, reason: 'It was delivered 2 times and not acknowledged.' })
  })

  test('a lease that was renewed settles nothing, whether the new one is longer or shorter', async () => {
    const broker = await bench.open(mode)
    const { topic, consumer } = await bench.stage(broker)
    await publish(broker, topic, ...events(2, 'e'))
    for (const [i, durationMs] of [hour, 20_000].entries()) {
      const [held] = await take(consumer, 1)
      const extended = await say(consumer, held!, { kind: 'extend', durationMs })
      if (extended.status !== 'ok') throw new Error(`${i}: ${JSON.stringify(extended)}`)
      for (const outcome of [{ kind: 'ack' }, { kind: 'nack' }, { kind: 'extend' }] as const) {
        expect(await say(consumer, held!, outcome)).toMatchObject({ status: 'failed', error: { code: 'lease_lost' } })
      }
      expect(await say(consumer, { receipt: extended.renewed! }, { kind: 'ack' })).toEqual({ status: 'ok' })
    }
  })

  test('any gateway settles any lease, and one that never saw the event rejects it', async () => {
    const [here, there] = [await bench.open(mode), await bench.open(mode)]
    const { topic, consumer } = await bench.stage(here)
    await publish(here, topic, ...events(4, 'e'))
    const taken = await take(consumer, 4)
    const other = await there.open(topic, group, { prefetch: 10 })
    const [ack, nack, extend, reject] = taken
    expect(await say(other, ack!, { kind: 'ack' })).toEqual({ status: 'ok' })
    expect(await say(other, nack!, { kind: 'nack' })).toEqual({ status: 'ok' })
    const renewed = await say(other, extend!, { kind: 'extend', durationMs: hour })
    expect(renewed).toMatchObject({ status: 'ok', renewed: expect.any(String) })
    expect(await say(other, reject!, { kind: 'reject', reason: 'bad' })).toEqual({ status: 'ok' })
    expect(await there.deadLetters!.list(topic, group, { limit: 10 })).toMatchObject([
      { reason: 'bad', event: { attributes: { id: reject!.event.attributes.id } } },
    ])
    const again = await take(consumer, 1)
    expect(idsOf(again)).toEqual(idsOf([nack!]))
    expect(await pull(consumer)).toEqual([])
  })
})

test('dead letters come in pages, oldest first, and a look hides none from the next', async () => {
  const broker = await bench.open()
  const { topic, consumer } = await bench.stage(broker)
  await publish(broker, topic, ...events(25, 'e'))
  const taken = await take(consumer, 25)
  for (const delivery of taken) await say(consumer, delivery, { kind: 'reject', reason: 'bad' })
  const paged: string[] = []
  let after: string | undefined
  for (;;) {
    const page = await broker.deadLetters!.list(topic, group, { limit: 10, ...(after !== undefined && { after }) })
    if (page.length === 0) break
    paged.push(...idsOf(page))
    after = page.at(-1)!.id
  }
  expect(paged.toSorted()).toEqual(idsOf(taken).toSorted())
  const [one, two] = await Promise.all([1, 2].map(() => broker.deadLetters!.list(topic, group, { limit: 100 })))
  expect([one!.length, two!.length]).toEqual([25, 25])
  expect(await broker.deadLetters!.redrive(topic, group, 'all')).toBe(25)
  expect((await take(consumer, 25)).length).toBe(25)
})

test('what SQS itself moved, for nobody lived to do it, is a dead letter too', async () => {
  const broker = await bench.open()
  const { topic } = await bench.stage(broker)
  const name = `${topic.replaceAll('.', '--')}___dead`
  const { QueueUrl } = await bench.client.send(new GetQueueUrlCommand({ QueueName: name }))
  await bench.client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'as it was' }))
  expect(await broker.deadLetters!.list(topic, group, { limit: 10 })).toMatchObject([
    { attempts: 5, reason: 'It was delivered 5 times and not acknowledged.' },
  ])
})

test('from its receipt on an event is held for twelve hours at the most, and the adapter says so first', async () => {
  const broker = await bench.open()
  const { topic, consumer } = await bench.stage(broker)
  await publish(broker, topic, event('e'))
  const [held] = await take(consumer, 1)
  const tooLong = { status: 'failed', error: { code: 'invalid_argument', detail: expect.stringContaining('12 hours') } }
  // A second of the twelve hours is over by now.
  expect(await say(consumer, held!, { kind: 'extend', durationMs: 12 * hour })).toMatchObject(tooLong)
  const extended = await say(consumer, held!, { kind: 'extend', durationMs: 11 * hour })
  if (extended.status !== 'ok') throw new Error(JSON.stringify(extended))
  const receipt = extended.renewed!
  expect(await say(consumer, { receipt }, { kind: 'nack', delayMs: 12 * hour })).toMatchObject(tooLong)
  expect(await say(consumer, { receipt }, { kind: 'ack' })).toEqual({ status: 'ok' })
})

test('a lease that is over settles nothing, though the emulator would take its handle', async () => {
  const broker = await bench.open({ fifo: true })
  const { topic, consumer } = await bench.stage(broker, { leaseMs: 1000 })
  await publish(broker, topic, event('e'))
  const [held] = await take(consumer, 1)
  await until(5000, 'the lease is over', async () => Date.now() > held!.expiresAt)
  // Nobody has received it since: the handle is still the newest.
  expect(await say(consumer, held!, { kind: 'ack' })).toMatchObject({ error: { code: 'lease_lost' } })
  expect(idsOf(await take(consumer, 1))).toEqual(['e'])
})

test('the gateway’s own consumer holds what it has for as long as it is open', async () => {
  const broker = await bench.open({ sns: true })
  const { topic, consumer } = await bench.stage(broker, { leaseMs: 1000 })
  const own = await broker.open(topic, group, { prefetch: 10, holdKeys: false })
  await publish(broker, topic, event('e'))
  const [held] = await take(own, 1)
  const end = Date.now() + 4000
  while (Date.now() < end) expect(await pull(consumer)).toEqual([])
  expect(await say(own, held!, { kind: 'ack' })).toEqual({ status: 'ok' })
  await own.close()
  expect(await pull(consumer, 1, 2500)).toEqual([])
})

test('what comes to a pull that was given up is there for the next at once', async () => {
  const broker = await bench.open()
  const { topic, consumer } = await bench.stage(broker, { leaseMs: 12 * hour })
  for (let round = 0; round < 5; round++) {
    const given = new AbortController()
    const pulling = consumer.pull({ max: 1, waitMs: 20_000, signal: given.signal })
    const publishing = publish(broker, topic, event(`e-${round}`))
    setTimeout(() => given.abort(), round)
    const [batch] = await Promise.all([pulling, publishing])
    const [delivery] = batch.deliveries.length > 0 ? batch.deliveries : await take(consumer, 1)
    expect(delivery!.event.attributes.id).toBe(`e-${round}`)
    expect(await say(consumer, delivery!, { kind: 'ack' })).toEqual({ status: 'ok' })
  }
})

test('a close takes a second at the most, and nothing is stuck after it', async () => {
  const broker = await bench.open()
  const { topic, consumer } = await bench.stage(broker, { leaseMs: 12 * hour })
  const pulling = consumer.pull({ max: 1, waitMs: 20_000, signal: new AbortController().signal })
  const began = Date.now()
  await Promise.all([consumer.close(), publish(broker, topic, event('e'))])
  // A second, and what a busy machine takes on top.
  expect(Date.now() - began).toBeLessThan(3000)
  expect((await pulling).deliveries).toEqual([])
  expect(idsOf(await take(await broker.open(topic, group, { prefetch: 1 }), 1))).toEqual(['e'])
})
