import { expect, test } from 'vitest'
import { unmet } from '../../src/core/capabilities.ts'
import { cloudEvent } from '../http/events.ts'
import { capabilitiesIn, describeTopic } from './described.ts'
import { requirable } from './expectation.ts'
import type { Stage } from './stage.ts'

interface Broker {
  readonly name: string
  readonly type: string
  readonly state: string
  readonly capabilities: Record<string, { value: unknown; by: string }>
}

/** What the gateway says of itself. */
export function gateway(at: () => Stage): void {
  test('is ready, and every broker of the configuration is up', async () => {
    const { client, word, brokers, own } = at()
    expect((await client.get('/readyz')).json()).toEqual({ status: 'ready' })
    const { items } = (await client.get('/v1/brokers')).json<{ items: Broker[] }>()
    expect(items.map(({ name, state }) => [name, state])).toEqual(brokers.map((name) => [name, 'up']))
    const broker = items.find(({ name }) => name === word)!
    expect(capabilitiesIn(broker)).toEqual(own)
    for (const { by } of Object.values(broker.capabilities)) expect(by).toBe('broker')
  })

  test('lists the topics of the configuration, in pages', async () => {
    const { client, topics, word } = at()
    const listed: unknown[] = []
    let cursor = ''
    do {
      const answer = await client.get(`/v1/topics?limit=25${cursor}`)
      const { items, next } = answer.json<{ items: { topic: string; broker: string }[]; next?: string }>()
      listed.push(...items.map(({ topic, broker }) => [topic, broker]))
      cursor = next === undefined ? '' : `&cursor=${encodeURIComponent(next)}`
    } while (cursor !== '')
    expect(listed).toEqual(topics.map((topic) => [topic, word]))
  })

  test('says of a topic what its broker can do, and who does it', async () => {
    const { client, capabilities, own, word } = at()
    const topic = await at().topic()
    const described = await describeTopic(client, topic)
    expect(described).toMatchObject({ topic, broker: word, epoch: 1 })
    expect(capabilitiesIn(described)).toEqual(capabilities)
    // What the gateway adds makes nothing weaker, and the rest is the broker's.
    expect(unmet(Object.fromEntries(requirable(own)), capabilities)).toEqual([])
    for (const [name, { value, by }] of Object.entries(described.capabilities)) {
      if (by === 'broker') expect(value, name).toEqual(own[name as keyof typeof own])
    }
    if (capabilities.dedupWindowMs === 0) expect(described.dedupWindow).toBe('0s')
    const tag = (await client.get(`/v1/topics/${topic}`)).headers.get('etag')
    expect((await client.get(`/v1/topics/${topic}`)).headers.get('etag')).toBe(tag)
  })

  test('a topic that is not declared is not there, whatever is asked of it', async () => {
    const { client } = at()
    const path = '/v1/topics/swap.nowhere'
    const group = `${path}/groups/g`
    for (const answer of [
      await client.get(path),
      await client.structured('swap.nowhere', cloudEvent('a')),
      await client.structured('swap.nowhere', cloudEvent('a'), '?delay=1h&atomic=true'),
      await client.get(`${path}/events`),
      await client.get(`${path}/events`, { accept: 'text/event-stream' }),
      await client.get(`${path}/events/1`),
      await client.put(group),
      await client.get(group),
      await client.delete(group),
      await client.post(`${group}/pull`, {}),
      await client.post(`${group}/settle`, {}),
      await client.post(`${group}/seek`, {}),
      await client.get(`${group}/dead`),
    ]) {
      expect(answer.problem.code, `${answer.method} ${answer.target}`).toBe('not_found')
    }
  })
}
