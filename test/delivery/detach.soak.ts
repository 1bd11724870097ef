import { expect, test } from 'vitest'
import { seedOfRun } from '../conformance/random.ts'
import { catchUp } from './faults/detach-run.ts'

const hourMs = 3_600_000
const deaths = ['after-attempt', 'rejoining', 'attached'] as const

test.each([
  ['sqlite', 'embedded'],
  ['postgres', 'kafka'],
] as const)(
  'a dead endpoint during 120,000 events, on %s and %s: nothing is missing after it heals',
  {
    timeout: hourMs,
  },
  async (store, broker) => {
    const { violations, rows, line } = await catchUp({ seed: seedOfRun(), store, broker, events: 120_000, deaths: [] })
    console.log(line)
    expect(violations.slice(0, 10), line).toEqual([])
    expect(rows, line).toBeLessThan(4000)
  },
)

test.each(['sqlite', 'postgres'] as const)(
  'kills in every state of a feed, on %s and Kafka',
  {
    timeout: hourMs,
  },
  async (store) => {
    const { violations, line } = await catchUp({ seed: seedOfRun(), store, broker: 'kafka', events: 10_000, deaths })
    console.log(line)
    expect(violations.slice(0, 10), line).toEqual([])
  },
)
