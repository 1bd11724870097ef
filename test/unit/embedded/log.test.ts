import { describe, expect, it } from 'vitest'
import type { LogRecord } from '../../../src/core/index.ts'
import { event, idsOf, never, openWithTopic, publish, read, TestClock, topic } from './support.ts'

describe('a read of the log', () => {
  it('covers exactly the range between cursors and times', async () => {
    const clock = new TestClock()
    const broker = await openWithTopic({}, clock)
    const times: Date[] = []
    for (const id of ['a', 'b', 'c', 'd']) {
      times.push(new Date(clock.now()))
      await publish(broker, event(`${id}1`), event(`${id}2`))
      clock.advance(1000)
    }
    const all = (await read(broker)).records
    expect(idsOf(all)).toEqual(['a1', 'a2', 'b1', 'b2', 'c1', 'c2', 'd1', 'd2'])
    expect(idsOf((await read(broker, { cursor: all[1]!.cursor })).records)[0]).toBe('b1')
    expect(idsOf((await read(broker, times[1]!, { to: times[2]! })).records)).toEqual(['b1', 'b2', 'c1', 'c2'])
    const between = new Date(times[1]!.getTime() + 1)
    expect(idsOf((await read(broker, between, { to: new Date(times[2]!.getTime() - 1) })).records)).toEqual([])
    expect(idsOf((await read(broker, new Date(0))).records)).toHaveLength(8)
    expect(idsOf((await read(broker, new Date(clock.now()))).records)).toEqual([])
  })

  it('is always one batch at least, from whose cursor it goes on', async () => {
    const broker = await openWithTopic()
    const empty = await read(broker)
    expect(empty).toMatchObject({ records: [], batches: 1 })
    await publish(broker, event('a'), event('b'), event('c'))
    const two = await read(broker, { cursor: empty.cursor }, { limit: 2 })
    expect(idsOf(two.records)).toEqual(['a', 'b'])
    expect(two.cursor).toBe(two.records[1]!.cursor)
    const rest = await read(broker, { cursor: two.cursor })
    expect(idsOf(rest.records)).toEqual(['c'])
    expect((await read(broker, 'latest')).cursor).toBe(rest.cursor)
    expect((await read(broker, { cursor: rest.cursor }, { limit: 0 })).cursor).toBe(rest.cursor)
  })

  it('never leaves its topic, also while it follows', async () => {
    const broker = await openWithTopic()
    for (const other of ['before', 'after']) await broker.admin!.ensure(other, {})
    const publishTo = (name: string, id: string) => broker.publish(name, [event(id)], { signal: never })
    for (const name of ['before', topic, 'after']) await publishTo(name, `${name}-1`)
    const gone = new AbortController()
    const live = broker.log!.read(topic, 'earliest', { follow: true, signal: gone.signal })[Symbol.asyncIterator]()
    expect(idsOf((await live.next()).value.records)).toEqual([`${topic}-1`])
    await publishTo('after', 'after-2')
    await publishTo(topic, `${topic}-2`)
    expect(idsOf((await live.next()).value.records)).toEqual([`${topic}-2`])
    gone.abort()
    const latest = broker.log!.read(topic, 'latest', { follow: true, signal: never })[Symbol.asyncIterator]()
    expect((await latest.next()).value.records).toEqual([])
    await latest.return?.()
  })

  it('is bounded batch by batch, and whole', async () => {
    const broker = await openWithTopic()
    for (let i = 0; i < 30; i++) await publish(broker, event(`e${i}`, {}, 200_000))
    const { records, batches } = await read(broker)
    expect(idsOf(records)).toEqual(Array.from({ length: 30 }, (_, i) => `e${i}`))
    expect(batches).toBeGreaterThan(5)
  })

  it('advances also where nothing matches, and counts only what matches', async () => {
    const broker = await openWithTopic()
    for (let i = 0; i < 10; i++) await publish(broker, event(`e${i}`, { partitionkey: `k${i % 2}` }))
    const none = await read(broker, 'earliest', { key: 'other' })
    expect((await read(broker, { cursor: none.cursor })).records).toEqual([])
    expect(idsOf((await read(broker, 'earliest', { key: 'k1', limit: 2 })).records)).toEqual(['e1', 'e3'])
  })

  it('follows: it waits for new events and ends when it is cancelled', async () => {
    const broker = await openWithTopic()
    await publish(broker, event('before'))
    const controller = new AbortController()
    const seen: LogRecord[] = []
    const reading = (async () => {
      for await (const { records } of broker.log!.read(topic, 'latest', { follow: true, signal: controller.signal })) {
        seen.push(...records)
        if (seen.length === 3) controller.abort()
      }
    })()
    await publish(broker, event('a'))
    await publish(broker, event('b'), event('c'))
    await reading
    expect(idsOf(seen)).toEqual(['a', 'b', 'c'])
  })

  it('of a closed broker ends, also when it waits', async () => {
    const broker = await openWithTopic()
    const reading = (async () => {
      for await (const _ of broker.log!.read(topic, 'latest', { follow: true, signal: never }));
    })()
    const ended = expect(reading).rejects.toMatchObject({ code: 'unavailable' })
    await new Promise((resolve) => setTimeout(resolve, 10))
    await broker.close()
    await ended
  })

  it('refuses a cursor of another log, one beyond the end, and what is none', async () => {
    const one = await openWithTopic()
    const other = await openWithTopic()
    await publish(one, event('a'))
    const { cursor } = await read(one)
    await expect(read(other, { cursor })).rejects.toMatchObject({ code: 'stale_cursor' })
    await expect(read(one, { cursor: cursor.replace(/-1$/, '-2') })).rejects.toMatchObject({ code: 'stale_cursor' })
    await expect(read(one, { cursor: 'x' })).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('of one position gives that event or says that it is not there', async () => {
    const broker = await openWithTopic()
    await publish(broker, event('a'), event('b'))
    const record = await broker.log!.get(topic, '2')
    expect([record.position, record.event.attributes.id]).toEqual(['2', 'b'])
    for (const position of ['0', '3', 'x', '-1', '1.5', '99999999999999999999']) {
      await expect(broker.log!.get(topic, position)).rejects.toMatchObject({ code: 'not_found' })
    }
  })
})
