import { afterEach, expect, test } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { EngineStage } from './engine-stage.ts'
import { eventually } from './whole.ts'

let stage: EngineStage
afterEach(() => stage.remove())

test('what many subscriptions owe is claimed for many of them at once', async () => {
  stage = await EngineStage.create()
  let claims = 0
  const { deliveries } = stage.store as { -readonly [name in keyof Store]: Store[name] }
  const { claim } = deliveries
  deliveries.claim = (...given) => {
    claims++
    return claim(...given)
  }
  const bytes = new TextEncoder().encode('{"specversion":"1.0","id":"e","source":"/s","type":"t"}')
  const now = Date.now()
  const owed = Array.from({ length: 300 }, (_, i) => `s${i}`)
  for (const id of owed) await stage.subscribe(id, { feed: { state: 'attached' } })
  const event = { ref: 'r', id: 'e', source: '/s', type: 't', bytes }
  await stage.store.deliveries.insert(
    owed.map((subscription) => {
      return {
        id: `${subscription}-0`,
        subscription,
        topic: 'orders',
        event,
        status: 'parked',
        at: now,
        attempts: [],
        now,
      }
    }),
  )
  await stage.engine.start()
  await eventually(
    () => stage.receiver.requests.length,
    (count) => count === owed.length,
  )
  expect(claims).toBeLessThan(30)
})
