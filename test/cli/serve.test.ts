// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment look like that.
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { gateway, post, scratch, sluice } from './sluice.ts'

let cwd: string

beforeEach(() => {
  cwd = scratch()
})

function write(text: string): void {
  writeFileSync(join(cwd, 'sluice.yaml'), text)
}

const embedded = (topics: string, more = ''): string => `${more}
brokers:
  local: { type: embedded, path: data/log.db }
  other: { type: embedded, memory: true }
topics:
${topics}
store: { type: sqlite, path: data/store.db }
`

const refused = async (): Promise<string> => {
  const { code, stdout, stderr } = await sluice(['serve', '-c', 'sluice.yaml', '--port', '0'], { cwd })
  expect(stdout).toBe('')
  expect(code).toBe(1)
  return stderr
}

describe('sluice serve', () => {
  test('serves the topics that are declared, and never makes another', async () => {
    write(embedded('  orders: { broker: local, ensure: { partitions: 3, dedupWindow: 1m } }'))
    const { url } = await gateway(['serve', '-c', 'sluice.yaml'], { cwd })
    expect((await post(`${url}/v1/topics/orders/events`, 1)).status).toBe(200)
    expect(await (await fetch(`${url}/v1/topics/orders`)).json()).toMatchObject({ dedupWindow: '1m' })
    expect((await post(`${url}/v1/topics/others/events`, 1)).status).toBe(404)
    expect((await fetch(`${url}/v1/topics/others/events`)).status).toBe(404)
    const group = await fetch(`${url}/v1/topics/others/groups/g`, { method: 'PUT' })
    expect(group.status).toBe(404)
    const { items } = (await (await fetch(`${url}/v1/topics`)).json()) as { items: unknown[] }
    expect(items).toHaveLength(1)
  })

  test('lists everything that is wrong with a file, with its line and field, and makes nothing', async () => {
    write(
      embedded(
        '  orders: { broker: locl, ensur: {} }\n  a: { broker: local, requires: { ordering: keys } }',
        'limits: { event: 1 }',
      ),
    )
    const stderr = await refused()
    expect(stderr).toContain('sluice.yaml:1:11: limits.event: must be between 1024')
    expect(stderr).toContain('sluice.yaml:6:13: topics.orders.broker: there is no broker locl')
    expect(stderr).toContain('sluice.yaml:6:27: topics.orders.ensur: there is no such field')
    expect(stderr).toContain('sluice.yaml:7:35: topics.a.requires.ordering: must be none or key or topic')
    expect(readdirSync(cwd)).toEqual(['sluice.yaml'])
  })

  test('refuses YAML that is none, by its line', async () => {
    write('brokers:\n  local: { type: embedded\n')
    expect(await refused()).toMatch(/sluice\.yaml:3:1: /)
  })

  test("refuses an adapter that is not there, and an adapter's unknown key, by name", async () => {
    write('brokers:\n  a: { type: pulsar }\n  b: { type: embedded, memory: true, colour: red }\n')
    const stderr = await refused()
    expect(stderr).toContain('sluice.yaml:2:8: brokers.a.type: there is no adapter pulsar; this gateway has: embedded')
    expect(stderr).toContain('sluice.yaml:3:38: brokers.b.colour: there is no such field')
  })

  test('refuses requirements that are not met, naming topic, broker and capability', async () => {
    write(
      embedded(
        '  orders: { broker: other, requires: { durability: machine, replay: true } }\n  few: { broker: local, ensure: { replicas: 3 } }',
      ),
    )
    const stderr = await refused()
    expect(stderr).toMatch(
      /Topic orders on broker other: requires capability durability: machine, and the broker has memory/,
    )
    expect(stderr).toMatch(/Topic few on broker local: .*\(capability replicas\)/)
    expect(stderr).not.toContain('replay')
  })

  test('refuses to strand events at another broker, unless they are abandoned', async () => {
    write(embedded('  orders: { broker: local }'))
    await (await gateway(['serve', '-c', 'sluice.yaml'], { cwd })).stop()
    write(embedded('  orders: { broker: other }'))
    expect(await refused()).toMatch(/Topic orders was bound to broker local before, and is bound to broker other now/)
    write(embedded('  orders: { broker: other, abandon: true }'))
    const abandoned = await gateway(['serve', '-c', 'sluice.yaml'], { cwd })
    expect(await (await fetch(`${abandoned.url}/v1/topics/orders`)).json()).toMatchObject({ broker: 'other', epoch: 2 })
    await abandoned.stop()
    write(embedded('  orders: { broker: other }'))
    expect((await (await gateway(['serve', '-c', 'sluice.yaml'], { cwd })).stop()).code).toBe(0)
  })

  test('refuses to be reached from elsewhere without keys, and says how to make one', async () => {
    write(embedded('  orders: { broker: local }', 'listen: { host: 0.0.0.0 }'))
    expect(await refused()).toMatch(/0\.0\.0\.0 .*sluice keys create/)
  })

  test('refuses a store that is damaged, and leaves it', async () => {
    write('store: { type: sqlite, path: bad.db }\n')
    writeFileSync(join(cwd, 'bad.db'), 'x'.repeat(5000))
    expect(await refused()).toMatch(/bad\.db is not a SQLite database.*backup/)
  })

  test('takes JSON and TypeScript too, and fills in the environment and files', async () => {
    const config = { brokers: { local: { type: 'embedded', memory: true } }, topics: { a: { broker: 'local' } } }
    writeFileSync(
      join(cwd, 'c.json'),
      JSON.stringify({ ...config, listen: { port: '${PORT}' }, encryptionKey: { file: 'k' } }),
    )
    writeFileSync(join(cwd, 'c.ts'), `const c: object = ${JSON.stringify(config)}\nexport default c\n`)
    writeFileSync(join(cwd, 'k'), 'secret\n')
    for (const file of ['c.json', 'c.ts']) {
      const { url, stop } = await gateway(['serve', '-c', file], { cwd, env: { PORT: '0' } })
      expect((await post(`${url}/v1/topics/a/events`, 1)).status).toBe(200)
      await stop()
    }
  })
})
