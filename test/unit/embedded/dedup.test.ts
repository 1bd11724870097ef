import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { encodeEvents } from '../../../adapters/embedded/codec.ts'
import { Appender } from '../../../adapters/embedded/engine/append.ts'
import { Filters, filterOf } from '../../../adapters/embedded/engine/bloom.ts'
import { Chunks } from '../../../adapters/embedded/engine/chunks.ts'
import { Dedup, identityHash, tableEntries } from '../../../adapters/embedded/engine/dedup.ts'
import { Delayed } from '../../../adapters/embedded/engine/delayed.ts'
import { hashText } from '../../../adapters/embedded/engine/hash.ts'
import { Memtable } from '../../../adapters/embedded/engine/memtable.ts'
import { openMemory } from '../../../adapters/embedded/engine/open.ts'
import { Intake } from '../../../adapters/embedded/engine/publish.ts'
import { viewOf } from '../../../adapters/embedded/engine/records.ts'
import { Runs } from '../../../adapters/embedded/engine/runs.ts'
import { Space } from '../../../adapters/embedded/engine/space.ts'
import { Topics } from '../../../adapters/embedded/engine/topics.ts'
import type { Event } from '../../../src/core/index.ts'
import {
  consume,
  event,
  folder,
  never,
  open,
  openWithTopic,
  publish,
  pull,
  read,
  settle,
  TestClock,
  topic,
} from './support.ts'

const minute = 60_000
const position = (n: number) => String(n)

function parts(clock: TestClock, db: DatabaseSync = openMemory(null)) {
  const now = () => clock.now()
  const topics = new Topics(db, clock, true)
  topics.load()
  const chunks = new Chunks(db)
  const dedup = new Dedup(db, topics)
  const appender = new Appender(db)
  const delayed = new Delayed(db, topics, appender, dedup)
  const intake = new Intake(topics, chunks, appender, dedup, delayed, new Space(db, null, null, now), now)
  const load = () => dedup.load(now(), (one, time) => chunks.atTime(one.number, time, one))
  const send = (number: number, ...events: Event[]) => {
    return intake.publish({ topic: number, records: encodeEvents(events), count: events.length, delayMs: 0 })
  }
  return { db, topics, chunks, dedup, load, send }
}

describe('deduplication', () => {
  it('answers the original’s position, also within a call, and tells sources and topics apart', async () => {
    const broker = await openWithTopic()
    await broker.admin!.ensure('other', {})
    const results = await publish(broker, event('a'), event('b'), event('a'), event('a', { source: '/x' }))
    expect(results.map(({ status }) => status)).toEqual(['stored', 'stored', 'stored', 'stored'])
    expect(results).toMatchObject([{ position: '1' }, { position: '2' }, { position: '1' }, { position: '3' }])
    expect(results.map((result) => 'duplicate' in result)).toEqual([false, false, true, false])
    const again = await publish(broker, event('c'), event('b'), event('d'))
    expect(again).toMatchObject([{ position: '4' }, { position: '2', duplicate: true }, { position: '5' }])
    const [elsewhere] = await broker.publish('other', [event('a')], { signal: never })
    expect(elsewhere).toEqual({ id: 'a', status: 'stored', position: '1' })
    expect((await read(broker)).records).toHaveLength(5)
  })

  it('ends with the window, to the millisecond, and a window of 0 is none', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({ dedupWindowMs: minute }, clock)
    await publish(broker, event('a'))
    clock.advance(minute - 1)
    expect((await publish(broker, event('a')))[0]).toHaveProperty('duplicate')
    clock.advance(1)
    expect((await publish(broker, event('a')))[0]).toEqual({ id: 'a', status: 'stored', position: '2' })
    await broker.admin!.ensure(topic, { dedupWindowMs: 0 })
    expect((await publish(broker, event('a'), event('a'))).map(({ id }) => id)).toEqual(['a', 'a'])
    expect((await read(broker)).records).toHaveLength(4)
  })

  it('goes on when the window changes', async () => {
    const broker = await openWithTopic({ dedupWindowMs: minute })
    await publish(broker, event('a'))
    await broker.admin!.ensure(topic, { dedupWindowMs: 2 * minute })
    expect((await publish(broker, event('a')))[0]).toHaveProperty('duplicate')
  })

  it('never drops an event because its hash is that of another', () => {
    const { topics, dedup, load, send } = parts(new TestClock())
    const { number } = topics.ensure(topic, {})
    load()
    send(number, event('a'))
    const records = encodeEvents([event('b')])
    dedup.add(topics.get(number), identityHash(records, viewOf(records), 0, number), 1)
    expect(send(number, event('b'))).toEqual({ first: 2, duplicates: null })
    expect(send(number, event('b'))).toEqual({ first: 0, duplicates: [0, 2] })
  })

  it('does not take an event for a duplicate of one that retention took away', () => {
    const { db, topics, chunks, load, send } = parts(new TestClock())
    const { number } = topics.ensure(topic, {})
    load()
    send(number, event('a'))
    send(number, event('b'))
    db.exec('DELETE FROM chunk WHERE id = (SELECT min(id) FROM chunk)')
    topics.get(number).first = 2
    chunks.forget()
    expect(send(number, event('a'))).toEqual({ first: 3, duplicates: null })
  })

  it('finds what was written out in runs, and what came after the last of them, also after a restart', async () => {
    const path = join(folder(), 'log.db')
    const first = await open({ path, sync: 'normal' })
    await first.admin!.ensure(topic, {})
    const total = Math.ceil(tableEntries / 1000) * 1000 + 5000
    for (let i = 0; i < total; i += 1000) {
      await publish(first, ...Array.from({ length: 1000 }, (_, k) => event(`e${i + k}`, {}, 0)))
    }
    const probe = [0, 1, 4711, tableEntries - 1001, tableEntries, total - 1]
    const check = async (broker: typeof first) => {
      const results = await publish(broker, ...probe.map((i) => event(`e${i}`)))
      expect(results).toEqual(
        probe.map((i) => ({ id: `e${i}`, status: 'stored', duplicate: true, position: position(i + 1) })),
      )
    }
    await check(first)
    await first.close()
    const second = await open({ path })
    await check(second)
    expect((await publish(second, event('new')))[0]).toEqual({
      id: 'new',
      status: 'stored',
      position: position(total + 1),
    })
  })

  it('drops runs that no window needs any more', () => {
    const clock = new TestClock()
    const { topics, dedup, load, send, db } = parts(clock)
    const { number } = topics.ensure(topic, { dedupWindowMs: minute })
    load()
    send(number, event('a'))
    dedup.flush(minute, clock.now())
    expect(send(number, event('a')).duplicates).toEqual([0, 1])
    expect([dedup.runs, dedup.expire(clock.now())]).toEqual([1, false])
    clock.advance(minute)
    expect([dedup.expire(clock.now()), dedup.runs]).toEqual([true, 0])
    expect(db.prepare('SELECT count(*) AS left FROM dedup_block').get()).toEqual({ left: 0 })
  })

  it('delivers a duplicate once', async () => {
    const broker = await openWithTopic()
    const consumer = await consume(broker)
    await Promise.all(Array.from({ length: 100 }, () => publish(broker, event('once'))))
    const deliveries = await pull(consumer)
    expect(deliveries).toHaveLength(1)
    await settle(consumer, deliveries)
    expect(await pull(consumer)).toEqual([])
  })
})

