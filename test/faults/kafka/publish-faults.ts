import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type KafkaCluster, startKafka } from '../../brokers/services/kafka.ts'
import { Random, seedOfRun } from '../../conformance/random.ts'
import { heal } from './cluster.ts'
import {
  killLeader,
  killTwo,
  loseLeader,
  type PublishReport,
  pauseLeader,
  publishDuring,
  roll,
  roughenWire,
  summary,
} from './publishing.ts'
import { Wire } from './wire.ts'

export interface PublishFaults {
  /** How often each fault comes. */
  readonly rounds: number
  /** So many events are acknowledged before each. */
  readonly burst: number
  readonly pauseMs: number
  /** How many connections are reset. */
  readonly resets: number
  readonly timeout: number
}

function holds(report: PublishReport): void {
  console.log(summary(report))
  expect(report.violations.slice(0, 10), summary(report)).toEqual([])
  expect(report.broken.slice(0, 10), summary(report)).toEqual([])
  if (report.repeated === 0) expect(report.duplicates, summary(report)).toBe(0)
}

/** Declares the faults under publishing, on a cluster of their own. */
export function publishFaults({ rounds, burst, pauseMs, resets, timeout }: PublishFaults): void {
  let cluster: KafkaCluster
  beforeAll(async () => {
    cluster = await startKafka({ nodes: 3 })
  }, 180_000)
  afterEach(() => heal(cluster), 120_000)
  afterAll(() => cluster?.stop())

  test('a killed leader of Kafka loses nothing that was acknowledged', { timeout }, async () => {
    const run = { seed: seedOfRun(), rounds, burst }
    holds(await publishDuring('leader killed', cluster, run, killLeader))
  })

  test('one node of three acknowledges nothing, and says so in time', { timeout }, async () => {
    const run = { seed: seedOfRun(), rounds, burst }
    holds(await publishDuring('two nodes killed', cluster, run, killTwo))
  })

  test('a leader that stood still acknowledges nothing that others decided otherwise', { timeout }, async () => {
    const run = { seed: seedOfRun(), rounds, burst }
    holds(await publishDuring('leader paused', cluster, run, pauseLeader(pauseMs)))
  })

  test('a rolling restart loses nothing', { timeout }, async () => {
    const run = { seed: seedOfRun(), rounds, burst }
    holds(await publishDuring('rolling restart', cluster, run, roll))
  })

  test('late and sliced bytes and reset connections lose and double nothing', { timeout }, async () => {
    const seed = seedOfRun()
    const wire = await Wire.lay(cluster, new Random(seed))
    try {
      const run = { seed, rounds: 1, burst: 200, deadlineMs: 15_000 }
      holds(await publishDuring('rough wire', cluster, run, roughenWire(wire, resets)))
    } finally {
      await wire.cut()
    }
  })

  test('negative control: what only its leader acknowledged is found lost, and nothing that all did', {
    timeout,
  }, async () => {
    const seed = seedOfRun()
    for (let tries = 3; ; tries--) {
      const { leader, all } = await loseLeader(cluster, seed + tries)
      const lost = new Set(leader.violations.flatMap(({ kind, token }) => (kind === 'lost' ? [token] : []))).size
      console.log(
        `SLUICE_SEED=${seed} acks leader: ${leader.acknowledged} acknowledged, ${leader.checked} checked, ${lost} found lost; acks all: ${all.acknowledged} acknowledged, ${all.checked} checked, ${all.violations.length} violations`,
      )
      expect(all.violations.slice(0, 10)).toEqual([])
      if (lost > 0) return
      expect(tries, 'the loss is arranged').toBeGreaterThan(1)
    }
  })
}
