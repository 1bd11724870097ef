import { expect, test } from 'vitest'
import { seedOfRun } from '../conformance/random.ts'
import { killWhilePublishing, summary } from './kill-run.ts'
import { killWhilePulling } from './pull-run.ts'

test('nothing acknowledged is lost, doubled or reordered by SIGKILL at any moment, in any publish form', {
  timeout: 400_000,
}, async () => {
  const seed = seedOfRun()
  const report = await killWhilePublishing({ seed, rounds: 20, acknowledged: 20_000 })
  console.log(summary(seed, report))
  expect(report.violations.slice(0, 10), summary(seed, report)).toEqual([])
  expect(report.kills).toBeGreaterThanOrEqual(20)
  expect(report.repeated, 'the kills met publishes under way').toBeGreaterThan(0)
  expect(report.acknowledged).toBeGreaterThanOrEqual(20_000)
  expect(
    Object.entries(report.byForm).filter(([, count]) => count === 0),
    'forms without an event',
  ).toEqual([])
})

test('an acknowledged delivery does not come again after SIGKILL, an unacknowledged one does', {
  timeout: 400_000,
}, async () => {
  const seed = seedOfRun()
  const report = await killWhilePulling(seed, 6000, 600)
  const { violations, ...counts } = report
  console.log(`SLUICE_SEED=${seed}: ${JSON.stringify(counts)}`)
  expect(violations.slice(0, 10), `SLUICE_SEED=${seed}`).toEqual([])
  expect(report.acknowledged + report.unknown).toBe(6000)
  expect(report.kills).toBeGreaterThanOrEqual(5)
  expect(report.left, 'some were left to their lease').toBeGreaterThan(0)
})
