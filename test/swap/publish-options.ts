import { expect, test } from 'vitest'
import { batchType, cloudEvent, ndjsonType, type Receipt, structuredType, until } from '../http/events.ts'
import type { Ask } from '../http/lacks.ts'
import { describeTopic } from './described.ts'
import { everyForm } from './every-form.ts'
import { atomicOf, delayOf, replay } from './expectation.ts'
import type { Stage } from './stage.ts'

const results = (answer: { json<T>(): T }) => answer.json<{ results: Receipt[] }>().results

/** What a publish may ask for beyond being stored: later, as one, and once. */
export function options(at: () => Stage): void {
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
}
