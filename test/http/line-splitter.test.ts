import { describe, expect, test } from 'vitest'
import { LineSplitter } from '../../src/http/lines.ts'
import { Random, seedOfRun } from '../conformance/random.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The lines of a text that comes in these pieces. */
function split(pieces: readonly (string | Uint8Array)[], max = 10): string[] {
  const splitter = new LineSplitter(max)
  const lines = pieces.flatMap((piece) => splitter.push(typeof piece === 'string' ? encoder.encode(piece) : piece))
  return [...lines, ...splitter.end()].map((line) => (line === 'too-long' ? line : decoder.decode(line)))
}

describe('lines', () => {
  test.each([
    [[], []],
    [[''], []],
    [['a'], ['a']],
    [['a\n'], ['a']],
    [['a\nb'], ['a', 'b']],
    [['a\n\n \t\r\nb\n'], ['a', 'b']],
    [['a\r\nb\r\n'], ['a\r', 'b\r']],
    [
      ['a', 'b', '\n', 'c'],
      ['ab', 'c'],
    ],
    [
      ['a\nb', 'c\nd'],
      ['a', 'bc', 'd'],
    ],
    [['\n', '\n', 'a', '\n'], ['a']],
    [[' ', ' ', '\n'], []],
  ])('of %j', (pieces, lines) => {
    expect(split(pieces)).toEqual(lines)
  })

  test.each([
    [['x'.repeat(10)], ['x'.repeat(10)]],
    [['x'.repeat(11)], ['too-long']],
    [['x'.repeat(11), '\n'], ['too-long']],
    [[`${'x'.repeat(11)}\na\n`], ['too-long', 'a']],
    [
      ['x'.repeat(6), 'x'.repeat(6), 'x'.repeat(6), '\na'],
      ['too-long', 'a'],
    ],
    [
      ['x'.repeat(5), `${'x'.repeat(6)}\na`],
      ['too-long', 'a'],
    ],
    [
      ['x'.repeat(5), `${'x'.repeat(5)}\na`],
      ['x'.repeat(10), 'a'],
    ],
    [['x'.repeat(1000)], ['too-long']],
    [
      ['x'.repeat(20), '\n', 'y'.repeat(20), '\nz'],
      ['too-long', 'too-long', 'z'],
    ],
    [
      ['a\n', 'x'.repeat(20)],
      ['a', 'too-long'],
    ],
  ])('over the limit are given up, once each: %j', (pieces, lines) => {
    expect(split(pieces)).toEqual(lines)
  })

  test('what is kept of a line is bounded', () => {
    const splitter = new LineSplitter(100)
    for (let i = 0; i < 1000; i++) {
      splitter.push(new Uint8Array(64).fill(0x78))
      expect(splitter.carried).toBeLessThanOrEqual(100)
    }
    splitter.push(encoder.encode('\nabc'))
    expect(splitter.carried).toBe(3)
  })

  const seed = seedOfRun()
  test(`are the same however the text is cut (SLUICE_SEED=${seed})`, () => {
    const random = new Random(seed)
    for (let round = 0; round < 2000; round++) {
      const parts = Array.from({ length: random.between(0, 12) }, () =>
        random.pick(['\n', 'é', 'abc', ' ', '\r\n', 'x'.repeat(12)]),
      )
      const text = parts.join('')
      const expected = text
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line) => (encoder.encode(line).length > 10 ? 'too-long' : line))
      const bytes = encoder.encode(text)
      const pieces: Uint8Array[] = []
      for (let at = 0; at < bytes.length; ) {
        const length = random.between(1, 5)
        pieces.push(bytes.subarray(at, at + length))
        at += length
      }
      expect(split(pieces), JSON.stringify(text)).toEqual(expected)
    }
  })
})
