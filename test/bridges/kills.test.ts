import { randomInt } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { killWhileMoving, pairs, summary } from './kill-run.ts'

const seed = Number(process.env.SLUICE_SEED ?? randomInt(1, 2 ** 31))
const long = { timeout: 300_000 }

const deaths = [{ at: 'bridge-after-publish', nth: 5 }, { at: 'bridge-before-settle', nth: 3 }, 400] as const

/** The others are for the soak. */
const some = pairs.filter((_, i) => i % 2 === 0)

describe('a gateway that dies while it moves events', () => {
  test.each(some)('from %s to %s leaves nothing behind, and repeats only what is the same', long, async (...pair) => {
    const [source, target] = pair
    const report = await killWhileMoving({ seed, source, target, deaths })
    console.log(summary(seed, report))
    expect(report.violations.slice(0, 10)).toEqual([])
    expect(report.kills).toBeGreaterThanOrEqual(deaths.length)
    expect(report.checked).toBe(report.made)
  })

  test.each(pairs.slice(0, 1))('from %s to %s is caught where it settles too early', long, async (source, target) => {
    const control = 'bridge-settles-first'
    const died = [{ at: 'bridge-after-settle', nth: 6 }] as const
    const report = await killWhileMoving({ seed, source, target, deaths: died, control })
    expect(report.violations.filter((one) => one.startsWith('lost')).length).toBeGreaterThan(0)
  })
})
