import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { eventBytes } from '../../../src/core/event.ts'
import { defaultLimits, type Limits } from '../../../src/core/limits.ts'
import { Publisher } from '../../../src/core/topic.ts'
import { refusal } from './refusal.ts'
import { event, ScriptedBroker, stored } from './scripted-broker.ts'

// Held still: nothing here may depend on time passing.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'setImmediate', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function publisherOf(broker: ScriptedBroker, limits: Partial<Limits> = {}): Publisher {
  return new Publisher(broker, 'orders', { ...defaultLimits, ...limits }, systemClock)
}

/** Lets everything run that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

const size = eventBytes(event('1'))

describe('coalescing', () => {
  test('a lone event leaves at once, and its result comes back', async () => {
    const broker = new ScriptedBroker()
    const result = publisherOf(broker).publish([event('1')])
    const call = await broker.call(0)
    expect(call.ids).toEqual(['1'])
    call.answer([{ id: '1', status: 'stored', position: '7' }])
    expect(await result).toEqual([{ id: '1', status: 'stored', position: '7' }])
  })

  test('what comes while the broker is busy leaves together, in order, and each caller gets its own results', async () => {
    const broker = new ScriptedBroker({ concurrency: 1 })
    const publisher = publisherOf(broker)
    const first = publisher.publish([event('1')])
    await broker.call(0)
    const waiting = [
      publisher.publish([event('2')]),
      publisher.publish([event('3'), event('4')]),
      publisher.publish([event('5')]),
    ]
    await settle()
    expect(broker.calls.length).toBe(1)
    broker.calls[0]!.answer()
    const second = await broker.call(1)
    expect(second.ids).toEqual(['2', '3', '4', '5'])
    second.answer(stored(second.events).map((result, i) => ({ ...result, position: String(i) })) as never)
    expect(await first).toEqual([{ id: '1', status: 'stored' }])
    expect(await Promise.all(waiting)).toEqual([
      [{ id: '2', status: 'stored', position: '0' }],
      [
        { id: '3', status: 'stored', position: '1' },
        { id: '4', status: 'stored', position: '2' },
      ],
      [{ id: '5', status: 'stored', position: '3' }],
    ])
    expect(broker.calls.length).toBe(2)
  })

  test('what is asked for in one turn leaves together', async () => {
    const broker = new ScriptedBroker()
    const publisher = publisherOf(broker)
    publisher.publish([event('1')])
    publisher.publish([event('2')])
    expect((await broker.call(0)).ids).toEqual(['1', '2'])
  })

  test('as many calls at once as the broker allows, and no more', async () => {
    const broker = new ScriptedBroker({ concurrency: 2, maxEvents: 1 })
    const publisher = publisherOf(broker)
    for (const id of ['1', '2', '3', '4']) publisher.publish([event(id)])
    await settle()
    expect(broker.calls.map(({ ids }) => ids[0])).toEqual(['1', '2'])
    broker.calls[1]!.answer()
    await settle()
    expect(broker.calls.map(({ ids }) => ids[0])).toEqual(['1', '2', '3'])
  })

  test('never more events or bytes in one call than the broker takes', async () => {
    for (const bound of [{ maxEvents: 3 }, { maxBytes: size * 3 + 2 }]) {
      const broker = new ScriptedBroker({ concurrency: 1, ...bound })
      const publisher = publisherOf(broker)
      publisher.publish([event('0')])
      await broker.call(0)
      for (let i = 1; i <= 7; i++) publisher.publish([event(String(i))])
      const sent: string[][] = []
      for (let call = 0; sent.flat().length < 8; call++) {
        const made = await broker.call(call)
        sent.push([...made.ids])
        made.answer()
      }
      expect(sent).toEqual([['0'], ['1', '2', '3'], ['4', '5', '6'], ['7']])
    }
  })

  test('what is atomic, or delayed otherwise, leaves apart', async () => {
    const broker = new ScriptedBroker({ concurrency: 1 })
    const publisher = publisherOf(broker)
    publisher.publish([event('0')])
    await broker.call(0)
    publisher.publish([event('1')])
    publisher.publish([event('2')], { delayMs: 500 })
    publisher.publish([event('3')], { delayMs: 500 })
    publisher.publish([event('4')], { atomic: true })
    publisher.publish([event('5')], { atomic: true })
    publisher.publish([event('6')])
    const made: unknown[] = []
    for (let call = 0; call < 6; call++) {
      const { ids, options, answer } = await broker.call(call)
      made.push([ids.join(), options.delayMs, options.atomic])
      answer()
    }
    expect(made).toEqual([
      ['0', undefined, undefined],
      ['1', undefined, undefined],
      ['2,3', 500, undefined],
      ['4', undefined, true],
      ['5', undefined, true],
      ['6', undefined, undefined],
    ])
  })

  test('an atomic request is never cut into parts', async () => {
    const broker = new ScriptedBroker({ maxEvents: 2 })
    publisherOf(broker).publish([event('1'), event('2'), event('3')], { atomic: true })
    expect((await broker.call(0)).ids).toEqual(['1', '2', '3'])
  })
})

describe('what waits is bounded', () => {
  test('beyond the bound it is throttled, and nothing of it is sent', async () => {
    const broker = new ScriptedBroker({ concurrency: 1, maxEvents: 1 })
    const publisher = publisherOf(broker, { queueBytes: size * 3 })
    const waiting = [publisher.publish([event('0')])]
    await broker.call(0)
    for (const id of ['1', '2', '3']) waiting.push(publisher.publish([event(id)]))
    const error = await refusal(() => publisher.publish([event('4')]))
    expect(error).toMatchObject({ code: 'throttled', retryAfterMs: 1000 })
    expect(publisher.queuedBytes).toBe(size * 3)
    for (let call = 0; call < 4; call++) (await broker.call(call)).answer()
    await Promise.all(waiting)
    expect(publisher.queuedBytes).toBe(0)
    expect(broker.calls.flatMap(({ ids }) => ids)).toEqual(['0', '1', '2', '3'])
    // There is room again.
    publisher.publish([event('5')])
    expect((await broker.call(4)).ids).toEqual(['5'])
  })

  test('a request larger than the bound is taken where nothing waits', async () => {
    const broker = new ScriptedBroker()
    publisherOf(broker, { queueBytes: 1 }).publish([event('1')])
    expect((await broker.call(0)).ids).toEqual(['1'])
  })

  test('a caller that paces itself waits instead', async () => {
    const broker = new ScriptedBroker({ concurrency: 1, maxEvents: 1 })
    const publisher = publisherOf(broker, { queueBytes: 1 })
    publisher.publish([event('0')])
    await broker.call(0)
    publisher.publish([event('1')])
    const paced = publisher.publish([event('2')], { paced: true })
    for (let call = 0; call < 3; call++) (await broker.call(call)).answer()
    expect(await paced).toEqual([{ id: '2', status: 'stored' }])
  })
})

describe('size', () => {
  test('the smaller of the two limits holds, to the byte', async () => {
    for (const [gateway, broker] of [
      [size, size + 1000],
      [size + 1000, size],
    ] as const) {
      const publisher = publisherOf(new ScriptedBroker({}, { maxEventBytes: broker }), { event: gateway })
      expect(() => publisher.checkSize(event('1'))).not.toThrow()
      const error = await refusal(() => publisher.checkSize(event('1', undefined, new Uint8Array(1)), '/3'))
      expect(error).toMatchObject({ code: 'too_large', errors: [{ pointer: '/3' }] })
      expect(error.message).toContain(String(size))
    }
  })
})
