import { afterAll, beforeAll, describe, it } from 'vitest'
import { conformance } from '../conformance/index.ts'
import { natsTarget } from './nats-target.ts'
import { type NatsCluster, startNats } from './services/nats.ts'

let cluster: NatsCluster
beforeAll(async () => {
  cluster = await startNats()
}, 300_000)
afterAll(() => cluster?.stop())

conformance(
  natsTarget('nats, in the order of keys', () => cluster, 1, 'key'),
  { describe, it, concurrent: it },
)
