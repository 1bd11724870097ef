import { expect, test } from 'vitest'
import {
  batchType,
  cloudEvent,
  ndjsonType,
  pagesOf,
  type ReadEvent,
  type Receipt,
  structuredType,
  until,
} from '../http/events.ts'
import type { Ask } from '../http/lacks.ts'
import { describeTopic } from './described.ts'
import { atomicOf, delayOf, replay } from './expectation.ts'
import type { Stage } from './stage.ts'

const results = (answer: { json<T>(): T }) => answer.json<{ results: Receipt[] }>().results
const number = ({ id }: ReadEvent) => Number(id.slice(2))
const binary = (id: string) => ({ 'ce-specversion': '1.0', 'ce-type': 't', 'ce-id': id })

/** One request of every form, with the ids that it publishes. */
function everyForm(topic: string, query: string): { readonly ids: readonly string[]; readonly ask: Ask }[] {
  const target = `/v1/topics/${topic}/events${query}`
  const form = (ids: string[], body: string, type: string, more: Record<string, string> = {}) => ({
    ids,
    ask: { method: 'POST', target, body, headers: { 'content-type': type, ...more } },
  })
  const event = (id: string) => JSON.stringify(cloudEvent(id, { data: id }))
  const separator = query === '' ? '?' : '&'
  const plain = form(['plain'], '"plain"', 'application/json')
  return [
    { ...plain, ask: { ...plain.ask, target: `${target}${separator}id=plain` } },
    form(['binary'], '"binary"', 'application/json', binary('binary')),
    form(['structured'], event('structured'), structuredType),
    form(['x', 'y'], `[${event('x')},${event('y')}]`, batchType),
    form(['l1', 'l2', 'l3'], ['l1', 'l2', 'l3'].map((id) => `${event(id)}\n`).join(''), ndjsonType),
  ]
}

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

  test('a thousand in a batch, and thousands of lines, each once and in the order of their keys', async () => {
    const { client, capabilities } = at()
    const topic = await at().topic()
    const ids = Array.from({ length: 4000 }, (_, i) => `e-${i}`)
    const events = ids.map((id, i) => cloudEvent(id, { partitionkey: `k${i % 40}` }))
    const batch = results(await client.batch(topic, events.slice(0, 1000)))
    expect(batch.map(({ id }) => id)).toEqual(ids.slice(0, 1000))
    const lines = events.slice(1000).map((event) => JSON.stringify(event))
    const receipts = (await client.publish(topic, lines.join('\n'), ndjsonType)).lines<Receipt>()
    expect(receipts.pop()).toEqual({ summary: { stored: 3000, failed: 0, unknown: 0 } })
    expect(receipts.map(({ id }) => id)).toEqual(ids.slice(1000))
    await at().holds(topic, ids)
    const found = (await at().contents(topic, ids.length)) ?? []
    if (capabilities.ordering === 'none') return
    for (let key = 0; key < (found.length > 0 ? 40 : 0); key++) {
      const ofKey = found.filter(({ partitionkey }) => partitionkey === `k${key}`).map(({ id }) => id)
      expect(ofKey).toEqual(ids.filter((_, i) => i % 40 === key))
    }
  })

  test('sixty-four publishers at once keep the order of every key', async () => {
    const { client, capabilities } = at()
    const topic = await at().topic()
    const [publishers, rounds, keys] = [64, 8, 16]
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

  test('a batch of megabytes comes out whole', async () => {
    const { client, capabilities } = at()
    const topic = await at().topic()
    const size = Math.min(900_000, capabilities.maxEventBytes - 1000)
    const ids = Array.from({ length: 16 }, (_, i) => `e-${i}`)
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

  test('a delayed event comes when it is due, in every form, or is refused', async () => {
    const { client } = at()
    const topic = await at().topic()
    const late = everyForm(topic, '?delay=1h').map(({ ask }) => ask)
    await at().step(topic, [delayOf(3_600_000)], late, async () => {
      for (const ask of late) expect((await client.request(ask.method, ask.target, ask)).status).toBe(200)
      await at().holds(topic, [])
    })
    // No delay is no capability.
    expect((await client.structured(topic, cloudEvent('now'), '?delay=0s')).status).toBe(200)
  })

  test('a short delay is kept, or refused', async () => {
    const { client } = at()
    const topic = await at().topic()
    const [soon] = everyForm(topic, '?delay=500ms').map(({ ask }) => ask)
    await at().step(topic, [delayOf(500)], [soon!], async () => {
      const began = Date.now()
      expect((await client.structured(topic, cloudEvent('soon'), '?delay=500ms')).status).toBe(200)
      const looks = await until(async () => {
        const found = await at().contents(topic, 0)
        return found === undefined || found.length > 0 ? { found } : undefined
      })
      if (looks.found === undefined) return
      expect(looks.found.map(({ id }) => id)).toEqual(['soon'])
      expect(Date.now() - began).toBeGreaterThanOrEqual(500)
    })
  })

  test('a lack of the broker comes before what is wrong with the request', async () => {
    const { client } = at()
    const topic = await at().topic()
    const wrong: Ask[] = [
      {
        method: 'POST',
        target: `/v1/topics/${topic}/events?delay=1h`,
        body: '{',
        headers: { 'content-type': structuredType },
      },
      { method: 'POST', target: `/v1/topics/${topic}/events?delay=1h&bogus=1`, body: '1' },
    ]
    await at().step(topic, [delayOf(3_600_000)], wrong, async () => {
      for (const ask of wrong)
        expect((await client.request(ask.method, ask.target, ask)).problem.code).toBe('invalid_argument')
    })
    await at().holds(topic, [])
  })

  test('an atomic batch is stored as one, or refused', async () => {
    const { client } = at()
    const topic = await at().topic()
    const target = `/v1/topics/${topic}/events?atomic=true`
    const size = 50
    const ids = Array.from({ length: size }, (_, i) => `e-${i}`)
    const body = JSON.stringify(ids.map((id, i) => cloudEvent(id, { partitionkey: `k${i % 5}` })))
    const ask = { method: 'POST', target, body, headers: { 'content-type': batchType } }
    await at().step(topic, [atomicOf(size)], [ask], async () => {
      const answer = await client.request(ask.method, ask.target, ask)
      expect(answer.status, answer.text).toBe(200)
      expect(results(answer).map(({ id }) => id)).toEqual(ids)
      await at().holds(topic, ids)
      // What comes after a transaction is read, and paged, as if there were none.
      await client.structured(topic, cloudEvent('after', { partitionkey: 'k0' }))
      await at().holds(topic, [...ids, 'after'])
      const bad = JSON.parse(body) as Record<string, unknown>[]
      const refused = await client.batch(topic, [...bad.slice(0, 3), { ...bad[3], type: '' }], '?atomic=true')
      expect(refused.status).toBe(400)
      await at().holds(topic, [...ids, 'after'])
    })
    // A stream has no end to wait for: it cannot be atomic anywhere.
    const held = at().can(atomicOf(size)) ? [...ids, 'after'] : []
    const stream = {
      method: 'POST',
      target,
      body: JSON.stringify(cloudEvent('x')),
      headers: { 'content-type': ndjsonType },
    }
    await client.refused('atomicPublishMax', stream)
    await at().holds(topic, held)
  })

  test('an id is deduplicated inside the window that the topic has, and nowhere else', async () => {
    const { client } = at()
    const topic = await at().topic()
    const { dedupWindow } = await describeTopic(client, topic)
    const first = (await client.structured(topic, cloudEvent('same', { partitionkey: 'k' }))).json<Receipt>()
    const again = (await client.structured(topic, cloudEvent('same', { partitionkey: 'k' }))).json<Receipt>()
    const batch = results(
      await client.batch(
        topic,
        ['same', 'other'].map((id) => cloudEvent(id, { partitionkey: 'k' })),
      ),
    )
    if (dedupWindow !== '0s') {
      expect(again).toEqual({ ...first, duplicate: true })
      expect(batch.map(({ duplicate }) => duplicate)).toEqual([true, undefined])
      await at().holds(topic, ['same', 'other'])
    } else {
      expect(again).not.toHaveProperty('duplicate')
      expect(batch.some(({ duplicate }) => duplicate)).toBe(false)
      // Where no position tells one stored event from another, the gateway may hold those of one id as one.
      if (at().can(replay)) await at().holds(topic, ['same', 'same', 'same', 'other'])
    }
    await client.structured(topic, cloudEvent('same', { source: '/elsewhere' }))
    const found = await until(async () => {
      const all = await at().contents(topic, 0)
      return all === undefined || all.some(({ source }) => source === '/elsewhere') ? { all } : undefined
    })
    if (found.all === undefined) return
    const names = found.all.map(({ source, id }) => `${source} ${id}`)
    expect(new Set(names)).toEqual(new Set(['/test same', '/test other', '/elsewhere same']))
    expect(names.filter((name) => name !== '/test same').length).toBe(2)
  })

  test('an Idempotency-Key gives the first answer again, and nothing is stored twice', async () => {
    const { client } = at()
    const topic = await at().topic()
    const headers = { 'idempotency-key': `once-${topic}` }
    const first = await client.publish(topic, '{"n":1}', 'application/json', { headers })
    expect(first.status, first.text).toBe(200)
    const again = await client.publish(topic, '{"n":1}', 'application/json', { headers })
    expect([again.status, again.text]).toEqual([200, first.text])
    const other = await client.publish(topic, '{"n":2}', 'application/json', { headers })
    expect(other.problem.code).toBe('unprocessable')
    const batch = { 'idempotency-key': `batch-${topic}` }
    const some = ['a', 'b'].map((id) => cloudEvent(id))
    const answers = [await client.batch(topic, some, '', batch), await client.batch(topic, some, '', batch)]
    expect(answers[1]?.text).toBe(answers[0]?.text)
    const refusal = { ...headers, 'idempotency-key': `refused-${topic}` }
    expect((await client.publish(topic, '{', 'application/json', { headers: refusal })).status).toBe(400)
    await at().holds(topic, [first.json<Receipt>().id, 'a', 'b'])
  })

  test('a refusal is not remembered under an Idempotency-Key', async () => {
    const { client } = at()
    const topic = await at().topic()
    const headers = { 'idempotency-key': `late-${topic}`, 'content-type': structuredType }
    const target = `/v1/topics/${topic}/events`
    const body = JSON.stringify(cloudEvent('a'))
    const late = { method: 'POST', target: `${target}?delay=7d`, body, headers }
    await at().step(topic, [delayOf(7 * 86_400_000)], [late, late], async () => {
      expect((await client.request(late.method, late.target, late)).status).toBe(200)
    })
    if (at().can(delayOf(7 * 86_400_000))) return
    expect((await client.request('POST', target, { body, headers })).status).toBe(200)
    await at().holds(topic, ['a'])
  })

  test('an event is there for its readers once it is acknowledged', async () => {
    const { client } = at()
    const topic = await at().topic()
    for (let i = 0; i < 10; i++) {
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
