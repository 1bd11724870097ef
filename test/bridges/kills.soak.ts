import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { Random } from '../conformance/random.ts'
import { killWhileMoving, pairs, summary } from './kill-run.ts'

const seed = Number(process.env.SLUICE_SEED ?? randomInt(1, 2 ** 31))
const hour = { timeout: 3_600_000 }
const places = ['bridge-before-publish', 'bridge-after-publish', 'bridge-before-settle', 'bridge-after-settle'] as const

test.each(pairs)('from %s to %s, through many deaths', hour, async (source, target) => {
  const random = new Random(seed)
  const deaths = Array.from({ length: 6 }, () => [
    ...places.map((at) => ({ at, nth: random.between(1, 30) })),
    random.between(50, 1500),
  ]).flat()
  const report = await killWhileMoving({ seed, source, target, deaths })
  console.log(summary(seed, report))
  expect(report.violations.slice(0, 10)).toEqual([])
  expect(report.checked).toBe(report.made)
})
