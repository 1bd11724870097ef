import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsCluster, startNats } from '../brokers/services/nats.ts'
import { losesNothing, swapUnderLoad } from './drain/run.ts'

const embedded = { type: 'embedded', path: 'log.db' }
const minutes = { timeout: 400_000 }
let server: NatsCluster
const nats = () => {
  const { servers, user, password } = server
  return { type: 'nats', servers, user, password, ordering: 'key' }
}

beforeAll(async () => {
  server = await startNats()
}, 300_000)
afterAll(() => server?.stop())

test('from the embedded broker to NATS nothing is lost', minutes, async () => {
  await losesNothing({ from: embedded, to: nats(), seed: 9 })
})

test('from NATS to the embedded broker nothing is lost', minutes, async () => {
  await losesNothing({ from: nats(), to: embedded, seed: 10 })
})

test('what is abandoned on NATS is lost, and that is seen', minutes, async () => {
  const { lost, line } = await swapUnderLoad({
    from: nats(),
    to: embedded,
    seed: 11,
    how: { abandon: true },
  })
  console.log(line)
  expect(lost.length).toBeGreaterThan(100)
})
