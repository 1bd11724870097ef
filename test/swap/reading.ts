import { afterEach, expect, test } from 'vitest'
import type { StreamedAnswer } from '../fixtures/streamed-answer.ts'
import { cloudEvent, type Entry, entriesOf, ndjsonType, type Page, type Receipt } from '../http/events.ts'
import type { Ask } from '../http/lacks.ts'
import { atomicOf, replay } from './expectation.ts'
import type { Stage } from './stage.ts'

const idOf = ({ event }: Entry) => event.id
const encoded = encodeURIComponent
const eventStream = { accept: 'text/event-stream' }
const lines = { accept: ndjsonType }

export function reading(at: () => Stage): void {
  const opened: StreamedAnswer[] = []
  afterEach(() => {
    for (const answer of opened.splice(0)) answer.close()
  })

  async function live(topic: string, query: string, headers: Record<string, string> = {}): Promise<StreamedAnswer> {
    const target = `/v1/topics/${topic}/events${query}`
    const answer = await at().client.stream('GET', target, { headers: { ...eventStream, ...headers } })
    expect(answer.status).toBe(200)
    opened.push(answer)
    return answer
  }

  function take(answer: StreamedAnswer, count: number): Promise<{ id: string; data: Entry }[]> {
    return answer.events<Entry>(count)
  }

  const get = (topic: string, query: string, headers = {}) =>
    at().client.get(`/v1/topics/${topic}/events${query}`, headers)
  const page = async (topic: string, query: string): Promise<Page> => {
    const answer = await get(topic, query)
    expect(answer.status, answer.text.slice(0, 500)).toBe(200)
    return answer.json<Page>()
  }
  const idsOf = async (topic: string, query: string) => (await page(topic, query)).events.map(idOf)

  /** Events of several keys, so that they are in several partitions where there are any. */
  async function spread(topic: string, count: number, more: (i: number) => object = () => ({})): Promise<string[]> {
    const ids = Array.from({ length: count }, (_, i) => `e-${i}`)
    const events = ids.map((id, i) => cloudEvent(id, { partitionkey: `k${i % 11}`, ...more(i) }))
    const answer = await at().client.batch(topic, events)
    expect(answer.status, answer.text).toBe(200)
    return ids
  }

  /** A step of the log: refused by name, in every way to read, where the broker keeps none. */
  function logTest(name: string, works: (topic: string) => Promise<void>): void {
    test(name, async () => {
      const topic = at().bareTopic()
      const target = `/v1/topics/${topic}/events`
      const asks: Ask[] = [
        { method: 'GET', target: `${target}?from=earliest` },
        { method: 'GET', target: `${target}?from=earliest`, headers: lines },
        { method: 'GET', target, headers: eventStream },
        { method: 'GET', target: `${target}?bogus=1` },
        { method: 'GET', target: `${target}/0` },
      ]
      await at().step(topic, [replay], asks, () => works(topic))
    })
  }

  logTest('begins at its end unless told otherwise, and goes on from where it ended', async (topic) => {
    const { client } = at()
    await client.structured(topic, cloudEvent('before'))
    const nothing = await page(topic, '')
    expect(nothing.events).toEqual([])
    await client.structured(topic, cloudEvent('after'))
    expect(await idsOf(topic, `?from=${encoded(nothing.next)}`)).toEqual(['after'])
    expect(await idsOf(topic, '?from=latest')).toEqual([])
    expect((await idsOf(topic, '?from=earliest')).sort()).toEqual(['after', 'before'])
  })

  logTest('an empty one has a place to go on from, in every partition', async (topic) => {
    const { next } = await page(topic, '?from=earliest')
    const ids = await spread(topic, 30)
    expect((await idsOf(topic, `?from=${encoded(next)}`)).sort()).toEqual(ids.sort())
  })

  logTest('pages of every size give each event once, as JSON and as lines', async (topic) => {
    const { client } = at()
    const ids = await spread(topic, 60)
    for (const limit of [1, 7, 59, 60, 1000]) {
      const found: string[] = []
      let from = 'earliest'
      for (let turn = 0; turn <= 60; turn++) {
        const { events, next } = await page(topic, `?from=${encoded(from)}&limit=${limit}`)
        if (events.length === 0) break
        expect(events.length).toBeLessThanOrEqual(limit)
        found.push(...events.map(idOf))
        from = next
      }
      expect(found.toSorted(), `limit=${limit}`).toEqual(ids.toSorted())
    }
    const answer = await client.get(`/v1/topics/${topic}/events?from=earliest&limit=23`, lines)
    const some = answer.lines<Entry & { next: string }>()
    const next = some.pop()?.next ?? ''
    const rest = await entriesOf(client, topic, '')
    expect(some.length).toBe(23)
    const left = (await get(topic, `?from=${encoded(next)}`, lines)).lines<Entry>().slice(0, -1)
    expect([...some, ...left].map(idOf).sort()).toEqual(ids.toSorted())
    expect(rest.map(idOf).sort()).toEqual(ids.toSorted())
  })

  logTest('the same after transactions, whose marks are no events', async (topic) => {
    const { client } = at()
    const ids: string[] = []
    for (let round = 0; round < 4; round++) {
      const some = Array.from({ length: 6 }, (_, i) => `${round}-${i}`)
      const events = some.map((id, i) => cloudEvent(id, { partitionkey: `k${i}` }))
      const query = at().can(atomicOf(6)) ? '?atomic=true' : ''
      expect((await client.batch(topic, events, query)).status).toBe(200)
      ids.push(...some)
    }
    const found: string[] = []
    let from = 'earliest'
    for (let turn = 0; turn < 40; turn++) {
      const { events, next } = await page(topic, `?from=${encoded(from)}&limit=5`)
      if (events.length === 0) break
      found.push(...events.map(idOf))
      from = next
    }
    expect(found.toSorted()).toEqual(ids.toSorted())
    expect(await idsOf(topic, `?from=${encoded(from)}`)).toEqual([])
    await client.structured(topic, cloudEvent('last', { partitionkey: 'k1' }))
    expect(await idsOf(topic, `?from=${encoded(from)}`)).toEqual(['last'])
    expect(await idsOf(topic, '?from=earliest&key=k1')).toEqual(['0-1', '1-1', '2-1', '3-1', 'last'])
    expect(await idsOf(topic, '?from=earliest&to=latest&key=k2&limit=2')).toEqual(['0-2', '1-2'])
  })

  logTest('a time is inclusive at both ends, and is when the broker stored it', async (topic) => {
    const { client } = at()
    const stamps: string[] = []
    for (const id of ['a', 'b', 'c']) {
      stamps.push(new Date().toISOString())
      // The clock must have moved between what was stored and the time that is asked for.
      await new Promise((resolve) => setTimeout(resolve, 30))
      await client.structured(topic, cloudEvent(id, { time: '1999-01-01T00:00:00Z', partitionkey: id }))
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    const [first, second, third] = stamps.map(encoded) as [string, string, string]
    const read = async (query: string) => (await idsOf(topic, query)).sort()
    expect(await read(`?from=${second}`)).toEqual(['b', 'c'])
    expect(await read(`?from=earliest&to=${second}`)).toEqual(['a'])
    expect(await read(`?from=${first}&to=${third}`)).toEqual(['a', 'b'])
    expect(await read('?from=2000-01-01T00:00:00%2B01:00')).toEqual(['a', 'b', 'c'])
    expect(await read(`?from=${encoded(new Date(Date.now() + 60_000).toISOString())}`)).toEqual([])
    expect(await read('?from=earliest&to=latest')).toEqual(['a', 'b', 'c'])
    expect(await read('?from=earliest&to=2000-01-01T00:00:00Z')).toEqual([])
    expect(await read(`?from=${second}&key=c`)).toEqual(['c'])
    const { next } = await page(topic, `?from=earliest&to=${second}`)
    expect(await read(`?from=${encoded(next)}`)).toEqual(['b', 'c'])
  })

  logTest('filters by key and by type may find nothing, and go on', async (topic) => {
    const { client } = at()
    const ids = ['a1', 'b1', 'a2', 'b2', 'a3', 'c1']
    const events = ids.map((id) => cloudEvent(id, { partitionkey: id[0], type: `type.${id[1]}` }))
    await client.batch(topic, [...events, cloudEvent('none', { type: 'type.9' })])
    expect(await idsOf(topic, '?from=earliest&key=a')).toEqual(['a1', 'a2', 'a3'])
    expect((await idsOf(topic, '?from=earliest&type=type.2')).sort()).toEqual(['a2', 'b2'])
    expect(await idsOf(topic, '?from=earliest&type=type.2&key=b')).toEqual(['b2'])
    for (const filter of ['key=zzz', 'type=zzz']) {
      const none = await page(topic, `?from=earliest&${filter}`)
      expect(none.events).toEqual([])
      expect(await idsOf(topic, `?from=${encoded(none.next)}`)).toEqual([])
    }
    for (const [filter, expected] of [
      ['key=a', ['a1', 'a2', 'a3']],
      ['type=type.1', ['a1', 'b1', 'c1']],
    ] as const) {
      const found: string[] = []
      let from = 'earliest'
      for (let turn = 0; turn < 12; turn++) {
        const { events, next } = await page(topic, `?from=${encoded(from)}&limit=1&${filter}`)
        found.push(...events.map(idOf))
        from = next
      }
      expect(found.sort(), filter).toEqual(expected)
    }
  })

  logTest('waits for the first event that is wanted, as JSON and as lines', async (topic) => {
    const { client } = at()
    await client.structured(topic, cloudEvent('old', { partitionkey: 'x' }))
    const { next } = await page(topic, '')
    const target = `?from=${encoded(next)}&wait=20s`
    const wanted = get(topic, `${target}&type=wanted`)
    const ofKey = get(topic, `${target}&key=mine`)
    const asLines = get(topic, target, lines)
    for (let i = 0; i < 3; i++) await client.structured(topic, cloudEvent(`x${i}`))
    await client.structured(topic, cloudEvent('y', { type: 'wanted', partitionkey: 'mine' }))
    expect((await wanted).json<Page>().events.map(idOf)).toEqual(['y'])
    expect((await ofKey).json<Page>().events.map(idOf)).toEqual(['y'])
    expect((await asLines).lines<Entry>().length).toBeGreaterThanOrEqual(2)
    const began = Date.now()
    const empty = await page(topic, '?wait=300ms')
    expect(Date.now() - began).toBeGreaterThanOrEqual(290)
    expect(empty.events).toEqual([])
    await client.structured(topic, cloudEvent('z'))
    expect(await idsOf(topic, `?from=${encoded(empty.next)}&wait=20s`)).toEqual(['z'])
    expect(await idsOf(topic, '?from=latest&to=latest&wait=30s')).toEqual([])
  })

  logTest('server-sent events give what is there and then what comes', async (topic) => {
    const { client } = at()
    await client.batch(
      topic,
      ['a1', 'a2'].map((id) => cloudEvent(id, { partitionkey: 'a' })),
    )
    const answer = await live(topic, '?from=earliest')
    expect((await take(answer, 2)).map(({ data }) => idOf(data))).toEqual(['a1', 'a2'])
    for (let round = 0; round < 3; round++) {
      const fresh = await live(topic, '')
      const ofKey = await live(topic, '?key=b')
      const ofType = await live(topic, '?type=typed&limit=1')
      await client.structured(topic, cloudEvent(`b${round}`, { partitionkey: 'b', type: 'typed' }))
      for (const one of [answer, fresh, ofKey, ofType])
        expect((await take(one, 1)).map(({ data }) => idOf(data))).toEqual([`b${round}`])
      expect(await ofType.event()).toBeUndefined()
    }
    const ranged = await live(topic, '?from=earliest&to=latest')
    expect((await take(ranged, 5)).length).toBe(5)
    expect(await ranged.event()).toBeUndefined()
  })

  logTest('a reader that comes again with any Last-Event-ID misses nothing and sees nothing twice', async (topic) => {
    const { client } = at()
    const fresh = await live(topic, '')
    let cursor: string | undefined
    while (cursor === undefined) cursor = (await fresh.frame())?.id
    fresh.close()
    const ids = await spread(topic, 40)
    const missed = await live(topic, '', { 'last-event-id': cursor })
    expect((await take(missed, 40)).map(({ data }) => idOf(data)).sort()).toEqual(ids.toSorted())
    const all = await take(await live(topic, '?from=earliest'), 40)
    for (const seen of [1, 2, 13, 25, 39, 40]) {
      const before = all.slice(0, seen)
      const { id } = before.at(-1)!
      // `from` is beaten.
      const resumed = await live(topic, '?from=earliest', { 'last-event-id': id })
      const after = await take(resumed, 40 - seen)
      expect([...before, ...after].map(({ data }) => idOf(data)).sort(), `after ${seen}`).toEqual(ids.toSorted())
      const rest = await page(topic, `?from=${encoded(id)}`)
      expect(rest.events.map(idOf).sort()).toEqual(after.map(({ data }) => idOf(data)).sort())
    }
    await client.structured(topic, cloudEvent('new'))
    const last = await live(topic, '', { 'last-event-id': all.at(-1)!.id })
    expect((await take(last, 1)).map(({ data }) => idOf(data))).toEqual(['new'])
  })

  logTest('one event by its position', async (topic) => {
    const { client } = at()
    await spread(topic, 12)
    const event = cloudEvent('b', { data: { n: 1 }, partitionkey: 'k3' })
    const { position } = (await client.structured(topic, event)).json<Receipt>()
    expect((await get(topic, `/${position}`)).json()).toMatchObject({ position, event: { id: 'b', data: { n: 1 } } })
    for (const entry of await entriesOf(client, topic)) {
      expect((await get(topic, `/${entry.position}`)).json()).toEqual(entry)
    }
    const nowhere = ['999999', '0-999999', '0-9999999999999999', '99-0', 'x', '-1', '1e3', '%00', '9'.repeat(400)]
    for (const position of nowhere) {
      const answer = await get(topic, `/${position}`)
      expect([position, answer.status]).toEqual([position, 404])
      expect(answer.problem.code).toBe('not_found')
    }
  })

  logTest('a cursor of another topic is stale, and what is none is refused', async (topic) => {
    const { client } = at()
    const other = await at().topic()
    for (const one of [topic, other]) await client.structured(one, cloudEvent('a'))
    const { next } = await page(other, '?from=earliest')
    for (const headers of [{}, lines, eventStream]) {
      const answer = await get(topic, `?from=${encoded(next)}`, headers)
      expect(answer.problem.code).toBe('stale_cursor')
    }
    const resumed = await get(topic, '', { ...eventStream, 'last-event-id': next })
    expect(resumed.problem.code).toBe('stale_cursor')
    // The binding of a topic that this cursor names never was.
    const own = (await page(topic, '?from=earliest')).next
    const foreign = own.replace(/^c1\./, 'c2.')
    expect(foreign).not.toBe(own)
    expect((await get(topic, `?from=${encoded(foreign)}`)).problem.code).toBe('stale_cursor')
    for (const nonsense of ['nonsense', 'c1.', 'cx.1', 'c1.\u00e9', '2026-01-31', 'now']) {
      const answer = await get(topic, `?from=${encoded(nonsense)}`)
      expect([nonsense, answer.problem.code]).toEqual([nonsense, 'invalid_argument'])
    }
    for (const altered of ['c1.x', 'c1.0', `${next}x`, `${next}.0.0.0.0.0.0`, next.slice(0, -1)]) {
      const answer = await get(topic, `?from=${encoded(altered)}`)
      expect(['invalid_argument', 'stale_cursor'], `${altered} ${answer.text}`).toContain(answer.problem.code)
    }
  })

  logTest('a ticket reads for who cannot send headers', async (topic) => {
    const { client } = at()
    await client.structured(topic, cloudEvent('a'))
    const { ticket } = (await client.post('/v1/tickets', { topic })).json<{ ticket: string }>()
    const answer = await live(topic, `?from=earliest&ticket=${encoded(ticket)}`)
    expect((await take(answer, 1)).map(({ data }) => idOf(data))).toEqual(['a'])
  })
}
