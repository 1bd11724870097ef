import { expect, test } from 'vitest'
import { config } from '../../../adapters/rabbitmq/config.ts'
import { groupArguments, queueArguments } from '../../../adapters/rabbitmq/queues.ts'

const configOf = (more: object = {}) => config.parse({ type: 'rabbitmq', url: 'amqp://a', ...more })

test('a quorum queue has a limit of returns that is a number to every version, and no event reaches', () => {
  const { 'x-delivery-limit': limit, ...others } = queueArguments(configOf())
  expect(others).toEqual({ 'x-queue-type': 'quorum' })
  expect(limit).toBeGreaterThan(1e9)
})

test('a queue of a group is declared with what its order and its priorities need, and no version decides', () => {
  expect(groupArguments(configOf({ ordering: 'key' }))).toEqual({
    ...queueArguments(configOf()),
    'x-single-active-consumer': true,
  })
  expect(groupArguments(configOf({ queue: 'classic', priorities: 10 }))).toEqual({
    'x-queue-type': 'classic',
    'x-max-priority': 9,
  })
})
