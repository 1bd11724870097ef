import { expect, test } from 'vitest'
import { config } from '../../../adapters/rabbitmq/config.ts'

test.each([
  ['http://127.0.0.1:1'],
  ['amqp://127.0.0.1?heartbeat=1'],
  ['amqp://a:100%@127.0.0.1'],
  ['amqp://127.0.0.1/50%'],
  [[]],
  [['amqp://127.0.0.1', 'http://127.0.0.1']],
])('a wrong address is told what is right: %j', (url) => {
  const { error } = config.safeParse({ type: 'rabbitmq', url })
  expect(error?.issues.map(({ message }) => message)).toEqual([expect.stringMatching(/^must be amqp:\/\/host:port/)])
})

test('one address, or several', () => {
  expect(config.parse({ type: 'rabbitmq', url: 'amqp://a' }).url).toEqual(['amqp://a'])
  expect(config.parse({ type: 'rabbitmq', url: ['amqp://a', 'amqps://b/v'] }).url).toEqual(['amqp://a', 'amqps://b/v'])
})
