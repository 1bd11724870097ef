import { expect, test } from 'vitest'
import { readToken, writeToken } from '../../../adapters/sqs/consume/token.ts'

const lease = {
  handle: 'AQEB+/=#..x'.repeat(50),
  messageId: '0189658d-cdcc-4a88-adcf-dbc68c0d03b9',
  attempt: 16,
  receivedAt: 1_795_299_788_329,
  until: 1_795_299_818_329,
}

test('a lease goes there and back', () => {
  expect(readToken(writeToken(lease))).toEqual(lease)
})

test('what is no token is nobody’s lease', () => {
  for (const text of ['', 'x', '1.2.3.4', '1.2.3.4.', '....', `${writeToken(lease)}${'x'.repeat(1024)}`]) {
    expect(readToken(text), text).toBeUndefined()
  }
})
