import { expect, test } from 'vitest'
import { seedOfRun } from '../conformance/random.ts'
import { killWhilePublishing, summary } from './kill-run.ts'
import { killWhilePulling } from './pull-run.ts'

const hourMs = 3_600_000

test('200 rounds: nothing acknowledged is lost, doubled or reordered by SIGKILL', { timeout: hourMs }, async () => {
  const seed = seedOfRun()
  const report = await killWhilePublishing({ seed, rounds: 200, acknowledged: 200_000 })
  console.log(summary(seed, report))
  expect(report.violations.slice(0, 10), summary(seed, report)).toEqual([])
  expect(report.kills).toBeGreaterThanOrEqual(200)
})

test('100,000 pulled events: acks survive SIGKILL, everything else comes again', { timeout: hourMs }, async () => {
  const seed = seedOfRun()
  const { violations, ...counts } = await killWhilePulling(seed, 100_000, 1000)
  console.log(`SLUICE_SEED=${seed}: ${JSON.stringify(counts)}`)
  expect(violations.slice(0, 10), `SLUICE_SEED=${seed}`).toEqual([])
})
