import { afterAll, beforeAll, expect, test } from 'vitest'
import { noticeMs } from '../../src/config/swap.ts'
import { DrainGateway } from './drain-gateway.ts'
import { eventually } from './whole.ts'

// Replicas with the old configuration make groups until they notice a swap. Whoever listens before loses what comes to them.
const brokers = { one: { type: 'embedded', memory: true }, two: { type: 'embedded', memory: true } }
const swapped = { topic: { broker: 'two', drainFrom: 'one' } }
let first: DrainGateway
let second: DrainGateway

beforeAll(async () => {
  first = await DrainGateway.create()
  second = await DrainGateway.create(first.folder)
})
afterAll(async () => {
  await second.stop()
  await first.remove()
})

test('a replica that starts soon after a swap waits for the others to notice too', async () => {
  await first.start({ topic: { broker: 'one' } }, { brokers })
  await first.stop()
  const starting = first.start(swapped, { brokers })
  await eventually(
    () => first.logged,
    (lines) => lines.some((line) => line.includes('what the old one has is consumed first')),
  )
  const bound = performance.now()
  await second.start(swapped, { brokers })
  expect(performance.now() - bound).toBeGreaterThan(noticeMs * 0.9)
  await starting
})
