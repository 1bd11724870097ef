import { test } from 'vitest'
import { sharedKafka, sharedRabbitmq } from '../brokers/services/shared.ts'
import { losesNothing } from './drain/run.ts'

const kafka = async () => ({ type: 'kafka', bootstrap: (await sharedKafka(1)).bootstrap, sessionTimeout: '6s' })
const rabbitmq = async () => ({ type: 'rabbitmq', url: (await sharedRabbitmq()).url, ordering: 'key' })
const minutes = { timeout: 400_000 }

test('from RabbitMQ to Kafka nothing is lost', minutes, async () => {
  await losesNothing({ from: await rabbitmq(), to: await kafka(), seed: 6 })
})

test('from Kafka to RabbitMQ nothing is lost', minutes, async () => {
  await losesNothing({ from: await kafka(), to: await rabbitmq(), seed: 7 })
})
