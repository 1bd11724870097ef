import type { ConsumeMessage } from 'amqplib'
import { expect, test } from 'vitest'
import { attemptOf } from '../../../adapters/rabbitmq/consume/held.ts'

test.each([
  ['the first', false, {}, 1],
  ['the first, of a message with the counts of another queue', false, { 'x-delivery-count': 7 }, 1],
  ['given back, by 3.8 to 4.2', true, { 'x-delivery-count': 2 }, 3],
  ['given back, by 4.3', true, { 'x-acquired-count': 1 }, 2],
  [
    'given back and then left by a consumer that ended, by 4.3',
    true,
    { 'x-acquired-count': 3, 'x-delivery-count': 1 },
    4,
  ],
  ['given back to a classic queue, which does not count', true, {}, 2],
])('which delivery it is: %s', (_, redelivered, headers, attempt) => {
  const message = { fields: { redelivered }, properties: { headers } } as unknown as ConsumeMessage
  expect(attemptOf(message)).toBe(attempt)
})
