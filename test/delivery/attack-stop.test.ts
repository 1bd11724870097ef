import { afterEach, beforeEach, expect, test } from 'vitest'
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
