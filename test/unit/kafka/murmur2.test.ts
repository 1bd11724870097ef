import { expect, test } from 'vitest'
import { murmur2 } from '../../../adapters/kafka/murmur2.ts'

// The values of Kafka's own test, UtilsTest.testMurmur2.
test.each([
  ['21', -973_932_308],
  ['foobar', -790_332_482],
  ['a-little-bit-long-string', -985_981_536],
  ['a-little-bit-longer-string', -1_486_304_829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
  ['abc', 479_470_107],
])('murmur2 of %s is what Kafka has', (text, hash) => {
  expect(murmur2(new TextEncoder().encode(text))).toBe(hash)
})
