import { fork } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { openMemory } from '../../../adapters/embedded/engine/open.ts'
import { Space } from '../../../adapters/embedded/engine/space.ts'
import { check, embedded } from '../../../adapters/embedded/index.ts'
import { type Broker, systemClock } from '../../../src/core/index.ts'
import { consume, event, folder, idsOf, never, open, publish, pull, read, settle, TestClock, topic } from './support.ts'

async function openNew(): Promise<{ path: string; broker: Broker }> {
  const path = join(folder(), 'deep', 'er', 'log.db')
  const broker = await open({ path })
  await broker.admin!.ensure(topic, {})
  return { path, broker }
}

function change(path: string, sql: string): void {
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
}

const misconfigured = (words: RegExp) => ({ code: 'misconfigured', message: expect.stringMatching(words) })

describe('a store in a file', () => {
  it('is made with its folders, and opened again with everything in it', async () => {
    const { path, broker } = await openNew()
    expect(broker.capabilities.durability).toBe('machine')
    await publish(broker, event('a', {}, 300_000), event('b'))
    const { cursor, records } = await read(broker)
    await broker.close()
    expect(existsSync(`${path}-wal`)).toBe(false)
    const again = await open({ path, sync: 'normal' })
    expect(again.capabilities.durability).toBe('process')
    expect(await again.admin!.list()).toEqual([topic])
    const reread = await read(again)
    expect(reread.cursor).toBe(cursor)
    expect(reread.records[0]!.event.data).toEqual(records[0]!.event.data)
    expect((await publish(again, event('c')))[0]).toMatchObject({ position: '3' })
  })

  it('is initialised where the file is empty, and refused where it is anything else', async () => {
    const path = join(folder(), 'log.db')
    writeFileSync(path, '')
    await (await open({ path })).close()
    const text = join(folder(), 'text')
    writeFileSync(text, 'This is no database. '.repeat(100))
    await expect(open({ path: text })).rejects.toMatchObject(
      misconfigured(/not an SQLite database.*Nothing was changed.*move it away/),
    )
    expect(readFileSync(text, 'utf8')).toMatch(/^This is no database/)
    const foreign = join(folder(), 'foreign.db')
    change(foreign, 'CREATE TABLE theirs (x)')
    await expect(open({ path: foreign })).rejects.toMatchObject(misconfigured(/another program/))
    await expect(open({ path: folder() })).rejects.toMatchObject(misconfigured(/cannot be opened/))
    await expect(open({ path: join(text, 'log.db') })).rejects.toMatchObject(misconfigured(/cannot be opened/))
    change(path, 'PRAGMA user_version = 99')
    await expect(open({ path })).rejects.toMatchObject(misconfigured(/newer version/))
  })

  it('is refused where it is damaged', async () => {
    const { path, broker } = await openNew()
    for (let i = 0; i < 50; i++) await publish(broker, event(`e${i}`, {}, 5000))
    await broker.close()
    const bytes = readFileSync(path)
    bytes.fill(0xff, 8192 * 4, 8192 * 12)
    writeFileSync(path, bytes)
    await expect(open({ path })).rejects.toMatchObject(misconfigured(/damaged.*Nothing was changed/))
  })

  it('never hands out events whose bytes changed; health says so; other events stay readable', async () => {
    const { path, broker } = await openNew()
    await publish(broker, event('a'))
    await publish(broker, event('b'))
    await publish(broker, event('c'))
    await broker.close()
    change(path, 'UPDATE chunk SET body = zeroblob(length(body)) WHERE id % 10 = (SELECT min(id) % 10 FROM chunk) + 1')
    const again = await open({ path })
    const damaged = { code: 'internal', message: expect.stringMatching(/damaged.*position 2.*Restore/) }
    await expect(read(again)).rejects.toMatchObject(damaged)
    await expect(again.health()).rejects.toMatchObject(damaged)
    expect((await again.log!.get(topic, '3')).event.attributes.id).toBe('c')
    const consumer = await consume(again)
    expect(idsOf(await pull(consumer, 1))).toEqual(['a'])
    await expect(pull(consumer, 1)).rejects.toMatchObject(damaged)
  })

  it('sets a damaged delayed publish aside, says so, and goes on', async () => {
    const { path, broker } = await openNew()
    await broker.publish(topic, [event('bad')], { delayMs: 500, signal: never })
    await broker.publish(topic, [event('good')], { delayMs: 500, signal: never })
    await broker.close()
    change(path, 'UPDATE delayed SET crc = 0 WHERE id = 1')
    const again = await open({ path })
    await expect.poll(async () => idsOf((await read(again)).records), { timeout: 5000 }).toEqual(['good'])
    await expect(again.health()).rejects.toMatchObject({ code: 'internal', message: expect.stringMatching(/delayed/) })
    await publish(again, event('a'))
  })

  it('is checked as a whole on demand', async () => {
    const { path, broker } = await openNew()
    await publish(broker, event('a'))
    await publish(broker, event('b'))
    await broker.publish(topic, [event('c')], { delayMs: 60_000, signal: never })
    expect(() => check(path)).toThrow(/in use/)
    await broker.close()
    expect(check(path)).toEqual([])
    change(path, 'UPDATE chunk SET crc = 0 WHERE id = (SELECT max(id) FROM chunk); UPDATE delayed SET crc = 0')
    expect(check(path)).toEqual([
      `topic ${topic}: the events from position 2 on do not match their checksum`,
      'a delayed publish (1) does not match its checksum',
    ])
    expect(check(`${path}x`)).toHaveLength(1)
  })

  it('has one opener, in this process as well, until it is closed', async () => {
    const { path, broker } = await openNew()
    const refused = misconfigured(new RegExp(`in use by another process \\(pid ${process.pid}\\)`))
    await expect(open({ path })).rejects.toMatchObject(refused)
    await expect(open({ path })).rejects.toMatchObject(refused)
    await publish(broker, event('a'))
    await broker.close()
    await (await open({ path })).close()
  })

  it('is free again as soon as its process was killed, and holds what was acknowledged', async () => {
    const path = join(folder(), 'log.db')
    const child = fork(join(import.meta.dirname, 'victim.ts'), [path], { stdio: 'inherit' })
    const said = await new Promise((resolve) => child.once('message', resolve))
    expect(said).toBe('stored')
    await expect(open({ path })).rejects.toMatchObject(misconfigured(new RegExp(`pid ${child.pid}`)))
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    expect(idsOf((await read(await open({ path }))).records)).toEqual(['a'])
  })

  it('that reaches its maxBytes refuses to publish, and everything else goes on; retention makes room', async () => {
    const path = join(folder(), 'log.db')
    const broker = await open({ path, sync: 'normal', maxBytes: 4 << 20 })
    await broker.admin!.ensure(topic, { retention: {} })
    const consumer = await consume(broker)
    let stored = 0
    const fill = async () => {
      for (;;) {
        await publish(broker, event(`e${stored}`, {}, 50_000))
        stored++
      }
    }
    await expect(fill()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringMatching(/maxBytes/) })
    expect(stored).toBeGreaterThan(50)
    await expect(broker.health()).rejects.toMatchObject({ code: 'unavailable' })
    expect((await read(broker)).records).toHaveLength(stored)
    for (let left = stored; left > 0; ) {
      const deliveries = await pull(consumer, 10)
      expect(await settle(consumer, deliveries)).toEqual(deliveries.map(() => ({ status: 'ok' })))
      left -= deliveries.length
    }
    expect(statSync(path).size).toBeLessThanOrEqual(4 << 20)
    await broker.admin!.ensure(topic, { retention: { bytes: 1 << 20 } })
    await expect
      .poll(
        () =>
          publish(broker, event('at last')).then(
            ([result]) => result!.status,
            () => 'full',
          ),
        {
          timeout: 5000,
        },
      )
      .toBe('stored')
    await broker.health()
  })
})

