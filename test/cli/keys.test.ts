import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { gateway, post, scratch, sluice } from './sluice.ts'

interface Created {
  readonly id: string
  readonly key: string
  readonly hash: string
}

const head =
  'brokers: { local: { type: embedded, memory: true } }\ntopics: { a: { broker: local }, b: { broker: local } }\n'

async function create(cwd: string, ...words: string[]): Promise<Created & { readonly yaml: string }> {
  const { code, stdout, stderr } = await sluice(['keys', 'create', '--name', 'ci', ...words], { cwd })
  expect(code).toBe(0)
  return { ...(JSON.parse(stdout) as Created), yaml: stderr.split('configuration:\n')[1] ?? '' }
}

const publish = async (url: string, key: string, topic = 'a'): Promise<number> => {
  const response = await post(`${url}/v1/topics/${topic}/events`, 1, { authorization: `Bearer ${key}` })
  await response.text()
  return response.status
}

/** What publishing answers within the five seconds that a revocation may take. */
async function within5s(url: string, key: string, status: number): Promise<void> {
  const until = performance.now() + 5000
  let last = 0
  while (performance.now() < until) {
    last = await publish(url, key)
    if (last === status) return
    await sleep(100)
  }
  expect(last).toBe(status)
}

describe('keys', () => {
  test('of the configuration work as they were pasted, are scoped, and die within 5 s; the last one leaves nothing open', async () => {
    const cwd = scratch()
    const file = join(cwd, 'sluice.yaml')
    const one = await create(cwd, '--scope', 'publish:a*')
    const two = await create(cwd, '--scope', 'publish', '--rate', '1000')
    expect(one.key).toMatch(new RegExp(`^slk_${one.id}_[\\w-]{43}$`))
    writeFileSync(file, `${head}keys:\n${one.yaml}${two.yaml}`)
    const { url, stderr } = await gateway(['serve', '-c', file])
    expect(await publish(url, one.key)).toBe(200)
    expect(await publish(url, one.key, 'b')).toBe(404)
    expect(await publish(url, two.key, 'b')).toBe(200)
    expect(await publish(url, `${one.key.slice(0, -1)}_`)).toBe(401)
    expect((await fetch(`${url}/v1/topics`)).status).toBe(401)
    writeFileSync(file, `${head}keys:\n${two.yaml}`)
    await within5s(url, one.key, 401)
    expect(await publish(url, two.key)).toBe(200)
    writeFileSync(file, head)
    await within5s(url, two.key, 401)
    expect((await post(`${url}/v1/topics/a/events`, 1)).status).toBe(401)
    expect(stderr()).not.toContain('slk_')
  })

  test('while the file is being edited stay as they were', async () => {
    const cwd = scratch()
    const file = join(cwd, 'sluice.yaml')
    const { key, yaml } = await create(cwd, '--scope', 'publish')
    writeFileSync(file, `${head}keys:\n${yaml}`)
    const { url, until } = await gateway(['serve', '-c', file])
    writeFileSync(file, `${head}keys: [`)
    await until(/keys cannot be read again/, 'stderr')
    expect(await publish(url, key)).toBe(200)
  })

  test('of the store shut an open gateway as soon as there is one, and die within 5 s', async () => {
    const cwd = scratch()
    const { url } = await gateway(['dev'], { cwd })
    expect(await publish(url, 'none')).toBe(200)
    const { id, key } = await create(cwd, '--scope', 'publish', '--store')
    await within5s(url, 'none', 401)
    expect(await publish(url, key)).toBe(200)
    expect((await sluice(['keys', 'list'], { cwd })).stdout).toContain(`"id":"${id}"`)
    expect((await sluice(['keys', 'revoke', id], { cwd })).code).toBe(0)
    await within5s(url, key, 401)
    expect((await sluice(['keys', 'revoke', id], { cwd })).code).toBe(1)
  })

  test('need a scope that exists', async () => {
    expect((await sluice(['keys', 'create', '--name', 'x', '--scope', 'write'])).code).toBe(2)
    expect((await sluice(['keys', 'create', '--name', 'x'])).code).toBe(2)
  })
})
