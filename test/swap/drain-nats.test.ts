import { test } from 'vitest'
import { sharedNats } from '../brokers/services/shared.ts'
import { losesNothing } from './drain/run.ts'

const embedded = { type: 'embedded', path: 'log.db' }
const minutes = { timeout: 400_000 }
const nats = async () => {
  const { servers, user, password } = await sharedNats()
  return { type: 'nats', servers, user, password, ordering: 'key' }
}

test('from the embedded broker to NATS nothing is lost', minutes, async () => {
  await losesNothing({ from: embedded, to: await nats(), seed: 9 })
})

test('from NATS to the embedded broker nothing is lost', minutes, async () => {
  await losesNothing({ from: await nats(), to: embedded, seed: 10 })
})
