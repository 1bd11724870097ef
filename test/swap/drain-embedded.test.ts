import { expect, test } from 'vitest'
import { losesNothing, swapUnderLoad } from './drain/run.ts'

const from = { type: 'embedded', path: 'from.db' }
const to = { type: 'embedded', path: 'to.db' }

test('a swap under load loses nothing, and keeps the order of keys', { timeout: 300_000 }, () =>
  losesNothing({ from, to, seed: 1 }),
)

test('what is abandoned is lost, and that is seen', { timeout: 300_000 }, async () => {
  const { lost, line } = await swapUnderLoad({ from, to, seed: 2, how: { abandon: true } })
  console.log(line)
  expect(lost.length).toBeGreaterThan(100)
})
