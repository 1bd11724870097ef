import { afterAll, beforeAll, expect, test } from 'vitest'
import { type KafkaCluster, startKafka } from '../brokers/services/kafka.ts'
import { seedOfRun } from '../conformance/random.ts'
import { Crowd, churn, consumeSummary } from './kafka/consuming.ts'

let cluster: KafkaCluster
beforeAll(async () => {
  cluster = await startKafka({ nodes: 3 })
}, 180_000)
afterAll(() => cluster?.stop())

const timeout = 180_000

for (const most of [2, 3]) {
  test(`up to ${most} members that come and go every 2 s settle everything once, in order`, { timeout }, async () => {
    const seed = seedOfRun()
    const crowd = await Crowd.gather(cluster, 'churn', seed)
    try {
      await churn(crowd, most, 12_000, 2000)
      const report = await crowd.check()
      const line = consumeSummary(`come and go, ${most}`, seed, report)
      console.log(line)
      expect(report.violations.slice(0, 10), line).toEqual([])
      expect(report.unknown).toBe(0)
      expect(report.completed).toBe(report.published)
    } finally {
      await crowd.end()
    }
  })
}
