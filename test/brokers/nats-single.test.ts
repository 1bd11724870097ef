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
  natsTarget('nats, one server', () => cluster, 1),
  { describe, it, concurrent: it },
)
