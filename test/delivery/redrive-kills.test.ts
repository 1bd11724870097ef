import { expect, test } from 'vitest'
import { seedOfRun } from '../conformance/random.ts'
import { redriveUnderKills } from './faults/redrive-run.ts'

test.concurrent.each(['sqlite', 'postgres'] as const)(
  'each request redrives each delivery once through kills, on %s',
  {
    timeout: 300_000,
  },
  async (store) => {
    const points = ['before-redrive', 'after-redrive'] as const
    const { wrong, operations, dead, line } = await redriveUnderKills({ seed: seedOfRun(), store, points })
    console.log(line)
    expect(wrong.slice(0, 10), line).toEqual([])
    expect(operations).toHaveLength(4)
    for (const [at, operation] of operations.entries()) {
      const [done, failed] = at === operations.length - 1 ? [dead, 0] : [0, dead]
      expect(operation, line).toMatchObject({ state: 'succeeded', matched: dead, done, failed })
    }
  },
)
