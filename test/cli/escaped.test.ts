import { expect, test } from 'vitest'
import { escaped } from '../../src/cli/io.ts'

test('on a terminal, what it would obey is shown instead', () => {
  const data = 'a\u009b31mb\u007f\u202ec\u2066d'
  const line = escaped(JSON.stringify({ data }))
  expect(line).toBe('{"data":"a\\u009b31mb\\u007f\\u202ec\\u2066d"}')
  expect(JSON.parse(line)).toEqual({ data })
})

test('everything else stays as it is: colours, lines, any script', () => {
  const text = '\u001b[36mtype\u001b[39m\n  "żółć 日本 😀"\t'
  expect(escaped(text)).toBe(text)
})
