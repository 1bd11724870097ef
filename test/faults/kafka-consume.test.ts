import { afterAll, beforeAll, expect, test } from 'vitest'
import { type KafkaCluster, startKafka } from '../brokers/services/kafka.ts'
import { seedOfRun } from '../conformance/random.ts'
import type { ConsumeReport } from './kafka/completions.ts'
import { Crowd, churn, commitEarly, consumeSummary, killMembers, wakeZombie, type Zombie } from './kafka/consuming.ts'

let cluster: KafkaCluster
beforeAll(async () => {
  cluster = await startKafka({ nodes: 3 })
}, 180_000)
afterAll(() => cluster?.stop())

const timeout = 180_000

async function inCrowd(stem: string, run: (crowd: Crowd) => Promise<void>): Promise<ConsumeReport> {
  const seed = seedOfRun()
  const crowd = await Crowd.gather(cluster, stem.replaceAll(/\W+/g, '-'), seed)
  try {
    await run(crowd)
    const report = await crowd.check()
    console.log(consumeSummary(stem, seed, report))
    return report
  } finally {
    await crowd.end()
  }
}

function holds({ violations, ...counts }: ConsumeReport): void {
  expect(violations.slice(0, 10), JSON.stringify(counts)).toEqual([])
  expect(counts.completed + counts.unknown).toBe(counts.published)
}

for (const most of [2, 3]) {
  test(`up to ${most} members that come and go every 2 s settle everything once, in order`, { timeout }, async () => {
    const report = await inCrowd(`come and go ${most}`, (crowd) => churn(crowd, most, 12_000, 2000))
    holds(report)
    expect(report.unknown).toBe(0)
    expect(report.refused).toBe(0)
  })
}

test('what a killed member had comes to another, and what it settled does not', { timeout }, async () => {
  holds(await inCrowd('member killed', (crowd) => killMembers(crowd, 2)))
})

test('a member that stood still past its session settles nothing when it wakes', { timeout }, async () => {
  let zombie: Zombie | undefined
  holds(
    await inCrowd('member stopped', async (crowd) => {
      zombie = await wakeZombie(crowd)
    }),
  )
  expect(zombie!.held).toBeGreaterThan(0)
  expect(new Set(zombie!.refusals)).toEqual(new Set(['lease_lost']))
  expect(zombie!.after).toEqual(zombie!.before)
})

test('negative control: settled before it was handled, and killed, is found missing', { timeout }, async () => {
  const { violations } = await inCrowd('settled early', commitEarly)
  expect(violations.filter(({ kind }) => kind === 'missing').length).toBeGreaterThan(0)
  expect(violations.filter(({ kind }) => kind !== 'missing')).toEqual([])
})
