import { createServer } from 'node:http'
import { Writable } from 'node:stream'
import { Webhook } from 'standardwebhooks'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Receiver, receiver } from './receiver.ts'
import { gateway, mainFile, post, type Running, type RunningGateway, scratch, sluice, start } from './sluice.ts'

let cwd: string
let running: RunningGateway

beforeEach(async () => {
  cwd = scratch()
  running = await gateway(['dev'], { cwd })
})

interface Line {
  readonly event: string
  readonly id: string
  readonly attempt: number
  readonly status?: number
  readonly error?: string
  readonly secret: string
}

const linesOf = ({ stdout }: Running): Line[] =>
  stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)

const deliveries = (one: Running): Line[] => linesOf(one).filter(({ event }) => event === 'delivery')

/** Resolves once it reads: what is published from then on reaches it. */
async function listen(target: string, ...words: string[]): Promise<Running> {
  const env = { SLUICE_URL: running.url }
  const started = start(process.execPath, [mainFile, 'listen', 'a', '--forward-to', target, ...words], { env })
  await started.until(/"event":"listening"/)
  return started
}

const publish = async (query: string, body: unknown = 1): Promise<void> => {
  expect((await post(`${running.url}/v1/topics/a/events?${query}`, body)).status).toBe(200)
}

async function groups(): Promise<unknown> {
  return ((await (await fetch(`${running.url}/v1/topics/a`)).json()) as { groups: unknown }).groups
}

function verify(target: Receiver, secret: string): void {
  const webhook = new Webhook(secret)
  for (const { body, headers } of target.received) webhook.verify(body, headers as Record<string, string>)
}

