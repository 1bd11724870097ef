import { expect, test } from 'vitest'
import { incarnationOf, readCursor, writeCursor } from '../../../adapters/kafka/cursor.ts'
import { readPosition, writePosition } from '../../../adapters/kafka/position.ts'

const one = incarnationOf('0195d1e2-aaaa-4bbb-8ccc-0123456789ab')
const other = incarnationOf('0195d1e3-aaaa-4bbb-8ccc-0123456789ab')

test.each([[[0]], [[0, 1, 2]], [[35, 36, Number.MAX_SAFE_INTEGER]]])(
  'a cursor of %j reads as it was written',
  (offsets) => {
    expect(readCursor(writeCursor(one, offsets), one)).toEqual(offsets)
  },
)

test('a cursor of another topic is stale, and what is none is told apart', () => {
  expect(() => readCursor(writeCursor(other, [1]), one)).toThrow(expect.objectContaining({ code: 'stale_cursor' }))
  for (const text of [
    '',
    'x',
    '0',
    `${one}`,
    `${one}-`,
    `${one}-1.`,
    `${one}-1..2`,
    `${one}--1`,
    `${one}-zzzzzzzzzzzzzz`,
    `x${one}-1`,
  ]) {
    expect(() => readCursor(text, one), text).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  }
})

test('a position reads as it was written, and what is none does not', () => {
  expect(readPosition(writePosition(3, 41))).toEqual({ partition: 3, offset: 41 })
  for (const text of [
    '',
    '1',
    '-1',
    '1-',
    '01-1',
    '1-01',
    '1--1',
    '1-1 ',
    '1.5-1',
    '9999999-1',
    '1-99999999999999999',
  ]) {
    expect(readPosition(text), text).toBeUndefined()
  }
})
