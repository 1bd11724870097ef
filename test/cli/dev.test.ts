import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { gateway, listening, packageFolder, post, scratch, sluice, start } from './sluice.ts'

describe('sluice dev', () => {
  test('runs in an empty folder, makes topics on first use, keeps them, and ends with 0', async () => {
    const cwd = scratch()
    const first = await gateway(['dev'], { cwd })
    expect(first.stdout().trim().split('\n')).toHaveLength(1)
    expect((await post(`${first.url}/v1/topics/orders/events?type=made`, { id: 1 })).status).toBe(200)
    const group = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{}' }
    expect((await fetch(`${first.url}/v1/topics/grouped/groups/g`, group)).status).toBe(201)
    expect((await fetch(`${first.url}/v1/topics/tailed/events?from=latest`)).status).toBe(200)
    expect((await first.stop()).code).toBe(0)
    expect(existsSync(join(cwd, '.sluice'))).toBe(true)

    const second = await gateway(['dev'], { cwd })
    const { items } = (await (await fetch(`${second.url}/v1/topics`)).json()) as { items: { topic: string }[] }
    expect(items.map(({ topic }) => topic)).toEqual(['grouped', 'orders', 'tailed'])
    const read = await (await fetch(`${second.url}/v1/topics/orders/events?from=earliest`)).json()
    expect(read).toMatchObject({ events: [{ event: { type: 'made', data: { id: 1 } } }] })
    expect((await second.stop('SIGINT')).code).toBe(0)
  })

  test('reads sluice.yaml where there is one; its data goes where --data says', async () => {
    const cwd = scratch()
    writeFileSync(
      join(cwd, 'sluice.yaml'),
      'brokers:\n  mine: { type: embedded, memory: true }\ntopics:\n  a: { broker: mine }\n',
    )
    const running = await gateway(['dev', '--data', 'state'], { cwd })
    const topic = await (await fetch(`${running.url}/v1/topics/a`)).json()
    expect(topic).toMatchObject({ topic: 'a', broker: 'mine', epoch: 1 })
    expect((await post(`${running.url}/v1/topics/b/events`, 1)).status).toBe(200)
    expect(existsSync(join(cwd, 'state', 'store.db'))).toBe(true)
    expect((await running.stop()).code).toBe(0)
  })

  test('through npm, ends with 0 on SIGTERM, and puts its data where the user stands', async () => {
    const cwd = scratch()
    const words = ['--prefix', packageFolder, 'run', '--silent', 'sluice', '--', 'dev', '--data', 'here', '--port', '0']
    const running = start('npm', words, { cwd })
    const url = await listening(running)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    expect(existsSync(join(cwd, 'here', 'log.db'))).toBe(true)
    const { code, stderr } = await running.stop('SIGTERM')
    expect(stderr).toContain('Shutting down.')
    expect(code).toBe(0)
  })

  test('refuses the data of a gateway that runs, and that one is unharmed', async () => {
    const cwd = scratch()
    const first = await gateway(['dev'], { cwd })
    const second = await sluice(['dev', '--port', '0'], { cwd })
    expect(second.code).toBe(1)
    expect(second.stderr).toMatch(/Broker local .*log\.db/)
    expect((await post(`${first.url}/v1/topics/a/events`, 1)).status).toBe(200)
  })

  test('names the flag where its port is taken', async () => {
    const first = await gateway(['dev'], { cwd: scratch() })
    const { port } = new URL(first.url)
    const second = await sluice(['dev', '--port', port], { cwd: scratch() })
    expect(second.code).toBe(1)
    expect(second.stderr).toMatch(new RegExp(`Port ${port} .*--port`))
  })

  test('answers requests that are under way before it ends, and ends waits at once', async () => {
    const running = await gateway(['dev'], { cwd: scratch() })
    const topic = `${running.url}/v1/topics/a`
    await fetch(`${topic}/groups/g`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{}' })
    const pull = post(`${topic}/groups/g/pull`, { wait: '30s' })
    const tail = await fetch(`${topic}/events`, { headers: { accept: 'text/event-stream' } })
    await new Promise((resolve) => setTimeout(resolve, 200))
    const began = performance.now()
    const ending = running.stop()
    expect(await (await pull).json()).toEqual({ deliveries: [] })
    await tail.text().catch(() => '')
    expect((await ending).code).toBe(0)
    expect(performance.now() - began).toBeLessThan(5000)
  })

  test('takes --data relative to the user, also where folders are missing', async () => {
    const cwd = scratch()
    mkdirSync(join(cwd, 'a'))
    const running = await gateway(['dev', '--data', 'a/b/c'], { cwd })
    await running.stop()
    expect(existsSync(join(cwd, 'a/b/c/log.db'))).toBe(true)
  })
})
