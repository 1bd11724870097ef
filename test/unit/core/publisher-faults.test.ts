import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { PublishResult } from '../../../src/core/broker.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Event } from '../../../src/core/event.ts'
import { defaultLimits } from '../../../src/core/limits.ts'
import { BrokenKeys, Publisher } from '../../../src/core/topic.ts'
import { brokerThat, event, ScriptedBroker, stored } from './scripted-broker.ts'

const deadlineMs = 30_000
const graceMs = 1000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function publisherOf(broker: ConstructorParameters<typeof Publisher>[0]): Publisher {
  return new Publisher(broker, 'orders', defaultLimits, systemClock)
}

const keyed = (...names: string[]): Event[] => names.map((name) => event(name, name[0] === '-' ? undefined : name[0]))
const statuses = (results: readonly PublishResult[]): string[] => results.map(({ id, status }) => `${id} ${status}`)

/** Stores everything but the events named, which end as said. */
function answerBut(events: readonly Event[], others: Record<string, 'failed' | 'unknown'>): PublishResult[] {
  return stored(events).map((result): PublishResult => {
    const status = others[result.id]
    return status === undefined ? result : { id: result.id, status, error: { code: 'unavailable', detail: 'no' } }
  })
}

describe('a request in parts', () => {
  test('goes part by part, in order, within both bounds', async () => {
    const broker = new ScriptedBroker({ maxEvents: 2, concurrency: 4 })
    const result = publisherOf(broker).publish(keyed('a1', 'a2', 'b1', 'a3', 'b2'))
    for (const [call, ids] of [
      [0, ['a1', 'a2']],
      [1, ['b1', 'a3']],
      [2, ['b2']],
    ] as const) {
      const made = await broker.call(call)
      expect(made.ids).toEqual(ids)
      // Not before the one before it is stored, also where the broker has slots.
      expect(broker.calls.length).toBe(call + 1)
      made.answer()
    }
    expect(statuses(await result)).toEqual(['a1 stored', 'a2 stored', 'b1 stored', 'a3 stored', 'b2 stored'])
  })

  test('parts are cut by bytes, and one event that is over the bound goes alone', async () => {
    const large = new Uint8Array(900)
    const broker = new ScriptedBroker({ maxBytes: 1000 })
    const events = [
      event('1', undefined, large),
      event('2', undefined, large),
      event('3', undefined, new Uint8Array(2000)),
    ]
    const result = publisherOf(broker).publish(events)
    for (const [call, id] of [
      [0, '1'],
      [1, '2'],
      [2, '3'],
    ] as const) {
      const made = await broker.call(call)
      expect(made.ids).toEqual([id])
      made.answer()
    }
    expect((await result).length).toBe(3)
  })

  test.each(['failed', 'unknown'] as const)(
    'after an event of a key is %s, later ones of that key are not sent',
    async (how) => {
      const broker = new ScriptedBroker({ maxEvents: 2 })
      const result = publisherOf(broker).publish(keyed('a1', 'b1', 'a2', 'b2', '-1', 'a3', 'b3'))
      const first = await broker.call(0)
      first.answer(answerBut(first.events, { a1: how }))
      const second = await broker.call(1)
      expect(second.ids).toEqual(['b2', '-1'])
      second.answer()
      const third = await broker.call(2)
      expect(third.ids).toEqual(['b3'])
      third.answer()
      const results = await result
      expect(statuses(results)).toEqual([
        `a1 ${how}`,
        'b1 stored',
        'a2 failed',
        'b2 stored',
        '-1 stored',
        'a3 failed',
        'b3 stored',
      ])
      expect(results[2]).toMatchObject({ error: { code: 'unavailable' } })
    },
  )

  test('events without a key fail alone', async () => {
    const broker = new ScriptedBroker({ maxEvents: 1 })
    const result = publisherOf(broker).publish(keyed('-1', '-2'))
    const first = await broker.call(0)
    first.answer(answerBut(first.events, { '-1': 'failed' }))
    ;(await broker.call(1)).answer()
    expect(statuses(await result)).toEqual(['-1 failed', '-2 stored'])
  })

  test('where nothing of the rest may be sent, nothing is', async () => {
    const broker = new ScriptedBroker({ maxEvents: 1 })
    const result = publisherOf(broker).publish(keyed('a1', 'a2', 'a3'))
    ;(await broker.call(0)).fail(new GatewayError('unavailable', 'down'))
    expect(statuses(await result)).toEqual(['a1 failed', 'a2 failed', 'a3 failed'])
    expect(broker.calls.length).toBe(1)
  })

  test('all parts share one deadline', async () => {
    const broker = new ScriptedBroker({ maxEvents: 1 })
    const began = Date.now()
    const result = publisherOf(broker).publish(keyed('a1', 'b1', 'c1', 'd1'))
    for (const call of [0, 1]) {
      const made = await broker.call(call)
      await vi.advanceTimersByTimeAsync(deadlineMs / 2)
      made.answer()
    }
    // The third would be the first that is sent after the deadline.
    expect(statuses(await result)).toEqual(['a1 stored', 'b1 stored', 'c1 failed', 'd1 failed'])
    expect((await result)[2]).toMatchObject({ error: { code: 'unavailable' } })
    expect(broker.calls.length).toBe(2)
    expect(Date.now() - began).toBe(deadlineMs)
  })
})

