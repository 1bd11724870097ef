import { expect, test } from 'vitest'
import type { Encoded } from '../../../adapters/sqs/codec.ts'
import { dedupIdOf, messageGroupOf } from '../../../adapters/sqs/fifo.ts'
import { batchesOf, type Placed, wavesOf } from '../../../adapters/sqs/publish/plan.ts'
import { Recent } from '../../../adapters/sqs/publish/recent.ts'
import { Turns } from '../../../adapters/sqs/publish/turns.ts'
import { event } from '../../conformance/events.ts'
import { settles } from '../../conformance/waiting.ts'

const message = (bytes: number): Encoded => ({ body: '', attributes: {}, bytes })
const placed = (place: number, bytes: number, group = ''): Placed => {
  return { place, message: message(bytes), fifo: { group, dedup: `${place}` } }
}
const places = (all: readonly (readonly Placed[])[]) => all.map((one) => one.map(({ place }) => place))

test('a request has ten messages at the most, and no more bytes than one may', () => {
  const small = Array.from({ length: 23 }, (_, i) => placed(i, 10))
  expect(batchesOf(small, 1000).map((batch) => batch.length)).toEqual([10, 10, 3])
  expect(places(batchesOf([placed(0, 600), placed(1, 400), placed(2, 1), placed(3, 1000)], 1000))).toEqual([
    [0, 1],
    [2],
    [3],
  ])
  expect(batchesOf([], 1000)).toEqual([])
})

test('of one group a wave has one message, in their order', () => {
  const all = ['a', 'a', 'b', 'c', 'a', 'b'].map((group, i) => placed(i, 1, group))
  expect(places(wavesOf(all))).toEqual([[0, 2, 3], [1, 5], [4]])
})

test('a key is a group as far as AWS has its characters, and no two keys share one', () => {
  const groupOf = (partitionkey: string) => messageGroupOf(event('a', { partitionkey }))
  expect(groupOf('customer-7')).toBe('customer-7')
  const odd = ['a b', 'ключ', '~e', 'x'.repeat(129), '~kx', ' ']
  for (const key of odd) expect(groupOf(key)).toMatch(/^~k[\w-]{43}$/)
  expect(new Set(odd.map(groupOf)).size).toBe(odd.length)
  const keyless = messageGroupOf(event('a'))
  expect(keyless).toMatch(/^~e[\w-]{43}$/)
  expect(messageGroupOf(event('b'))).not.toBe(keyless)
})

test('the same id of another source is another event', () => {
  expect(dedupIdOf(event('a'))).toBe(dedupIdOf(event('a', { subject: 'x' })))
  expect(dedupIdOf(event('a', { source: '/b' }))).not.toBe(dedupIdOf(event('a')))
  expect(dedupIdOf(event('b","c', { source: '/a' }))).not.toBe(dedupIdOf(event('c', { source: '/a","b' })))
})

test('only what was stored within five minutes for sure is a duplicate', () => {
  const recent = new Recent()
  expect(recent.note('a', Date.now())).toBe(false)
  expect(recent.note('a', Date.now())).toBe(true)
  expect(recent.note('old', Date.now() - 300_001)).toBe(false)
  expect(recent.note('old', Date.now())).toBe(false)
})

test('who shares a group waits for who was there before, and nobody else does', async () => {
  const turns = new Turns()
  const never = new AbortController().signal
  const order: string[] = []
  const first = Promise.withResolvers<void>()
  const run = (name: string, groups: string[], after?: Promise<void>, signal = never) =>
    turns.take(new Set(groups), signal, async () => {
      await after
      order.push(name)
      return name
    })
  const a = run('a', ['k', 'j'], first.promise)
  const b = run('b', ['j'])
  const c = run('c', ['other'])
  const given = new AbortController()
  const d = run('d', ['k'], undefined, given.signal)
  await c
  expect(await settles(b, 50)).toBe(false)
  given.abort()
  expect(await d).toBeUndefined()
  const e = run('e', ['k'])
  first.resolve()
  expect(await Promise.all([a, b, e])).toEqual(['a', 'b', 'e'])
  expect(order).toEqual(['c', 'a', 'b', 'e'])
})
