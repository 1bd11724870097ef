import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type KafkaCluster, startKafka } from '../brokers/services/kafka.ts'
import { seedOfRun } from '../conformance/random.ts'
import { heal } from './kafka/cluster.ts'
import {
  killLeader,
  killTwo,
  longestPublishMs,
  type PublishReport,
  pauseLeader,
  publishDuring,
  roll,
  summary,
} from './kafka/publishing.ts'

let cluster: KafkaCluster
beforeAll(async () => {
  cluster = await startKafka({ nodes: 3 })
}, 180_000)
afterEach(() => heal(cluster), 120_000)
afterAll(() => cluster?.stop())

const timeout = 180_000

function holds(report: PublishReport): void {
  console.log(summary(report))
  expect(report.violations.slice(0, 10), summary(report)).toEqual([])
  expect(report.broken.slice(0, 10), summary(report)).toEqual([])
  expect(report.longestMs, summary(report)).toBeLessThanOrEqual(longestPublishMs)
}

test('a killed leader of Kafka loses nothing that was acknowledged', { timeout }, async () => {
  const run = { seed: seedOfRun(), rounds: 1, burst: 2000 }
  holds(await publishDuring('leader killed', cluster, run, killLeader))
})

test('one node of three acknowledges nothing, and says so in time', { timeout }, async () => {
  const run = { seed: seedOfRun(), rounds: 1, burst: 1000 }
  holds(await publishDuring('two nodes killed', cluster, run, killTwo))
})

test('a leader that stood still acknowledges nothing that others decided otherwise', { timeout }, async () => {
  const run = { seed: seedOfRun(), rounds: 1, burst: 1000 }
  holds(await publishDuring('leader paused', cluster, run, pauseLeader(8000)))
})

test('a rolling restart loses nothing', { timeout }, async () => {
  const run = { seed: seedOfRun(), rounds: 1, burst: 1000 }
  holds(await publishDuring('rolling restart', cluster, run, roll))
})