describe('an adapter that fails', () => {
  test.each([
    ['a typed refusal', new GatewayError('unavailable', 'down'), 'failed', 'unavailable', 'down'],
    ['a permanent refusal', new GatewayError('unprocessable', 'never'), 'failed', 'unprocessable', 'never'],
    ['a typed doubt', new GatewayError('unknown_outcome', 'secret'), 'unknown', 'unknown_outcome', undefined],
    ['a defect of its own', new GatewayError('internal', 'secret'), 'unknown', 'unknown_outcome', undefined],
    ['an error of a client library', new TypeError('secret'), 'unknown', 'unknown_outcome', undefined],
    ['a string', 'secret', 'unknown', 'unknown_outcome', undefined],
  ])('with %s', async (_, thrown, status, code, detail) => {
    for (const broker of [
      brokerThat(() => Promise.reject(thrown)),
      brokerThat(() => {
        throw thrown
      }),
    ]) {
      const results = await publisherOf(broker).publish([event('1'), event('2')])
      for (const [i, result] of results.entries()) {
        expect(result).toMatchObject({ id: String(i + 1), status, error: { code } })
        if (detail !== undefined) expect(result).toMatchObject({ error: { detail } })
      }
      expect(JSON.stringify(results)).not.toContain('secret')
    }
  })

  test.each([0, 1, 3])('with %i results for 2 events: what was stored is not known', async (count) => {
    const broker = brokerThat(async (_, events) => Array.from({ length: count }, () => stored(events)[0]!))
    const results = await publisherOf(broker).publish([event('1'), event('2')])
    expect(statuses(results)).toEqual(['1 unknown', '2 unknown'])
  })

  test('does not stop what comes after it', async () => {
    const broker = new ScriptedBroker({ concurrency: 1 })
    const publisher = publisherOf(broker)
    const first = publisher.publish([event('1')])
    const call = await broker.call(0)
    const second = publisher.publish([event('2')])
    call.fail(new TypeError('no'))
    ;(await broker.call(1)).answer()
    expect(statuses(await first)).toEqual(['1 unknown'])
    expect(statuses(await second)).toEqual(['2 stored'])
  })
})

