import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { gateway, mainFile, post, type RunningGateway, scratch, sluice, start } from './sluice.ts'

let cwd: string
let running: RunningGateway
let env: Record<string, string>

beforeEach(async () => {
  cwd = scratch()
  running = await gateway(['dev'], { cwd })
  env = { SLUICE_URL: running.url }
})

const lines = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

async function events(topic: string): Promise<Record<string, unknown>[]> {
  const response = await fetch(`${running.url}/v1/topics/${topic}/events?from=earliest`)
  const body = (await response.json()) as { events: { event: Record<string, unknown> }[] }
  return body.events.map(({ event }) => event)
}

describe('sluice publish', () => {
  test('sends what it is given as what it is, and prints the receipt', async () => {
    writeFileSync(join(cwd, 'a.bin'), Buffer.from([0, 255, 1]))
    const words = ['publish', 'a', '--type', 'made', '--key', 'k', '--id', 'x', '--data', '{"n": 12345678901234567890}']
    const first = await sluice(words, { cwd, env })
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(lines(first.stdout)).toEqual([{ id: 'x', status: 'stored', topic: 'a', position: expect.any(String) }])
    await sluice(['publish', 'a', '-'], { cwd, env, input: 'plain text\n' })
    await sluice(['publish', 'a', '--file', 'a.bin'], { cwd, env })
    const [one, two, three] = await events('a')
    expect(one).toMatchObject({ id: 'x', type: 'made', partitionkey: 'k', datacontenttype: 'application/json' })
    expect(two).toMatchObject({ type: 'a', datacontenttype: 'text/plain', data: 'plain text\n' })
    expect(three).toMatchObject({ datacontenttype: 'application/octet-stream', data_base64: 'AP8B' })
  })

  test('streams CloudEvents from a file, with a receipt each, and fails where one failed', async () => {
    const many = Array.from({ length: 20_000 }, (_, i) =>
      JSON.stringify({ specversion: '1.0', type: 't', id: `${i}`, data: i }),
    )
    writeFileSync(join(cwd, 'many.ndjson'), many.join('\n'))
    const good = await sluice(['publish', 'a', '--file', 'many.ndjson'], { cwd, env })
    expect(good.code).toBe(0)
    const receipts = lines(good.stdout)
    expect(receipts.at(-1)).toEqual({ summary: { stored: 20_000, failed: 0, unknown: 0 } })
    expect(receipts.slice(0, -1).map(({ id }) => id)).toEqual(many.map((_, i) => `${i}`))
    const mixed = await sluice(['publish', 'b', '-', '--ndjson'], {
      cwd,
      env,
      input: `${many[0]}\n{"no":"event"}\n${many[1]}\n`,
    })
    expect(mixed.code).toBe(3)
    expect(lines(mixed.stdout).at(-1)).toEqual({ summary: { stored: 2, failed: 1, unknown: 0 } })
  })

  test('says by its exit code who refused', async () => {
    expect((await sluice(['publish', 'a'], { env })).code).toBe(2)
    expect((await sluice(['publish', 'a', '--data', '1', '--file', 'x'], { env })).code).toBe(2)
    expect((await sluice(['publish', 'a', '--data', '1', '--colour', 'red'], { env })).code).toBe(2)
    expect((await sluice(['publish', 'a', '--data', '1', '--url', 'nowhere'], { env })).code).toBe(2)
    expect((await sluice(['publish', 'a', '--file', 'missing'], { cwd, env })).code).toBe(1)
    const refused = await sluice(['publish', 'Bad Name', '--data', '1'], { env })
    expect(refused.code).toBe(3)
    expect(refused.stderr).toMatch(/lower-case.*\(invalid_argument\)/)
    await running.stop()
    const unreachable = await sluice(['publish', 'a', '--data', '1'], { env })
    expect(unreachable.code).toBe(4)
    expect(unreachable.stderr).toContain(running.url)
  })
})

describe('sluice tail', () => {
  const tail = (...words: string[]) => start(process.execPath, [mainFile, 'tail', 'a', ...words], { env })

  test('follows what comes, by type, and ends on SIGINT with 0', async () => {
    await post(`${running.url}/v1/topics/a/events?type=before`, 0)
    const all = tail('--from', 'earliest')
    const some = tail('--type', 'two')
    await all.until(/"type":"before"/)
    await untilTailing(some, 'two')
    await post(`${running.url}/v1/topics/a/events?type=one`, 1)
    await post(`${running.url}/v1/topics/a/events?type=two&id=last`, 2)
    await all.until(/"id":"last"/)
    await some.until(/"id":"last"/)
    expect(lines(some.stdout()).every(({ event }) => (event as { type: string }).type === 'two')).toBe(true)
    expect(await all.stop('SIGINT')).toMatchObject({ code: 0, stderr: '' })
    expect((await some.stop('SIGTERM')).code).toBe(0)
  })

  test('goes on after the gateway was restarted, and misses nothing', async () => {
    const { port } = new URL(running.url)
    const tailing = tail()
    await untilTailing(tailing, 'probe')
    await running.stop()
    const words = [mainFile, 'dev', '--port', port]
    const again = start(process.execPath, words, { cwd })
    await again.until(/listening/)
    for (let i = 0; i < 20; i++) await (await post(`${running.url}/v1/topics/a/events?id=after-${i}`, i)).text()
    await tailing.until(/after-19/)
    const ids = lines(tailing.stdout()).map(({ event }) => (event as { id: string }).id)
    expect(new Set(ids).size).toBe(ids.length)
    // A second probe may have been on its way when the first one showed.
    expect(ids.filter((id) => id.startsWith('after-'))).toEqual(Array.from({ length: 20 }, (_, i) => `after-${i}`))
  })

  test('ends with 0 where its reader has seen enough, with 4 where nobody answers, with 3 where it is refused', async () => {
    for (let i = 0; i < 50; i++) await (await post(`${running.url}/v1/topics/a/events`, 'x'.repeat(5000))).text()
    const piped = `"$0" "$1" tail a --from earliest | head -n 1 >/dev/null; printf '%s' "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = await start('bash', ['-c', piped, process.execPath, mainFile], { env }).ended
    expect({ stdout, stderr }).toEqual({ stdout: '0', stderr: '' })
    expect((await sluice(['tail', 'Bad Name'], { env })).code).toBe(3)
    expect((await sluice(['tail', 'a', '--from', 'yesterday'], { env })).code).toBe(3)
    await running.stop()
    expect((await sluice(['tail', 'a'], { env })).code).toBe(4)
  })

  /** What is published before a tail from the end has begun is none of its business: so publish until it shows. */
  async function untilTailing(tailing: ReturnType<typeof tail>, type: string): Promise<void> {
    while (tailing.stdout() === '') {
      await (await post(`${running.url}/v1/topics/a/events?type=${type}`, 0)).text()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
})
