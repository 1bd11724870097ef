import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { systemClock } from '../../src/core/clock.ts'
import { createKey, type NewKey } from '../../src/runtime/key-text.ts'
import { type RunningGateway, startGateway } from '../../src/runtime/node.ts'
import { openSqliteStore } from '../../src/store/sql/open.ts'
import type { Store } from '../../src/store/store.ts'
import { BodyStream } from '../fixtures/body-stream.ts'
import { Client } from '../fixtures/client.ts'
import { cloudEvent, until } from './events.ts'

/** What the contract promises. */
const withinMs = 5000

let directory: string
let gateway: RunningGateway
let store: Store
const configured = { stays: createKey(), goes: createKey(), comes: createKey() }
const stored = createKey()

/** A configuration file with these keys. */
async function write(...keys: readonly NewKey[]): Promise<void> {
  const config = {
    brokers: { main: { type: 'embedded', path: 'log.db' } },
    topics: { orders: { broker: 'main' } },
    store: { type: 'sqlite', path: 'store.db' },
    keys: keys.map(({ id, hash }) => ({ name: `key-${id}`, hash, scopes: ['publish', 'consume'] })),
  }
  await writeFile(join(directory, 'sluice.json'), JSON.stringify(config))
}

const status = async ({ text }: NewKey): Promise<number> =>
  (await new Client(gateway.url, text).get('/v1/topics')).status

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sluice-keys-'))
  const file = join(directory, 'sluice.json')
  await write(configured.stays, configured.goes)
  const loaded = await loadConfig(file, {})
  const quiet = () => {}
  const place = { host: '127.0.0.1', port: 0, createOn: undefined, allowLoopback: false }
  gateway = await startGateway({ loaded, file, environment: {}, log: quiet, ...place })
  // As another process does it: `sluice keys` opens the same store.
  store = await openSqliteStore({ path: join(directory, 'store.db'), clock: systemClock })
})
afterAll(async () => {
  await store.close()
  await gateway.stop()
  await rm(directory, { recursive: true, force: true })
})

describe('a running gateway', () => {
  test('takes the keys of its file, and nobody else', async () => {
    expect(await status(configured.stays)).toBe(200)
    expect(await status(configured.comes)).toBe(401)
    expect((await new Client(gateway.url, configured.stays.text).structured('orders', cloudEvent('a'))).status).toBe(
      200,
    )
  })

  test('a key that is removed from the file is dead within five seconds, with its tickets; a new one lives', async () => {
    const client = new Client(gateway.url, configured.goes.text)
    const { ticket } = (await client.post('/v1/tickets', { topic: 'orders' })).json<{ ticket: string }>()
    const target = `/v1/topics/orders/events?ticket=${encodeURIComponent(ticket)}`
    expect((await new Client(gateway.url).get(target)).status).toBe(200)
    const began = Date.now()
    await write(configured.stays, configured.comes)
    await until(async () => (await status(configured.goes)) === 401)
    expect(Date.now() - began).toBeLessThan(withinMs)
    expect((await new Client(gateway.url).get(target)).status).toBe(401)
    expect(await status(configured.comes)).toBe(200)
    expect(await status(configured.stays)).toBe(200)
  })

  test('what a key has opened ends with it: a live read, a pull that waits, a stream that is being sent', async () => {
    const opened = createKey()
    const { id, hash, text } = opened
    await store.keys.put({ id, name: 'opened', hash, scopes: ['publish', 'consume'], createdAt: Date.now() })
    await until(async () => (await status(opened)) === 200)
    const headers = { authorization: `Bearer ${text}` }
    const events = `${gateway.url}/v1/topics/orders/events`
    const live = await fetch(events, { headers: { ...headers, accept: 'text/event-stream' } })
    const group = `${gateway.url}/v1/topics/orders/groups/opened`
    await fetch(group, { method: 'PUT', headers })
    const body = JSON.stringify({ wait: '30s' })
    const pull = fetch(`${group}/pull`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
    })
    // The client sends nothing, not even its headers, before it has something to send.
    const sent = new BodyStream()
    sent.write('{"half a line": ')
    const stream = fetch(events, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
      body: sent.readable,
      duplex: 'half',
    } as RequestInit).then((answer) => answer.text())
    const began = Date.now()
    await store.keys.delete(id)
    expect(await live.text()).not.toContain('data:')
    expect((await pull).status).toBe(401)
    expect(await stream).not.toContain('summary')
    expect(Date.now() - began).toBeLessThan(withinMs)
  })

  test('a key that comes into the store lives, and one that leaves it is dead within five seconds', async () => {
    expect(await status(stored)).toBe(401)
    const { id, hash } = stored
    await store.keys.put({ id, name: 'stored', hash, scopes: ['publish'], createdAt: Date.now() })
    await until(async () => (await status(stored)) === 200)
    const began = Date.now()
    await store.keys.delete(id)
    await until(async () => (await status(stored)) === 401)
    expect(Date.now() - began).toBeLessThan(withinMs)
  })

  test('the last key that goes lets nobody in', async () => {
    await write()
    await until(async () => (await status(configured.stays)) === 401)
    expect((await new Client(gateway.url).get('/v1/topics')).status).toBe(401)
  })
})
