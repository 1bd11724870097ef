import { test } from 'vitest'
import { sharedKafka } from '../brokers/services/shared.ts'
import { losesNothing } from './drain/run.ts'

const embedded = { type: 'embedded', path: 'log.db' }
const kafka = async () => ({ type: 'kafka', bootstrap: (await sharedKafka(1)).bootstrap, sessionTimeout: '6s' })
const minutes = { timeout: 400_000 }

test('from the embedded broker to Kafka nothing is lost', minutes, async () => {
  await losesNothing({ from: embedded, to: await kafka(), seed: 3 })
})

test('from Kafka to the embedded broker nothing is lost', minutes, async () => {
  await losesNothing({ from: await kafka(), to: embedded, seed: 4 })
})
