import { expect, test } from 'vitest'
import { seedOfRun } from '../conformance/random.ts'
import { killWhileDelivering, livePoints } from './faults/kill-run.ts'
import { redriveUnderKills } from './faults/redrive-run.ts'
import { killOneOfTwo } from './faults/replicas-run.ts'

const hourMs = 3_600_000
const stores = ['sqlite', 'postgres'] as const
const brokers = ['embedded', 'kafka'] as const

for (const store of stores) {
  test.each(brokers)(
    `every delivery is accounted for through SIGKILL at every place, on ${store} and %s`,
    {
      timeout: hourMs,
    },
    async (broker) => {
      const seed = seedOfRun()
      const report = await killWhileDelivering({ seed, store, broker, points: [...livePoints, ...livePoints] })
      console.log(report.line)
      expect(report.violations.slice(0, 10), report.line).toEqual([])
    },
  )

  test(`each request redrives each delivery once through ten kills, on ${store}`, { timeout: hourMs }, async () => {
    const points = Array.from({ length: 5 }, () => ['before-redrive', 'after-redrive'] as const).flat()
    const { wrong, line } = await redriveUnderKills({ seed: seedOfRun(), store, points })
    console.log(line)
    expect(wrong.slice(0, 10), line).toEqual([])
  })
}

test('two gateways over one Postgres and one Kafka, killed twenty times: the ledger adds up', {
  timeout: hourMs,
}, async () => {
  const { violations, line } = await killOneOfTwo({ seed: seedOfRun(), kills: 20, events: 2000 })
  console.log(line)
  expect(violations.slice(0, 10), line).toEqual([])
})
