import { describe, expect, test } from 'vitest'
import { isUtf8, ScanError, scanValue } from '../../../src/core/scan.ts'
import { Random, seedOfRun } from '../../conformance/random.ts'
import { accepted, bytesOf, nameOf, refused } from './json-corpus.ts'
import { mutate, platformAccepts, randomJson } from './json-reference.ts'

/** Deeper than anything here, so that only the grammar decides. */
const unbounded = 100_000

function scannerAccepts(bytes: Uint8Array): boolean {
  try {
    scanValue(bytes, 0, bytes.length, unbounded)
    return true
  } catch (error) {
    // Anything else is a defect of the scanner, and no refusal.
    if (error instanceof ScanError) return false
    throw error
  }
}

describe('the grammar', () => {
  test.each(accepted.map((text) => [nameOf(text), bytesOf(text)] as const))('takes %s', (_, bytes) => {
    expect(platformAccepts(bytes)).toBe(true)
    expect(scannerAccepts(bytes)).toBe(true)
  })

  test.each(refused.map((text) => [nameOf(text), bytesOf(text)] as const))('refuses %s', (_, bytes) => {
    expect(platformAccepts(bytes)).toBe(false)
    expect(scannerAccepts(bytes)).toBe(false)
  })

  test('every byte value alone, as the whole of a string, and after a backslash', () => {
    for (let byte = 0; byte < 256; byte++) {
      for (const bytes of [[byte], [0x22, byte, 0x22], [0x22, 0x5c, byte, 0x22], [0x5b, byte, 0x5d], [0x31, byte]]) {
        const text = Uint8Array.from(bytes)
        expect(scannerAccepts(text), `bytes ${bytes.join(' ')}`).toBe(platformAccepts(text))
      }
    }
  })

  test('every prefix of a text that has everything', () => {
    const text = bytesOf('{"a\\u00e9":[1.5e-3,-0,"\\n€😀"],"b":{"c":null,"d":[true,false]}}')
    for (let length = 0; length <= text.length; length++) {
      const prefix = text.subarray(0, length)
      expect(scannerAccepts(prefix), `${length} bytes`).toBe(platformAccepts(prefix))
    }
  })

  test('bytes beyond the end are not looked at', () => {
    for (const text of ['1', 'null', '"a"', '[1]', '{"a":1}', '1e5', '"\u00e9"']) {
      const whole = bytesOf(`${text}${text}`)
      expect(() => scanValue(whole, 0, whole.length / 2, 64), text).not.toThrow()
      for (let end = 0; end < whole.length / 2; end++) {
        const cut = whole.subarray(0, end)
        const refusedThere = !platformAccepts(cut)
        const scan = () => scanValue(whole, 0, end, 64)
        if (refusedThere) expect(scan, `${text} up to ${end}`).toThrow(ScanError)
        else expect(scan, `${text} up to ${end}`).not.toThrow()
      }
    }
  })
})

describe('random texts and random injuries', () => {
  const seed = seedOfRun()

  test(`the scanner decides as the platform does (SLUICE_SEED=${seed})`, () => {
    const random = new Random(seed)
    let taken = 0
    for (let round = 0; round < 20_000; round++) {
      const text = bytesOf(randomJson(random, 5))
      const bytes = round % 4 === 0 ? text : mutate(random, text)
      const expected = platformAccepts(bytes)
      if (expected) taken++
      if (scannerAccepts(bytes) !== expected) expect.fail(`${expected ? 'refused' : 'took'}: ${nameOf([...bytes])}`)
    }
    // Both answers must have been asked for often.
    expect(taken).toBeGreaterThan(5000)
    expect(taken).toBeLessThan(15_000)
  })

  test(`UTF-8 is judged as the platform does, in strings and alone (SLUICE_SEED=${seed})`, () => {
    const random = new Random(seed)
    const decoder = new TextDecoder('utf-8', { fatal: true })
    const leads = [0x41, 0x7f, 0x80, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5]
    const tails = [0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]
    let valid = 0
    for (let round = 0; round < 30_000; round++) {
      const sequence = [random.pick(leads)]
      while (sequence.length < 4 && random.next() < 0.8) sequence.push(random.pick(tails))
      const bytes = Uint8Array.from(sequence)
      let expected = true
      try {
        decoder.decode(bytes)
        valid++
      } catch {
        expected = false
      }
      if (isUtf8(bytes) !== expected) expect.fail(`${nameOf(sequence)} alone`)
      const text = Uint8Array.from([0x22, ...sequence, 0x22])
      if (scannerAccepts(text) !== platformAccepts(text)) expect.fail(`${nameOf(sequence)} in a string`)
    }
    expect(valid).toBeGreaterThan(1000)
  })
})
