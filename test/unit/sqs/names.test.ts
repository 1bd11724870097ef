import { expect, test } from 'vitest'
import { Names } from '../../../adapters/sqs/names.ts'

const plain = new Names(false)
const fifo = new Names(true)

test('names go there and back, and no two share one', () => {
  const topics = ['orders', 'orders.eu', 'orders-eu', 'orders_eu', 'a.b-c_d.9']
  for (const names of [plain, fifo]) {
    const there = topics.map((topic) => names.topic(topic))
    expect(new Set(there).size).toBe(topics.length)
    for (const name of there) expect(name).toMatch(/^[\w-]+(\.fifo)?$/)
    expect(there.map((name) => names.topicOf(name))).toEqual(topics)
    const groups = ['workers', 'sluice.fanout', 'dead', 'a_b-c']
    const queues = topics.flatMap((topic) => groups.map((group) => names.group(topic, group)))
    const all = [...there, ...queues, ...[...there, ...queues].map((name) => names.dead(name))]
    expect(new Set(all).size).toBe(all.length)
    expect(groups.map((group) => names.groupOf('orders.eu', names.group('orders.eu', group)))).toEqual(groups)
  }
  expect(plain.topic('orders.eu')).toBe('orders--eu')
  expect(plain.group('orders.eu', 'workers')).toBe('orders--eu__workers')
  expect(fifo.dead(fifo.group('orders', 'workers'))).toBe('orders__workers___dead.fifo')
})

test('what is another kind of queue is no topic, and no group of this one', () => {
  expect(plain.topicOf('orders.fifo')).toBeUndefined()
  expect(fifo.topicOf('orders')).toBeUndefined()
  for (const name of ['orders__workers', 'orders___dead', 'orders__workers___dead']) {
    expect(plain.topicOf(name)).toBeUndefined()
  }
  expect(plain.groupOf('orders', 'orders__workers___dead')).toBeUndefined()
  expect(plain.groupOf('orders', 'orders-eu__workers')).toBeUndefined()
  expect(plain.groupOf('orders', 'orders___dead')).toBeUndefined()
})

test('a name that is too long is refused, with what can be done', () => {
  const longest = 'x'.repeat(80 - '___dead'.length)
  expect(plain.topic(longest)).toBe(longest)
  expect(() => plain.topic(`${longest}x`)).toThrow(/at most 80 .*Give the topic a shorter one there \(name\)/)
  expect(() => fifo.topic(longest)).toThrow('at most 80')
  expect(() => plain.group('x'.repeat(50), 'y'.repeat(30))).toThrow('at most 80')
})
