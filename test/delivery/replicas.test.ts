import { expect, test } from 'vitest'
import { seedOfRun } from '../conformance/random.ts'
import { killOneOfTwo } from './faults/replicas-run.ts'

test('two gateways over one Postgres and one Kafka, one killed under load: the ledger adds up', {
  timeout: 400_000,
}, async () => {
  const { violations, sums, line } = await killOneOfTwo({ seed: seedOfRun(), kills: 2, events: 400 })
  console.log(line)
  expect(violations.slice(0, 10), line).toEqual([])
  expect(sums.filter(({ accepted }) => accepted === 0)).toEqual([])
})
