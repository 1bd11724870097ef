import { afterAll, beforeAll, describe, it } from 'vitest'
import { conformance } from '../conformance/index.ts'
import { type Fauxqs, startFauxqs } from './services/fauxqs.ts'
import { AwsProxy } from './sqs/proxy.ts'
import { sqsTarget } from './sqs-target.ts'

let emulator: Fauxqs
let proxy: AwsProxy
beforeAll(async () => {
  emulator = await startFauxqs()
  proxy = await AwsProxy.before(emulator.config.endpoint)
}, 120_000)
afterAll(async () => {
  await proxy?.close()
  await emulator?.stop()
})

conformance(
  sqsTarget(
    'sns, FIFO',
    { sns: true, fifo: true },
    () => proxy,
    () => emulator.config.endpoint,
  ),
  { describe, it, concurrent: it.concurrent },
)
