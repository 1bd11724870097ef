import { describe, expect, test } from 'vitest'
import { ResponseParser } from '../../bench/load/response.ts'

const sized = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nfirst'
const chunked =
  'HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n3;note=x\r\nsec\r\nB\r\nond\r\n answe\r\n1\r\nr\r\n0\r\nEnd: 1\r\n\r\n'
const empty = 'HTTP/1.1 204 Nothing\r\ncontent-length: 0\r\n\r\n'
const answers = Buffer.from(sized + chunked + empty + sized)

function parse(pieces: readonly Buffer[]): { status: number; body: string }[] {
  const found: { status: number; body: string }[] = []
  let body = ''
  const parser = new ResponseParser({
    body: (chunk, from, to) => {
      body += chunk.toString('latin1', from, to)
    },
    end: (status) => {
      found.push({ status, body })
      body = ''
    },
  })
  for (const piece of pieces) parser.push(piece)
  return found
}

const expected = [
  { status: 200, body: 'first' },
  { status: 503, body: 'second\r\n answer' },
  { status: 204, body: '' },
  { status: 200, body: 'first' },
]

describe('the parser of the load generator', () => {
  test('sees every answer of one chunk', () => {
    expect(parse([answers])).toEqual(expected)
  })

  test('does not care where the network cuts', () => {
    for (let size = 1; size < answers.length; size++) {
      const pieces = Array.from({ length: Math.ceil(answers.length / size) }, (_, i) =>
        answers.subarray(i * size, (i + 1) * size),
      )
      expect(parse(pieces)).toEqual(expected)
    }
  })

  test('refuses an answer whose end it cannot know', () => {
    expect(() => parse([Buffer.from('HTTP/1.1 200 OK\r\n\r\n')])).toThrow('without a length')
  })
})
