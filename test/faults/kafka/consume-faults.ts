import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type KafkaCluster, startKafka } from '../../brokers/services/kafka.ts'
import { seedOfRun } from '../../conformance/random.ts'
import { heal } from './cluster.ts'
import type { ConsumeReport } from './completions.ts'
import {
  Crowd,
  churn,
  commitEarly,
  consumeSummary,
  killMembers,
  loseCoordinator,
  wakeZombie,
  type Zombie,
} from './consuming.ts'

export interface ConsumeFaults {
  /** How long members come and go. */
  readonly churnMs: number
  readonly kills: number
  /** How often the group's coordinator is killed. */
  readonly coordinators: number
  /** How often a member stands still. */
  readonly zombies: number
  readonly timeout: number
}

const everyMs = 2000

function holds({ violations, ...counts }: ConsumeReport): void {
  expect(violations.slice(0, 10), JSON.stringify(counts)).toEqual([])
  expect(counts.completed + counts.unknown).toBe(counts.published)
}

/** Declares the faults under a group's members, on a cluster of their own. */
export function consumeFaults({ churnMs, kills, coordinators, zombies, timeout }: ConsumeFaults): void {
  let cluster: KafkaCluster
  beforeAll(async () => {
    cluster = await startKafka({ nodes: 3 })
  }, 180_000)
  afterEach(() => heal(cluster), 120_000)
  afterAll(() => cluster?.stop())

  async function inCrowd(
    stem: string,
    run: (crowd: Crowd) => Promise<unknown>,
    answersLost = false,
  ): Promise<ConsumeReport> {
    const seed = seedOfRun()
    const crowd = await Crowd.gather(cluster, stem.replaceAll(/\W+/g, '-'), seed)
    try {
      await run(crowd)
      const report = await crowd.check(answersLost)
      console.log(consumeSummary(stem, seed, report))
      return report
    } finally {
      await crowd.end()
    }
  }

  for (const most of [2, 3]) {
    test(`up to ${most} members that come and go every 2 s settle everything once, in order`, { timeout }, async () => {
      const report = await inCrowd(`come and go ${most}`, (crowd) => churn(crowd, most, churnMs, everyMs))
      holds(report)
      expect(report.unknown).toBe(0)
    })
  }

  test('what a killed member had comes to another, and what it settled does not', { timeout }, async () => {
    holds(await inCrowd('member killed', (crowd) => killMembers(crowd, kills)))
  })

  test('members go on with their places when the coordinator of their group is killed', { timeout }, async () => {
    let recoveryMs: readonly number[] = []
    holds(
      await inCrowd(
        'coordinator killed',
        async (crowd) => {
          recoveryMs = await loseCoordinator(crowd, coordinators)
        },
        true,
      ),
    )
    console.log(`both members settled again after ${recoveryMs.join(', ')} ms`)
    expect(Math.max(...recoveryMs)).toBeLessThanOrEqual(30_000)
  })

  test('a member that stood still past its session settles nothing when it wakes', { timeout }, async () => {
    for (let left = zombies; left > 0; left--) {
      let zombie: Zombie | undefined
      holds(
        await inCrowd('member stopped', async (crowd) => {
          zombie = await wakeZombie(crowd)
        }),
      )
      expect(zombie!.held).toBeGreaterThan(0)
      expect(new Set(zombie!.refusals)).toEqual(new Set(['lease_lost']))
      expect(zombie!.after).toEqual(zombie!.before)
    }
  })

  test('negative control: settled before it was handled, and killed, is found missing', { timeout }, async () => {
    const { violations } = await inCrowd('settled early', commitEarly)
    expect(violations.filter(({ kind }) => kind === 'missing').length).toBeGreaterThan(0)
    expect(violations.filter(({ kind }) => kind !== 'missing')).toEqual([])
  })
}
