import { afterEach, beforeEach, expect, test } from 'vitest'
import { EngineStage } from './engine-stage.ts'
import { eventually } from './whole.ts'

let stage: EngineStage

beforeEach(async () => {
  stage = await EngineStage.create()
})
afterEach(() => stage.remove())

test('an endpoint that answers 410 while others of its deliveries run and wait leaves nothing pending', async () => {
  await stage.subscribe('gone', { policy: { concurrency: 4 } })
  await stage.engine.start()
  let requests = 0
  stage.receiver.script = (_, response) => {
    requests++
    if (requests === 1) setTimeout(() => response.writeHead(410).end(), 100)
    else setTimeout(() => response.writeHead(500).end(), 600)
  }
  for (let i = 0; i < 30; i++) await stage.publish(`e${i}`)
  await eventually(
    () => stage.store.subscriptions.get('gone'),
    (found) => found?.status === 'ended',
  )
  const counts = await eventually(
    () => stage.store.deliveries.counts('gone'),
    ({ dead }) => dead === 30,
  )
  expect(counts).toMatchObject({ parked: 0, in_flight: 0 })
})
