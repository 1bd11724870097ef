import { afterAll, beforeAll, describe, it } from 'vitest'
import { conformance } from '../conformance/index.ts'
import { singleNode } from './kafka-target.ts'
import { type KafkaCluster, startKafka } from './services/kafka.ts'

let cluster: KafkaCluster
beforeAll(async () => {
  cluster = await startKafka({ nodes: 1 })
}, 120_000)
afterAll(() => cluster?.stop())

conformance(
  singleNode(() => cluster),
  { describe, it, concurrent: it },
)
