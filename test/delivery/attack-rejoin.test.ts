import { afterEach, beforeEach, expect, test } from 'vitest'
import { edgeOf, placeOf } from '../../src/delivery/log-range.ts'
import { EngineStage } from './engine-stage.ts'
import { hang } from './receiver.ts'
import { eventually } from './whole.ts'

let stage: EngineStage

beforeEach(async () => {
  stage = await EngineStage.create()
})
afterEach(() => stage.remove())

/** Where the log ends now: a subscription that has read so far attaches again. */
async function rejoining() {
  const next = placeOf(stage.topic, await edgeOf(stage.topic, 'latest', new AbortController().signal))
  return { state: 'rejoining', from: next, next } as const
}

const feedOf = async (id: string) => (await stage.store.subscriptions.get(id))!.feed.state

test('a subscription that is paused while it attaches again does not hold back its topic', async () => {
  await stage.subscribe('paused', { status: 'paused', feed: await rejoining() })
  await stage.subscribe('other')
  await stage.engine.start()
  await stage.publish('e1')
  await eventually(
    () => stage.arrived('other'),
    ({ length }) => length === 1,
  )
})

test('nor does one whose endpoint cannot keep up with its rows', async () => {
  stage.receiver.scripts.set('/slow', hang)
  await stage.subscribe('slow', { policy: { concurrency: 1 }, feed: { state: 'attached' } })
  const now = Date.now()
  const rows = Array.from({ length: 600 }, (_, i) => {
    const event = { ref: `r${i}`, id: `r${i}`, source: '/s', type: 't', bytes: new TextEncoder().encode('{}') }
    return {
      id: `d${i}`,
      subscription: 'slow',
      topic: 'orders',
      event,
      status: 'parked',
      at: now,
      attempts: [],
      now,
    } as const
  })
  await stage.store.deliveries.insert(rows)
  await stage.subscribe('other')
  await stage.engine.start()
  await eventually(
    async () => (await stage.engine.watch()).lanes.map(({ pending }) => pending.events),
    (pending) => pending.includes(600),
  )
  await stage.store.subscriptions.feed('slow', { state: 'attached' }, await rejoining())
  await stage.publish('e1')
  await eventually(
    () => stage.arrived('other'),
    ({ length }) => length === 1,
  )
  expect(await feedOf('slow')).toBe('attached')
})
