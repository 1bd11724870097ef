import { expect, test } from 'vitest'
import { Random, seedOfRun } from '../conformance/random.ts'
import { killWhileDelivering, livePoints } from './faults/kill-run.ts'

const timeout = 300_000

test('every delivery is accounted for through SIGKILL at every place, on SQLite and embedded', {
  timeout,
}, async () => {
  const seed = seedOfRun()
  const report = await killWhileDelivering({ seed, store: 'sqlite', broker: 'embedded', points: livePoints })
  console.log(report.line)
  expect(report.violations.slice(0, 10), report.line).toEqual([])
  expect(report.kills).toBe(livePoints.length)
  expect(report.sums.reduce((all, { dead }) => all + dead, 0)).toBeGreaterThan(0)
  expect(report.sums.filter(({ accepted, path }) => accepted === 0 && !path.startsWith('/wide'))).toEqual([])
})

test('every delivery is accounted for through kills on Postgres', { timeout }, async () => {
  const seed = seedOfRun()
  const random = new Random(seed)
  const points = [random.pick(livePoints.slice(0, 4)), ...livePoints.slice(4)]
  const report = await killWhileDelivering({ seed, store: 'postgres', broker: 'embedded', points })
  console.log(report.line)
  expect(report.violations.slice(0, 10), report.line).toEqual([])
  expect(report.kills).toBe(points.length)
})
