import { expect, test } from 'vitest'
import { seedOfRun } from '../conformance/random.ts'
import { catchUp } from './faults/detach-run.ts'

/** What is ahead of the attempts, and what was in memory when it detached. */
const mostRows = 4000

test('a dead endpoint leaves the store small and the others untouched, and misses nothing once it heals', {
  timeout: 400_000,
}, async () => {
  const run = { seed: seedOfRun(), store: 'sqlite', broker: 'embedded', events: 10_000, deaths: [] } as const
  const { violations, sums, rows, line } = await catchUp(run)
  console.log(line)
  expect(violations.slice(0, 10), line).toEqual([])
  expect(rows, line).toBeLessThan(mostRows)
  const history = sums.find(({ path }) => path === '/history')!
  expect(history.attempts, 'everything once').toBe(history.accepted)
  expect(sums.find(({ path }) => path === '/alive')!.repeated).toBe(0)
})

test('kills while subscriptions are detached, rejoin and are attached again: nothing is missing', {
  timeout: 400_000,
}, async () => {
  const deaths = ['after-attempt', 'rejoining', 'attached'] as const
  const { violations, line } = await catchUp({
    seed: seedOfRun(),
    store: 'sqlite',
    broker: 'embedded',
    events: 4000,
    deaths,
  })
  console.log(line)
  expect(violations.slice(0, 10), line).toEqual([])
})
