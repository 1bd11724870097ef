import { expect, test } from 'vitest'
import { ByteWriter } from '../../../src/core/bytes.ts'

const decoder = new TextDecoder()

test('whatever the capacity, what was written comes out in order', () => {
  for (const capacity of [0, 1, 7, 1000]) {
    const out = new ByteWriter(capacity)
    out.ascii('{"a":')
    out.text('"é€😀"')
    out.byte(0x2c)
    out.bytes(Uint8Array.from([0x31, 0x32]))
    out.ascii('x'.repeat(5000))
    const taken = out.take()
    expect(decoder.decode(taken)).toBe(`{"a":"é€😀",12${'x'.repeat(5000)}`)
  }
})

test('after a take it begins anew, and what was taken stays as it is', () => {
  const out = new ByteWriter(4)
  out.ascii('first')
  expect(out.length).toBe(5)
  const first = out.take()
  expect(out.length).toBe(0)
  out.ascii('second')
  expect(decoder.decode(first)).toBe('first')
  expect(decoder.decode(out.take())).toBe('second')
  expect(out.take().length).toBe(0)
})

test('JSON on one line loses its line breaks and nothing else', () => {
  const out = new ByteWriter(0)
  out.jsonOnOneLine(new TextEncoder().encode('{\r\n\t"a": "\\n é" }\n'))
  expect(decoder.decode(out.take())).toBe('{\t"a": "\\n é" }')
})
