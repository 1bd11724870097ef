import { afterEach, beforeEach, expect, test } from 'vitest'
import { EngineStage } from './engine-stage.ts'
import { eventually } from './whole.ts'

let stage: EngineStage
let busy = false

beforeEach(async () => {
  busy = false
  stage = await EngineStage.create({ isBusy: () => busy })
})
afterEach(() => stage.remove())

test('an event that has to wait for the gateway does not let those behind it overtake what is parked of their key', async () => {
  await stage.subscribe('ordered', {
    ordering: 'key',
    filters: [{ exact: { type: 'ordered' } }],
    policy: {
      retryMs: Array.from({ length: 50 }, () => 300),
      breaker: { failureRatio: 1, minimum: 1000, windowMs: 1000, cooldownMs: 1000 },
    },
  })
  await stage.subscribe('narrow', {
    filters: [{ exact: { type: 'narrow' } }],
    policy: { concurrency: 1 },
  })
  await stage.engine.start()
  let sick = true
  stage.receiver.scripts.set('/ordered', (_, response) => response.writeHead(sick ? 500 : 200).end())
  stage.receiver.scripts.set('/narrow', (_, response) => void setTimeout(() => response.end(), 200))
  await stage.publish('first', { type: 'ordered', partitionkey: 'k' })
  await eventually(
    () => stage.store.deliveries.counts('ordered'),
    ({ parked }) => parked === 1,
  )
  // What an attempt takes is known then.
  await stage.publish('n', { type: 'narrow' })
  await eventually(
    () => stage.engine.state('narrow').inFlight + stage.arrived('narrow').length,
    (sum) => sum === 1,
  )
  await eventually(
    () => stage.engine.state('narrow').inFlight,
    (running) => running === 0,
  )
  busy = true
  // One batch: many that one endpoint can take only one after the other, and then the next of the key.
  const event = (id: string, type: string) => {
    return { attributes: { specversion: '1.0', id, source: '/s', type, partitionkey: 'k' } } as const
  }
  const narrow = Array.from({ length: 16 }, (_, i) => event(`n${i}`, 'narrow'))
  await stage.topic.publisher.publish([...narrow, event('second', 'ordered')])
  await eventually(
    () => stage.store.deliveries.counts('ordered'),
    ({ parked }) => parked === 2,
  )
  expect(new Set(stage.arrived('ordered'))).toEqual(new Set(['first']))
  sick = false
  await eventually(
    () => stage.arrived('ordered'),
    (ids) => ids.includes('second'),
  )
  expect(stage.arrived('ordered').slice(-2)).toEqual(['first', 'second'])
})
