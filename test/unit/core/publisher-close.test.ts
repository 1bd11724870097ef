import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { PublishResult } from '../../../src/core/broker.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { defaultLimits } from '../../../src/core/limits.ts'
import { Publisher } from '../../../src/core/topic.ts'
import { event, ScriptedBroker } from './scripted-broker.ts'

const reason = new GatewayError('unavailable', 'It moved.')
const outcome = (results: readonly PublishResult[]) =>
  results.map((result) => (result.status === 'stored' ? 'stored' : `${result.status} ${result.error.code}`))

let broker: ScriptedBroker
let publisher: Publisher
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  broker = new ScriptedBroker({ maxEvents: 2, concurrency: 1 })
  publisher = new Publisher(broker, 'orders', defaultLimits, systemClock)
})
afterEach(() => {
  vi.useRealTimers()
})

test('what waits and what comes is refused; what was sent has its answer', async () => {
  const sent = publisher.publish([event('a')])
  const call = await broker.call(0)
  const waiting = publisher.publish([event('b')])
  publisher.close(reason)
  expect(outcome(await waiting)).toEqual(['failed unavailable'])
  expect(outcome(await publisher.publish([event('c')]))).toEqual(['failed unavailable'])
  expect(publisher.queuedBytes).toBe(0)
  call.answer()
  expect(outcome(await sent)).toEqual(['stored'])
  await vi.advanceTimersByTimeAsync(5000)
  expect(broker.calls).toHaveLength(1)
  publisher.open()
  const again = publisher.publish([event('d')])
  ;(await broker.call(1)).answer()
  expect(outcome(await again)).toEqual(['stored'])
})

test('what the broker does not answer is unknown within two seconds', async () => {
  const sent = publisher.publish([event('a')])
  const { options } = await broker.call(0)
  publisher.close(reason)
  await vi.advanceTimersByTimeAsync(999)
  expect(options.signal.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(options.signal.aborted).toBe(true)
  await vi.advanceTimersByTimeAsync(1000)
  expect(outcome(await sent)).toEqual(['unknown unknown_outcome'])
})

test('of a request in parts, those that were not sent are refused', async () => {
  const sent = publisher.publish([event('a'), event('b'), event('c')])
  const call = await broker.call(0)
  publisher.close(reason)
  call.answer()
  expect(outcome(await sent)).toEqual(['stored', 'stored', 'failed unavailable'])
})