describe('closing', () => {
  it('settles what was asked before, and refuses what comes after', async () => {
    const { broker } = await openNew()
    const before = Array.from({ length: 20 }, (_, i) => publish(broker, event(`e${i}`)))
    const closing = broker.close()
    const results = await Promise.all(before)
    expect(results.flat().map(({ status }) => status)).toEqual(before.map(() => 'stored'))
    await closing
    await broker.close()
    const unavailable = { code: 'unavailable' }
    await expect(publish(broker, event('x'))).rejects.toMatchObject(unavailable)
    await expect(broker.health()).rejects.toMatchObject(unavailable)
    await expect(read(broker)).rejects.toMatchObject(unavailable)
    await expect(broker.open(topic, 'g', { prefetch: 1 })).rejects.toMatchObject(unavailable)
    await expect(broker.admin!.describe(topic)).rejects.toMatchObject(unavailable)
  })

  it('ends what waits', async () => {
    const { broker } = await openNew()
    const consumer = await consume(broker)
    const waiting = expect(pull(consumer, 1, 60_000)).rejects.toMatchObject({ code: 'unavailable' })
    await new Promise((resolve) => setTimeout(resolve, 20))
    await broker.close()
    await waiting
  })
})

describe('the configuration', () => {
  const parse = (config: object) => embedded.config.safeParse({ type: 'embedded', ...config }).success

  it('has a path or memory, and nothing unknown', () => {
    expect([parse({ path: 'x' }), parse({ memory: true }), parse({ path: 'x', sync: 'normal' })]).toEqual([
      true,
      true,
      true,
    ])
    expect([parse({}), parse({ path: 'x', memory: true }), parse({ memory: false })]).toEqual([false, false, false])
    expect([parse({ memory: true, sync: 'full' }), parse({ path: 'x', extra: 1 })]).toEqual([false, false])
  })

  it('takes sizes', () => {
    const maxBytes = (value: unknown) =>
      embedded.config.parse({ type: 'embedded', memory: true, maxBytes: value }).maxBytes
    expect([maxBytes('64MiB'), maxBytes('1.5 GB'), maxBytes(2_000_000)]).toEqual([64 << 20, 1.5e9, 2_000_000])
    expect([parse({ path: 'x', maxBytes: '12' }), parse({ path: 'x', maxBytes: 'much' })]).toEqual([false, false])
  })
})