describe('what deduplication is made of', () => {
  const hashes = Array.from({ length: tableEntries }, (_, i) => hashText(`hash ${i}`))

  it('a table holds what was put last, and sorts', () => {
    const table = new Memtable()
    for (const [i, hash] of hashes.entries()) table.set(hash, i + 1)
    table.set(hashes[7]!, -5)
    expect(table.size).toBe(tableEntries)
    expect([table.get(hashes[0]!), table.get(hashes[7]!), table.get(12345)]).toEqual([1, -5, 0])
    expect([...table.sorted()]).toEqual(hashes.toSorted((a, b) => a - b))
    table.clear()
    expect([table.size, table.get(hashes[0]!)]).toEqual([0, 0])
  })

  it('filters forget none, and are wrong about few, however many there are', () => {
    const filters = new Filters()
    const parts = Array.from({ length: 40 }, (_, i) => Float64Array.from(hashes.slice(i * 1000, i * 1000 + 1000)))
    const slots = parts.map((part) => filters.add(filterOf(part)))
    expect(new Set(slots).size).toBe(40)
    for (const [i, part] of parts.entries()) {
      expect(part.every((hash) => filters.ask(hash).includes(slots[i]!))).toBe(true)
    }
    for (const slot of slots.slice(0, 39)) filters.remove(slot)
    expect(parts[3]!.some((hash) => filters.ask(hash).length > 0)).toBe(false)
    expect(parts[39]!.every((hash) => filters.ask(hash).includes(slots[39]!))).toBe(true)
    const full = filters.add(filterOf(Float64Array.from(hashes)))
    let wrong = 0
    for (let i = 0; i < 100_000; i++) if (filters.ask(hashText(`other ${i}`)).includes(full)) wrong++
    expect(wrong).toBeLessThan(300)
  })

  it('a run finds every hash, the newest run first, also when it is read again', () => {
    const db = openMemory(null)
    const table = new Memtable()
    for (const [i, hash] of hashes.slice(0, 5000).entries()) table.set(hash, i + 1)
    const runs = new Runs(db)
    runs.write(table, 100)
    table.clear()
    table.set(hashes[3]!, 77_777)
    runs.write(table, 200)
    const again = new Runs(db)
    again.load()
    for (const one of [runs, again]) {
      const found = hashes.slice(0, 5000).map((hash) => one.find(hash, 0, () => true))
      expect(found).toEqual(found.map((_, i) => (i === 3 ? 77_777 : i + 1)))
      const asked: number[] = []
      expect(one.find(hashes[3]!, 0, (reference) => asked.push(reference) > 1)).toBe(4)
      expect(asked).toEqual([77_777, 4])
      expect([one.find(hashes[6000]!, 0, () => true), one.find(hashes[4]!, 100, () => true)]).toEqual([0, 0])
    }
  })
})
