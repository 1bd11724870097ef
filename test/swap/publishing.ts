import { expect, test } from 'vitest'
import { cloudEvent, ndjsonType, pagesOf, type ReadEvent, type Receipt } from '../http/events.ts'
import { everyForm } from './every-form.ts'
import { atomicOf, replay } from './expectation.ts'
import type { Stage } from './stage.ts'

const results = (answer: { json<T>(): T }) => answer.json<{ results: Receipt[] }>().results
/** Against hanging: some brokers give an event of each key at a time. */
const manyMs = 90_000
const number = ({ id }: ReadEvent) => Number(id.slice(2))
const binary = (id: string) => ({ 'ce-specversion': '1.0', 'ce-type': 't', 'ce-id': id })

export function publishing(at: () => Stage): void {
  test('every form is stored, with a receipt for each event', async () => {
    const { client } = at()
    const topic = await at().topic()
    const positions: (string | undefined)[] = []
    for (const { ids, ask } of everyForm(topic, '')) {
      const answer = await client.request(ask.method, ask.target, ask)
      expect(answer.status, answer.text).toBe(200)
      const lines = answer.headers.get('content-type')?.startsWith(ndjsonType) === true ? answer.lines<Receipt>() : []
      if (lines.length > 0) expect(lines.pop()).toEqual({ summary: { stored: 3, failed: 0, unknown: 0 } })
      const one = ids.length === 1 ? [answer.json<Receipt>()] : lines.length > 0 ? lines : results(answer)
      expect(one.map(({ id, status }) => [id, status])).toEqual(ids.map((id) => [id, 'stored']))
      if (ids.length === 1) expect(one[0]?.topic).toBe(topic)
      positions.push(...one.map(({ position }) => position))
    }
    await at().holds(topic, ['plain', 'binary', 'structured', 'x', 'y', 'l1', 'l2', 'l3'])
    if (!at().can(replay)) return
    // Where a log can be read, a receipt says where in it the event is.
    expect(new Set(positions).size).toBe(8)
    const ids = await Promise.all(
      positions.map(async (position) => {
        const answer = await client.get(`/v1/topics/${topic}/events/${position}`)
        return answer.json<{ event: { id: string } }>().event.id
      }),
    )
    expect(ids).toEqual(['plain', 'binary', 'structured', 'x', 'y', 'l1', 'l2', 'l3'])
  })

  test('what is missing is filled in, and the query names the attributes of plain data', async () => {
    const { client } = at()
    const topic = await at().topic()
    const query = '?type=order.made&key=k1&subject=s&source=/shop&id=o-1&time=2026-01-31T12:00:00.10%2B00:00'
    await client.publish(topic, '{"n":1}', 'application/json', { query })
    const bare = (await client.publish(topic, 'hello', 'text/plain')).json<Receipt>()
    expect(bare.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/)
    const found = await at().contents(topic, 2)
    if (found === undefined) return
    expect(found.find(({ id }) => id === 'o-1')).toEqual({
      specversion: '1.0',
      id: 'o-1',
      source: '/shop',
      type: 'order.made',
      subject: 's',
      partitionkey: 'k1',
      time: '2026-01-31T12:00:00.10+00:00',
      datacontenttype: 'application/json',
      data: { n: 1 },
    })
    expect(found.find(({ id }) => id === bare.id)).toEqual({
      specversion: '1.0',
      id: bare.id,
      source: `/topics/${topic}`,
      type: topic,
      time: expect.any(String),
      datacontenttype: 'text/plain',
      data: 'hello',
    })
  })

  test('a batch with one bad event stores nothing; a stream of lines goes on after one', async () => {
    const { client } = at()
    const topic = await at().topic()
    const batch = await client.batch(topic, [cloudEvent('a'), { ...cloudEvent('b'), type: 1 }])
    expect(batch.problem.errors).toMatchObject([{ pointer: '/1/type' }])
    await at().holds(topic, [])
    const lines = [JSON.stringify(cloudEvent('c')), 'nonsense', JSON.stringify(cloudEvent('d'))].join('\n')
    const answer = await client.publish(topic, lines, ndjsonType)
    expect(answer.lines()).toMatchObject([
      { id: 'c', status: 'stored' },
      { id: null, status: 'failed', error: { code: 'invalid_argument' } },
      { id: 'd', status: 'stored' },
      { summary: { stored: 2, failed: 1, unknown: 0 } },
    ])
    await at().holds(topic, ['c', 'd'])
  })

  test('a thousand in a batch, and more in lines, each once and in the order of their keys', {
    timeout: manyMs,
  }, async () => {
    const { client, capabilities } = at()
    const topic = await at().topic()
    const ids = Array.from({ length: 2500 }, (_, i) => `e-${i}`)
    const events = ids.map((id, i) => cloudEvent(id, { partitionkey: `k${i % 40}` }))
    const batch = results(await client.batch(topic, events.slice(0, 1000)))
    expect(batch.map(({ id }) => id)).toEqual(ids.slice(0, 1000))
    const lines = events.slice(1000).map((event) => JSON.stringify(event))
    const receipts = (await client.publish(topic, lines.join('\n'), ndjsonType)).lines<Receipt>()
    expect(receipts.pop()).toEqual({ summary: { stored: 1500, failed: 0, unknown: 0 } })
    expect(receipts.map(({ id }) => id)).toEqual(ids.slice(1000))
    await at().holds(topic, ids)
    const found = (await at().contents(topic, ids.length)) ?? []
    if (capabilities.ordering === 'none') return
    for (let key = 0; key < (found.length > 0 ? 40 : 0); key++) {
      const ofKey = found.filter(({ partitionkey }) => partitionkey === `k${key}`).map(({ id }) => id)
      expect(ofKey).toEqual(ids.filter((_, i) => i % 40 === key))
    }
  })

  test('sixty-four publishers at once keep the order of every key', { timeout: manyMs }, async () => {
    const { client, capabilities } = at()
    const topic = await at().topic()
    const [publishers, rounds, keys] = [64, 4, 32]
    await Promise.all(
      Array.from({ length: publishers }, async (_, publisher) => {
        for (let round = 0; round < rounds; round++) {
          const partitionkey = `k${publisher % keys}`
          const one = cloudEvent(`${publisher}-${round}-0`, { partitionkey })
          // Every other round two together, with one of another key between them.
          const other = cloudEvent(`${publisher}-${round}-1`, { partitionkey: `k${(publisher + 1) % keys}` })
          const last = cloudEvent(`${publisher}-${round}-2`, { partitionkey })
          const sent = round % 2 === 0 ? client.structured(topic, one) : client.batch(topic, [one, other, last])
          const answer = await sent
          expect(answer.status, answer.text).toBe(200)
        }
      }),
    )
    const found = await at().contents(topic, publishers * (rounds / 2) * 4)
    if (found === undefined) return
    expect(found.length).toBe(publishers * (rounds / 2) * 4)
    expect(new Set(found.map(({ id }) => id)).size).toBe(found.length)
    if (capabilities.ordering === 'none') return
    for (let publisher = 0; publisher < publishers; publisher++) {
      const own = found.filter(
        ({ id, partitionkey }) => id.startsWith(`${publisher}-`) && partitionkey === `k${publisher % keys}`,
      )
      const expected = Array.from({ length: rounds }, (_, round) =>
        (round % 2 === 0 ? [0] : [0, 2]).map((part) => `${publisher}-${round}-${part}`),
      )
      expect(own.map(({ id }) => id)).toEqual(expected.flat())
    }
  })

  test('the largest event goes, one byte more is too large, and then nothing is stored', async () => {
    const { client, capabilities } = at()
    const topic = await at().topic()
    const allowed = Math.min(1 << 20, capabilities.maxEventBytes)
    const headers = binary('large')
    const probe = await client.publish(topic, 'x'.repeat(allowed), 'text/plain', { headers })
    expect(probe.status).toBe(413)
    const has = Number(/has (\d+) bytes/.exec(probe.problem.detail)?.[1])
    const fits = 2 * allowed - has
    expect((await client.publish(topic, 'x'.repeat(fits + 1), 'text/plain', { headers })).problem.code).toBe(
      'too_large',
    )
    const data = 'y'.repeat(fits + 1)
    for (const query of ['', ...(at().can(atomicOf(2)) ? ['?atomic=true'] : [])]) {
      const large = cloudEvent('large', { source: '/', type: 't', datacontenttype: 'text/plain', data: data.repeat(2) })
      const batch = await client.batch(topic, [cloudEvent('small'), large], query)
      expect(batch.status, batch.text.slice(0, 500)).toBe(413)
    }
    await at().holds(topic, [])
    const stored = await client.publish(topic, 'x'.repeat(fits), 'text/plain', { headers })
    expect(stored.status, stored.text).toBe(200)
    const found = await at().contents(topic, 1)
    if (found !== undefined) expect(found[0]?.data === 'x'.repeat(fits)).toBe(true)
  })

  test('a batch of megabytes comes out whole', { timeout: manyMs }, async () => {
    const { client, capabilities } = at()
    const topic = await at().topic()
    const size = Math.min(900_000, capabilities.maxEventBytes - 1000)
    const ids = Array.from({ length: 8 }, (_, i) => `e-${i}`)
    const events = ids.map((id, i) =>
      cloudEvent(id, { partitionkey: 'k', data: String.fromCharCode(97 + i).repeat(size) }),
    )
    const answer = await client.batch(topic, events)
    expect(answer.status, answer.text.slice(0, 500)).toBe(200)
    const found = await at().contents(topic, ids.length)
    if (found === undefined) return
    const inOrder = capabilities.ordering === 'none' ? found.toSorted((a, b) => number(a) - number(b)) : found
    expect(inOrder.map(({ id }) => id)).toEqual(ids)
    const whole = ({ data }: ReadEvent, i: number) => data === events[i]?.data
    expect(inOrder.every(whole)).toBe(true)
    if (!at().can(replay)) return
    const pages = await pagesOf(client, topic)
    expect(pages.flatMap((page) => page.events).every(({ event }, i) => event.id === ids[i] && whole(event, i))).toBe(
      true,
    )
    const last = results(answer).at(-1)?.position
    const one = (await client.get(`/v1/topics/${topic}/events/${last}`)).json<{ event: ReadEvent }>()
    expect(whole(one.event, ids.length - 1)).toBe(true)
  })

  test('what is atomic and what is not keep the order of a key between them', async () => {
    const { client } = at()
    const topic = await at().topic()
    const [publishers, rounds] = [8, 6]
    await Promise.all(
      Array.from({ length: publishers }, async (_, publisher) => {
        for (let round = 0; round < rounds; round++) {
          const ids = [0, 1].map((i) => `${publisher}-${round}-${i}`)
          const events = ids.map((id) => cloudEvent(id, { partitionkey: `k${publisher % 3}` }))
          const query = (publisher + round) % 2 === 0 && at().can(atomicOf(2)) ? '?atomic=true' : ''
          const answer = await client.batch(topic, events, query)
          expect(answer.status, answer.text).toBe(200)
        }
      }),
    )
    const found = await at().contents(topic, publishers * rounds * 2)
    if (found === undefined) return
    expect(found.length).toBe(publishers * rounds * 2)
    for (let publisher = 0; publisher < publishers && at().capabilities.ordering !== 'none'; publisher++) {
      const own = found.map(({ id }) => id).filter((id) => id.startsWith(`${publisher}-`))
      expect(own).toEqual(own.toSorted())
      expect(own.length).toBe(rounds * 2)
    }
  })

  test('an event is there for its readers once it is acknowledged', async () => {
    const { client } = at()
    const topic = await at().topic()
    // Whoever looks by pulling waits a while for what is not there.
    for (let i = 0; i < (at().can(replay) ? 10 : 3); i++) {
      // Also together with others: a transaction that is acknowledged is one that readers see.
      const some = [cloudEvent(`e-${i}-0`, { partitionkey: 'a' }), cloudEvent(`e-${i}-1`, { partitionkey: 'b' })]
      await client.batch(topic, some, at().can(atomicOf(2)) ? '?atomic=true' : '')
      const both = await at().contents(topic, 3 * i + 2)
      if (both !== undefined) expect(both.length).toBe(3 * i + 2)
      await client.structured(topic, cloudEvent(`e-${i}`))
      const all = await at().contents(topic, 3 * i + 3)
      if (all !== undefined) expect(all.length).toBe(3 * i + 3)
    }
  })
}