describe('topics', () => {
  it('are made by ensure alone, and what a file cannot do is refused by name', async () => {
    const broker = await embedded.open(embedded.config.parse({ type: 'embedded', memory: true }), {
      clock: systemClock,
    })
    const { admin } = broker
    await expect(publish(broker, event('a'))).rejects.toMatchObject({ code: 'not_found' })
    expect((await admin!.diff(topic, {})).map(({ field }) => field)).toEqual([
      'topic',
      'partitions',
      'retention',
      'dedupWindow',
    ])
    await expect(admin!.describe(topic)).rejects.toMatchObject({ code: 'not_found' })
    await admin!.ensure(topic, { retention: { ms: 1000 }, dedupWindowMs: 5000 })
    expect(await admin!.ensure(topic, {})).toEqual([])
    expect(await admin!.describe(topic)).toMatchObject({
      partitions: 8,
      replicas: 1,
      retention: { ms: 1000 },
      dedupWindowMs: 5000,
    })
    for (const [capability, spec] of [
      ['replicas', { replicas: 3 }],
      ['partitions', { partitions: 33 }],
      ['dedupWindowMs', { dedupWindowMs: 8 * 86_400_000 }],
    ] as const) {
      await expect(admin!.ensure(topic, spec)).rejects.toMatchObject({ code: 'unsupported', capability })
    }
    await broker.publish(topic, [], { signal: never })
    await broker.close()
  })
})

describe('the space that is left', () => {
  it('is looked at before it is used: what is free within the file counts, what is reserved does not', () => {
    const clock = new TestClock()
    const db = openMemory(null)
    let free = 64 << 20
    const space = new Space(
      db,
      null,
      () => free,
      () => clock.now(),
    )
    space.check(1000)
    free = 16 << 20
    space.check(1000)
    expect(() => space.check(4 << 20)).toThrow(/less than 16 MiB left/)
    expect(() => space.check(1)).toThrow(/less than 16 MiB left/)
    free = 64 << 20
    clock.advance(1000)
    space.check(4 << 20)
    free = 0
    db.exec('CREATE TABLE big (body); INSERT INTO big VALUES (zeroblob(20000000)); DROP TABLE big')
    clock.advance(1000)
    space.check(1 << 20)
    db.close()
  })
})
