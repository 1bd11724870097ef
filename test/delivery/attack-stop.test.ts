import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Broker } from '../../src/core/broker.ts'
import { until } from '../conformance/waiting.ts'
import { EngineStage } from './engine-stage.ts'

let stage: EngineStage

beforeEach(async () => {
  stage = await EngineStage.create()
})
afterEach(() => stage.remove())

test('a gateway that stops begins no more of its backlog, and does not wait until it is done', async () => {
  stage.receiver.script = (_, response) => void setTimeout(() => response.end(), 50)
  await stage.subscribe('busy', { policy: { concurrency: 1 }, feed: { state: 'attached' } })
  const now = Date.now()
  const bytes = new TextEncoder().encode('{"specversion":"1.0","id":"e","source":"/s","type":"t"}')
  const rows = Array.from({ length: 400 }, (_, i) => {
    const event = { ref: `r${i}`, id: `r${i}`, source: '/s', type: 't', bytes }
    const row = { id: `d${i}`, subscription: 'busy', topic: 'orders', status: 'parked' } as const
    return { ...row, event, at: now, attempts: [], now }
  })
  await stage.store.deliveries.insert(rows)
  await stage.engine.start()
  await stage.receiver.received(5)
  const began = performance.now()
  await stage.engine.stop(15_000)
  expect(performance.now() - began).toBeLessThan(7500)
  expect(stage.receiver.requests.length).toBeLessThan(60)
  // Everything that was received is known to be: nothing was broken off.
  const { succeeded, in_flight, parked } = await stage.store.deliveries.counts('busy')
  expect([succeeded, in_flight + parked]).toEqual([stage.receiver.requests.length, 400 - succeeded])
})

test('a replay that waits for its broker does not keep a gateway from stopping', async () => {
  let reading = false
  const held: EngineStage = await EngineStage.create({
    topics: {
      resolve: () => ({ ...held.topic, broker: stuck() }),
      list: () => [],
      drained: () => undefined,
      supersede: () => undefined,
    },
  })
  /** As one that is away: a read waits for it as long as it may. */
  const stuck = (): Broker => {
    const { broker } = held
    const { signal: never } = new AbortController()
    return {
      capabilities: broker.capabilities,
      groups: broker.groups,
      publish: (...given) => broker.publish(...given),
      open: (...given) => broker.open(...given),
      health: (...given) => broker.health(...given),
      close: () => broker.close(),
      log: {
        covers: (...given) => broker.log!.covers(...given),
        between: (...given) => broker.log!.between(...given),
        get: (...given) => broker.log!.get(...given),
        async *read(_topic, _from, { signal = never }) {
          reading = true
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          yield* []
        },
      },
    }
  }
  await held.subscribe('some')
  const what = { kind: 'replay', epoch: 1, from: 'earliest', next: 'earliest', filters: [], dryRun: false } as const
  const operation = { id: 'op', subscription: 'some', topic: 'orders', state: 'running', done: 0, failed: 0 } as const
  await held.store.operations.create({ ...operation, what, startedAt: Date.now() })
  await held.engine.start()
  await until(5000, 'the replay reads', async () => reading)
  await held.remove()
})
