import { expect, test } from 'vitest'
import { sharedKafka, sharedNats, sharedRabbitmq } from '../brokers/services/shared.ts'
import { swapUnderLoad } from './drain/run.ts'
import type { Entry } from './drain/stage.ts'

// The control of what drains are held to, for each broker that may be left. `npm test` has it for the embedded one.

const embedded = { type: 'embedded', path: 'log.db' }
const old: Record<string, () => Promise<Entry>> = {
  Kafka: async () => ({ type: 'kafka', bootstrap: (await sharedKafka(1)).bootstrap, sessionTimeout: '6s' }),
  RabbitMQ: async () => ({ type: 'rabbitmq', url: (await sharedRabbitmq()).url, ordering: 'key' }),
  NATS: async () => {
    const { servers, user, password } = await sharedNats()
    return { type: 'nats', servers, user, password, ordering: 'key' }
  },
}

test.each(Object.keys(old))('what is abandoned on %s is lost, and that is seen', { timeout: 400_000 }, async (name) => {
  const { lost, line } = await swapUnderLoad({
    from: await old[name]!(),
    to: embedded,
    seed: 5,
    how: { abandon: true },
  })
  console.log(line)
  expect(lost.length).toBeGreaterThan(100)
})