describe('the deadline', () => {
  test('aborts the signal; what the adapter says then counts', async () => {
    const broker = new ScriptedBroker()
    const result = publisherOf(broker).publish([event('1')])
    const { options, answer, events } = await broker.call(0)
    await vi.advanceTimersByTimeAsync(deadlineMs - 1)
    expect(options.signal.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(options.signal.aborted).toBe(true)
    answer(answerBut(events, { '1': 'unknown' }))
    expect(await result).toEqual([{ id: '1', status: 'unknown', error: { code: 'unavailable', detail: 'no' } }])
  })

  test('an adapter that hangs is given up after a grace, and its slot is free again', async () => {
    const broker = new ScriptedBroker({ concurrency: 1 })
    const publisher = publisherOf(broker)
    let done = false
    const hung = publisher.publish([event('1')]).finally(() => {
      done = true
    })
    await broker.call(0)
    await vi.advanceTimersByTimeAsync(deadlineMs + graceMs - 1)
    expect(done).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(await hung).toEqual([
      { id: '1', status: 'unknown', error: expect.objectContaining({ code: 'unknown_outcome' }) },
    ])
    const next = publisher.publish([event('2')])
    ;(await broker.call(1)).answer()
    expect(statuses(await next)).toEqual(['2 stored'])
    // Late news change nothing.
    broker.calls[0]!.answer()
    expect(publisher.queuedBytes).toBe(0)
  })

  test('what could not be sent in time was not stored, and says so', async () => {
    const broker = new ScriptedBroker({ concurrency: 1 })
    const publisher = publisherOf(broker)
    publisher.publish([event('1')])
    await broker.call(0)
    const late = publisher.publish([event('2')])
    await vi.advanceTimersByTimeAsync(deadlineMs - 1000)
    const fresh = publisher.publish([event('3')])
    await vi.advanceTimersByTimeAsync(1000 + graceMs)
    expect(await late).toEqual([{ id: '2', status: 'failed', error: expect.objectContaining({ code: 'unavailable' }) }])
    // What came later is not given up with it.
    const call = await broker.call(1)
    expect(call.ids).toEqual(['3'])
    call.answer()
    expect(statuses(await fresh)).toEqual(['3 stored'])
    expect(publisher.queuedBytes).toBe(0)
  })

  test('a part of an older request does not get the time of what came later', async () => {
    const runs: (() => void)[] = []
    const broker = new ScriptedBroker({ maxEvents: 2, concurrency: 1 })
    const publisher = new Publisher(broker, 'orders', defaultLimits, systemClock, {
      defer: (run) => void runs.push(run),
    })
    const older = publisher.publish(keyed('a1', 'b1', 'c1'))
    runs.shift()?.()
    await vi.advanceTimersByTimeAsync(deadlineMs / 2)
    publisher.publish([event('fresh')])
    broker.calls[0]!.answer()
    // By now the second part waits behind what came later, and both could leave together.
    await vi.advanceTimersByTimeAsync(0)
    runs.shift()?.()
    expect(broker.calls[1]?.ids).toEqual(['fresh'])
    broker.calls[1]!.answer()
    await vi.advanceTimersByTimeAsync(0)
    runs.shift()?.()
    expect(broker.calls[2]?.ids).toEqual(['c1'])
    await vi.advanceTimersByTimeAsync(deadlineMs / 2)
    expect(broker.calls[2]?.options.signal.aborted).toBe(true)
    broker.calls[2]!.answer()
    expect(statuses(await older)).toEqual(['a1 stored', 'b1 stored', 'c1 stored'])
  })

  test('leaves no timer behind', async () => {
    const broker = brokerThat(async (_, events) => stored(events))
    await publisherOf(broker).publish([event('1')])
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('broken keys are those of events that were not stored', () => {
  const broken = new BrokenKeys()
  expect(broken.refusal(event('a1', 'a'))).toBeUndefined()
  const events = keyed('a1', 'b1', '-1')
  broken.note(events, answerBut(events, { a1: 'unknown', '-1': 'failed' }))
  expect(broken.refusal(event('a2', 'a'))).toMatchObject({ id: 'a2', status: 'failed' })
  expect(broken.refusal(event('b2', 'b'))).toBeUndefined()
  expect(broken.refusal(event('-2'))).toBeUndefined()
})
