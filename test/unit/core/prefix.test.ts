import { expect, test } from 'vitest'
import { Prefix } from '../../../src/core/prefix.ts'
import { Random } from '../../conformance/random.ts'

function delivered(from: number, count: number): Prefix {
  const prefix = new Prefix(from)
  for (let i = 0; i < count; i++) prefix.deliver(from + i)
  return prefix
}

test('the place moves over what is settled without a gap, and no further', () => {
  const prefix = delivered(10, 5)
  expect(prefix.place).toBe(10)
  prefix.settle(12)
  prefix.settle(11)
  expect([prefix.place, prefix.unsettled, prefix.span]).toEqual([10, 3, 5])
  prefix.settle(10)
  expect([prefix.place, prefix.unsettled, prefix.span]).toEqual([13, 2, 2])
  prefix.settle(14)
  prefix.settle(13)
  expect([prefix.place, prefix.unsettled, prefix.span]).toEqual([15, 0, 0])
})

test('what was settled before, or never delivered, changes nothing', () => {
  const prefix = delivered(0, 3)
  expect([prefix.settle(1), prefix.settle(1), prefix.settle(3), prefix.settle(-1)]).toEqual([true, false, false, false])
  prefix.settle(0)
  expect([prefix.settle(0), prefix.settle(1), prefix.place]).toEqual([false, false, 2])
})

test('positions may have gaps, and what is passed over needs no settlement', () => {
  const prefix = new Prefix(0)
  prefix.pass(4)
  expect(prefix.place).toBe(4)
  prefix.deliver(6)
  prefix.pass(9)
  expect(prefix.place).toBe(6)
  prefix.settle(6)
  expect(prefix.place).toBe(9)
  prefix.pass(2)
  expect(prefix.place, 'it never goes back').toBe(9)
})

test('in any order, and over any number, the place is the first that is not settled', () => {
  const random = new Random(7)
  const prefix = delivered(0, 5000)
  const left = new Set(Array.from({ length: 5000 }, (_, i) => i))
  const order = [...left].sort(() => random.next() - 0.5)
  for (const [done, position] of order.entries()) {
    expect(prefix.settle(position)).toBe(true)
    left.delete(position)
    if (done % 250 === 0) expect([prefix.place, prefix.unsettled]).toEqual([Math.min(...left), left.size])
  }
  expect([prefix.place, prefix.unsettled]).toEqual([5000, 0])
})
