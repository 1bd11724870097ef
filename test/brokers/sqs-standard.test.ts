import { afterAll, beforeAll, describe, it } from 'vitest'
import { conformance } from '../conformance/index.ts'
import { type ElasticMq, startElasticMq } from './services/elasticmq.ts'
import { AwsProxy } from './sqs/proxy.ts'
import { sqsTarget } from './sqs-target.ts'

let emulator: ElasticMq
let proxy: AwsProxy
beforeAll(async () => {
  emulator = await startElasticMq()
  proxy = await AwsProxy.before(emulator.config.endpoint)
}, 120_000)
afterAll(async () => {
  await proxy?.close()
  await emulator?.stop()
})

conformance(
  sqsTarget(
    'sqs, standard',
    {},
    () => proxy,
    () => emulator.config.endpoint,
  ),
  { describe, it, concurrent: it.concurrent },
)
