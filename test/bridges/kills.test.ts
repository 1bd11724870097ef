import { randomInt } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { sharedKafka } from '../brokers/services/shared-kafka.ts'
import { killWhileMoving } from './kill-run.ts'

const seed = Number(process.env.SLUICE_SEED ?? randomInt(1, 2 ** 31))
const long = { timeout: 300_000 }

async function brokers() {
  const { bootstrap } = await sharedKafka(1)
  return {
    local: { type: 'embedded', path: 'log.db' },
    main: { type: 'kafka', bootstrap: [...bootstrap], sessionTimeout: '6s' },
  }
}

const deaths = [
  { at: 'bridge-before-publish', nth: 7 },
  { at: 'bridge-after-publish', nth: 5 },
  { at: 'bridge-before-settle', nth: 3 },
  { at: 'bridge-after-settle', nth: 9 },
  500,
] as const

describe.each([
  ['local', 'main'],
  ['main', 'local'],
])('a gateway that dies while it moves events from %s to %s', (source, target) => {
  test('leaves nothing behind, and repeats only what is the same', long, async () => {
    const run = { seed, brokers: await brokers(), source, target, deaths }
    const report = await killWhileMoving(run)
    console.log(`SLUICE_SEED=${seed}: ${JSON.stringify({ ...report, violations: report.violations.length })}`)
    expect(report.violations.slice(0, 10)).toEqual([])
    expect(report.kills).toBeGreaterThanOrEqual(deaths.length)
    expect(report.checked).toBe(report.made)
  })

  test('is caught where it settles before the target has acknowledged', long, async () => {
    const control = 'bridge-settles-first'
    const died = [{ at: 'bridge-after-settle', nth: 6 }] as const
    const report = await killWhileMoving({ seed, brokers: await brokers(), source, target, deaths: died, control })
    expect(report.violations.filter((one) => one.startsWith('lost')).length).toBeGreaterThan(0)
  })
})
