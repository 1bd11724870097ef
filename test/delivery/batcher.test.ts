import { expect, test } from 'vitest'
import { GatewayError } from '../../src/core/errors.ts'
import { Batcher } from '../../src/delivery/batcher.ts'

test('what comes while a call is under way leaves together with the next, in its order', async () => {
  const calls: (readonly number[])[] = []
  const first = Promise.withResolvers<void>()
  const batcher = new Batcher<number, number>(
    async (items) => {
      calls.push(items)
      if (calls.length === 1) await first.promise
      return items.map((item) => item * 2)
    },
    3,
    () => {},
  )
  const begun = batcher.add(1)
  await Promise.resolve()
  const rest = [2, 3, 4, 5].map((item) => batcher.add(item))
  first.resolve()
  expect(await Promise.all([begun, ...rest])).toEqual([2, 4, 6, 8, 10])
  expect(calls).toEqual([[1], [2, 3, 4], [5]])
})

test('a call that may be tried again is, and nobody hears of it', async () => {
  let left = 2
  const faults: unknown[] = []
  const batcher = new Batcher<number, number>(
    async (items) => {
      if (left-- > 0) throw new GatewayError('unavailable', 'Not now.')
      return items
    },
    10,
    (error) => faults.push(error),
  )
  expect(await Promise.all([batcher.add(1), batcher.add(2)])).toEqual([1, 2])
  expect(faults).toHaveLength(2)
})

test('one that is refused for good takes no other along', async () => {
  const batcher = new Batcher<string, string>(
    async (items) => {
      if (items.includes('bad')) throw new GatewayError('internal', 'Refused.')
      return items
    },
    10,
    () => {},
  )
  const results = await Promise.allSettled(['a', 'bad', 'b', 'c'].map((item) => batcher.add(item)))
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  expect(await batcher.add('later')).toBe('later')
})
