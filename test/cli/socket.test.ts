import { writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { gateway, post, type RunningGateway, scratch } from './sluice.ts'

let running: RunningGateway
let port: number

beforeEach(async () => {
  const cwd = scratch()
  const limits = 'limits: { idle: 600ms, batchBytes: 1MiB }'
  writeFileSync(join(cwd, 'sluice.yaml'), `brokers: { local: { type: embedded, memory: true } }\n${limits}\n`)
  running = await gateway(['dev'], { cwd })
  port = Number(new URL(running.url).port)
})

interface Conversation {
  readonly socket: Socket
  readonly text: () => string
  readonly closed: Promise<void>
  /** Resolves once the other side has said this. */
  until(pattern: RegExp): Promise<void>
}

function dial(): Conversation {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  let over = false
  socket.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      over = true
      resolve()
    })
  })
  const until = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(text)) {
      if (over) throw new Error(`It ended without ${pattern}: ${text}`)
      await sleep(10)
    }
  }
  return { socket, text: () => text, closed, until }
}

const head = (...lines: string[]): string => `${['POST /v1/topics/a/events HTTP/1.1', ...lines].join('\r\n')}\r\n\r\n`

/** The answer to bytes on the wire: its status and its problem. */
async function refusal(request: string): Promise<{ status: number; code: string; detail: string }> {
  const talk = dial()
  talk.socket.write(request)
  await talk.until(/\r\n\r\n\{.*\}/s)
  talk.socket.destroy()
  const [first, ...rest] = talk.text().split('\r\n\r\n')
  expect(first).toMatch(/content-type: application\/problem\+json/i)
  const { code, detail, status, type } = JSON.parse(rest.join('')) as Record<string, string>
  expect(Number(status)).toBe(Number(first!.split(' ')[1]))
  expect(type).toBe(`/problems/${code}`)
  return { status: Number(status), code: code!, detail: detail! }
}

describe('the socket', () => {
  test('answers too large or too many headers with 431 and a body', async () => {
    const large = await refusal(head('Host: localhost', `X-Large: ${'x'.repeat(17_000)}`, 'Content-Length: 0'))
    expect(large).toMatchObject({ status: 431, code: 'headers_too_large' })
    const many = Array.from({ length: 100 }, (_, i) => `X-${i}: y`)
    expect(await refusal(head('Host: localhost', ...many))).toMatchObject({ status: 431, code: 'headers_too_large' })
    const allowed = dial()
    allowed.socket.write(`${head('Host: localhost', ...many.slice(2), 'Content-Length: 1')}1`)
    await allowed.until(/^HTTP\/1\.1 200 /)
  })

  test('refuses a second header of those that may come once', async () => {
    for (const name of ['Host', 'Authorization', 'Content-Type', 'Idempotency-Key', 'ce-id']) {
      const lines = ['Host: localhost', `${name}: a`, ...(name === 'Host' ? [] : [`${name}: a`]), 'Content-Length: 0']
      const { status, detail } = await refusal(head(...lines))
      expect(status).toBe(400)
      expect(detail).toContain(`${name.toLowerCase()} is given twice`)
    }
  })

  test('refuses what is no proper request with a problem', async () => {
    const requests = {
      'no Host': head('Content-Length: 0'),
      'another expectation': head('Host: localhost', 'Expect: a miracle', 'Content-Length: 0'),
      'two lengths': head('Host: localhost', 'Content-Length: 1', 'Content-Length: 2'),
      'a length and chunks': head('Host: localhost', 'Content-Length: 1', 'Transfer-Encoding: chunked'),
      'a Host that is none': head('Host: a b', 'Content-Length: 0'),
      'no HTTP': 'hello\r\n\r\n',
    }
    for (const [what, request] of Object.entries(requests)) {
      expect(await refusal(request), what).toMatchObject({ status: 400, code: 'invalid_argument' })
    }
  })

  test('cuts a body that stalls, never one that flows', async () => {
    const stalling = dial()
    stalling.socket.write(`${head('Host: localhost', 'Content-Length: 10')}12`)
    await stalling.until(/^HTTP\/1\.1 400 .*The body stalled/s)
    await stalling.closed
    const flowing = dial()
    flowing.socket.write(head('Host: localhost', 'Content-Type: application/json', 'Content-Length: 10'))
    for (const digit of '1234567890') {
      await sleep(150)
      flowing.socket.write(digit)
    }
    await flowing.until(/^HTTP\/1\.1 200 /)
    flowing.socket.destroy()
  })

  test('refuses a body that is too large before it has it all', async () => {
    expect(await refusal(head('Host: localhost', 'Content-Length: 99999999'))).toMatchObject({ status: 413 })
    const chunked = dial()
    chunked.socket.write(head('Host: localhost', 'Transfer-Encoding: chunked'))
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
    for (let i = 0; i < 40; i++) chunked.socket.write(chunk)
    await chunked.until(/^HTTP\/1\.1 413 .*too_large/s)
    chunked.socket.destroy()
  })

  test('serves others while a thousand connections say nothing', async () => {
    const idle = Array.from({ length: 1000 }, dial)
    const half = Array.from({ length: 50 }, dial)
    for (const { socket } of half) socket.write('POST /v1/topics/a/events HTTP/1.1\r\nHost: local')
    await sleep(200)
    expect((await post(`${running.url}/v1/topics/a/events`, 1)).status).toBe(200)
    for (const { socket } of [...idle, ...half]) socket.destroy()
  })

  test('says at shutdown that it is not ready, before it refuses connections', async () => {
    const ending = running.stop('SIGTERM')
    await running.until(/Shutting down/, 'stderr')
    const ready = await fetch(`${running.url}/readyz`)
    expect(ready.status).toBe(503)
    expect(ready.headers.get('connection')).toBe('close')
    expect((await ending).code).toBe(0)
  })

  test('waits at shutdown for what is under way; a second signal ends it at once', async () => {
    // A body that flows, and does not end, keeps the gateway from ending.
    const talk = dial()
    talk.socket.write(head('Host: localhost', 'Content-Length: 1000'))
    const dripping = setInterval(() => talk.socket.write('1'), 100)
    await sleep(200)
    const ending = running.stop('SIGTERM')
    await running.until(/Shutting down/, 'stderr')
    await sleep(500)
    expect(running.child.exitCode).toBeNull()
    running.child.kill('SIGTERM')
    const { code } = await ending
    clearInterval(dripping)
    expect(code).toBe(1)
  })
})