describe('sluice listen', () => {
  test('sends what comes, byte for byte and signed, and takes its group along when it ends', async () => {
    const target = await receiver()
    await publish('id=before')
    const listening = await listen(target.url)
    const raw = '{"n": 12345678901234567890, "2": "\\u00fc]}\\"", "1": 1, "1": 2}'
    const headers = { 'content-type': 'application/json' }
    await fetch(`${running.url}/v1/topics/a/events?id=one&type=made`, { method: 'POST', headers, body: raw })
    await target.until(1)
    await listening.until(/"event":"delivery"/)
    expect(target.received[0]).toMatchObject({
      headers: { 'content-type': 'application/cloudevents+json', 'webhook-attempt': '1' },
    })
    expect(target.received[0]!.body).toContain(raw)
    expect(JSON.parse(target.received[0]!.body)).toMatchObject({ specversion: '1.0', id: 'one', type: 'made' })
    verify(target, linesOf(listening)[0]!.secret)
    expect(deliveries(listening)).toMatchObject([{ id: 'one', type: 'made', attempt: 1, status: 200 }])
    expect(await groups()).toEqual([expect.stringMatching(/^listen-[0-9a-f]{16}$/)])
    expect(await listening.stop('SIGINT')).toMatchObject({ code: 0, stderr: '' })
    expect(await groups()).toEqual([])
  })

  test('brings again what was not taken, under the same id, whatever went wrong', async () => {
    const statuses = [500, 302, 204]
    const target = await receiver((_, before) => statuses[before] ?? 200)
    const listening = await listen(target.url)
    await publish('id=one')
    await target.until(3)
    await listening.until(/"status":204/)
    expect(deliveries(listening)).toMatchObject([
      { id: 'one', attempt: 1, status: 500, retryMs: 1000 },
      { id: 'one', attempt: 2, status: 302, retryMs: 2000 },
      { id: 'one', attempt: 3, status: 204 },
    ])
    expect(new Set(target.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    verify(target, linesOf(listening)[0]!.secret)
    await target.close()
    await publish('id=two')
    await listening.until(/"error":"connection refused"/)
    const back = await receiver(() => 200, target.port)
    await back.until(1)
    expect(JSON.parse(back.received[0]!.body)).toMatchObject({ id: 'two' })
  })

  test('an endpoint that hangs holds nobody else back, and is left when it ends', async () => {
    const hanging = Promise.withResolvers<number>()
    const target = await receiver(({ body }) => (body.includes('"id":"hangs"') ? hanging.promise : 200))
    const listening = await listen(target.url)
    await publish('id=hangs')
    await target.until(1)
    for (let i = 0; i < 30; i++) await publish(`id=other-${i}`)
    await target.until(31)
    await listening.until(/(.*other-.*\n){30}/)
    expect((await listening.stop('SIGTERM')).code).toBe(0)
    expect(await groups()).toEqual([])
  })

  test('takes the secret, types and the place to begin as they are given', async () => {
    const target = await receiver()
    for (const [i, type] of ['one', 'two', 'three', 'one'].entries()) await publish(`type=${type}&id=${i}`)
    const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
    const words = ['--from', 'earliest', '--type', 'one', '--type', 'three', '--secret', secret]
    const listening = await listen(target.url.replace('http://', ''), ...words)
    await target.until(3)
    await listening.until(/(.*"event":"delivery".*\n){3}/)
    expect(
      deliveries(listening)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(['0', '2', '3'])
    verify(target, secret)
  })

  test('goes on after the gateway was away, and says so', async () => {
    const target = await receiver()
    const listening = await listen(target.url)
    await running.stop()
    await listening.until(/The gateway is away\. Trying again\./, 'stderr')
    const { port } = new URL(running.url)
    const again = start(process.execPath, [mainFile, 'dev', '--port', port], { cwd })
    await again.until(/listening/)
    await listening.until(/The gateway is back\./, 'stderr')
    await publish('id=after')
    await target.until(1)
    expect((await listening.stop('SIGINT')).code).toBe(0)
    expect(await groups()).toEqual([])
  })

  test('makes its group anew where the gateway forgot it', async () => {
    const target = await receiver()
    const listening = await listen(target.url)
    const [group] = (await groups()) as string[]
    expect((await fetch(`${running.url}/v1/topics/a/groups/${group}`, { method: 'DELETE' })).status).toBe(204)
    await listening.until(/had lost the group/, 'stderr')
    await publish('id=after')
    await target.until(1)
  })

  test('follows the log where the broker has no groups to pull from', async () => {
    const target = await receiver((_, before) => (before === 0 ? 500 : 200))
    // The gateway, but for the capability.
    const front = createServer(async (request, response) => {
      if (request.url!.includes('/groups/')) {
        const problem = { code: 'unsupported', capability: 'receipt', detail: 'A receipt belongs to its connection.' }
        response.writeHead(501, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem))
        return
      }
      const { accept } = request.headers
      const answer = await fetch(`${running.url}${request.url}`, { headers: accept === undefined ? {} : { accept } })
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type')! })
      await answer.body!.pipeTo(Writable.toWeb(response)).catch(() => {})
    })
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
    const { port } = front.address() as { port: number }
    try {
      await publish('id=one')
      const listening = await listen(target.url, '--url', `http://127.0.0.1:${port}`, '--from', 'earliest')
      await publish('id=two')
      await target.until(2)
      await listening.until(/"id":"two"/)
      expect(listening.stderr()).toContain('a failure is not retried')
      expect(deliveries(listening).map(({ id, status }) => [id, status])).toEqual([
        ['one', 500],
        ['two', 200],
      ])
      verify(target, linesOf(listening)[0]!.secret)
      expect((await listening.stop('SIGINT')).code).toBe(0)
    } finally {
      front.closeAllConnections()
      front.close()
    }
  })

  test('says by its exit code what went wrong', async () => {
    const env = { SLUICE_URL: running.url }
    const words = ['listen', 'a', '--forward-to', 'localhost:1']
    expect((await sluice(['listen', 'a'], { env })).code).toBe(2)
    expect((await sluice(['listen', 'a', '--forward-to', 'ftp://localhost'], { env })).code).toBe(2)
    expect((await sluice(['listen', 'a', '--forward-to', 'http://u:p@localhost'], { env })).code).toBe(2)
    expect((await sluice([...words, '--secret', 'whsec_c2hvcnQ='], { env })).code).toBe(2)
    expect((await sluice(['listen', 'Bad Name', '--forward-to', 'localhost:1'], { env })).code).toBe(3)
    expect((await sluice([...words, '--from', 'yesterday'], { env })).code).toBe(2)
    await running.stop()
    const unreachable = await sluice(words, { env })
    expect(unreachable).toMatchObject({ code: 4, stdout: '' })
    expect(unreachable.stderr).toContain(running.url)
  })
})
