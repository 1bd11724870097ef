import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { cloudEvent, wireOf } from './events.ts'
import { type DeadLetter, Group } from './groups.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterAll(() => gateway.stop())

/** A group of which these events were rejected, in this order. */
async function rejected(...ids: string[]): Promise<Group> {
  const topic = await gateway.topic()
  const group = new Group(client, topic)
  await group.create()
  for (const id of ids) {
    await client.structured(topic, cloudEvent(id))
    expect(await group.say((await group.one()).lease, 'reject', { reason: `no ${id}` })).toBe('ok')
  }
  return group
}

const redrive = (group: Group, body: unknown) => client.post(`${group.path}/dead/redrive`, body)

describe('an event becomes a dead letter', () => {
  test('when it is rejected, with its reason, its attempts and its bytes', async () => {
    const topic = await gateway.topic()
    const group = new Group(client, topic)
    await group.create()
    const data = '{"b":9007199254740993,"b":1.0}'
    const headers = { 'ce-specversion': '1.0', 'ce-type': 't', 'ce-id': 'a' }
    await client.publish(topic, data, 'application/json', { headers })
    await group.say((await group.one()).lease, 'nack')
    await group.say((await group.one()).lease, 'reject', { reason: 'it is bad' })
    const answer = await client.get(`${group.path}/dead`)
    expect(answer.json()).toEqual({
      items: [
        {
          id: expect.any(String),
          reason: 'it is bad',
          attempts: 2,
          deadAt: expect.any(String),
          position: expect.any(String),
          event: expect.objectContaining({ id: 'a' }),
        },
      ],
    })
    expect(answer.text).toContain(`,"event":${await wireOf(client, topic)}`)
    expect(await group.pull()).toEqual([])
    expect(await group.lag()).toBe(0)
  })

  test('when it was attempted as often as the group allows, and its successors go on', async () => {
    const topic = await gateway.topic()
    const group = new Group(client, topic)
    await group.create({ maxAttempts: 3 })
    await client.batch(
      topic,
      ['poison', 'next'].map((id) => cloudEvent(id, { partitionkey: 'k' })),
    )
    for (let attempt = 1; attempt <= 3; attempt++) {
      const delivery = await group.one()
      expect([delivery.event.id, delivery.attempt]).toEqual(['poison', attempt])
      await group.say(delivery.lease, 'nack')
    }
    expect((await group.one()).event.id).toBe('next')
    expect(await group.dead()).toMatchObject([{ attempts: 3, event: { id: 'poison' } }])
  })

  test('also when its leases ran out', async () => {
    const topic = await gateway.topic()
    const group = new Group(client, topic)
    await group.create({ maxAttempts: 1, lease: '1s' })
    await client.structured(topic, cloudEvent('a'))
    await group.one()
    gateway.clock.advance(2000)
    expect(await group.pull()).toEqual([])
    expect((await group.dead()).map(({ event }) => event.id)).toEqual(['a'])
  })

  test('of its group alone', async () => {
    const group = await rejected('a')
    const other = new Group(client, group.path.split('/')[3]!, 'other')
    await other.create({ start: 'earliest' })
    expect(await other.dead()).toEqual([])
    expect((await other.one()).event.id).toBe('a')
  })
})

describe('a list of dead letters', () => {
  test('is oldest first, in pages', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e']
    const group = await rejected(...ids)
    expect((await group.dead()).map(({ event }) => event.id)).toEqual(ids)
    const found: string[] = []
    let cursor: string | undefined
    do {
      const more: string = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const answer = await client.get(`${group.path}/dead?limit=2${more}`)
      const page = answer.json<{ items: DeadLetter[]; next?: string }>()
      found.push(...page.items.map(({ event }) => event.id))
      cursor = page.next
    } while (cursor !== undefined)
    expect(found).toEqual(ids)
    expect((await client.get(`${group.path}/dead?limit=5`)).json()).not.toHaveProperty('next')
  })

  test.each(['?limit=0', '?limit=1001', '?limit=x', '?cursor=', '?bogus=1'])('is refused with %s', async (query) => {
    const group = await rejected()
    const { problem } = await client.get(`${group.path}/dead${query}`)
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual([`/${query.slice(1).split('=')[0]}`])
  })
})

describe('redrive', () => {
  test('gives the named ones back, with attempts from 1, once', async () => {
    const group = await rejected('a', 'b', 'c')
    const letters = await group.dead()
    const ids = [letters[0]!.id, letters[2]!.id]
    expect((await redrive(group, { ids })).json()).toEqual({ redriven: 2 })
    expect((await group.dead()).map(({ event }) => event.id)).toEqual(['b'])
    const pulled = await group.pull()
    expect(pulled.map(({ event, attempt }) => [event.id, attempt])).toEqual([
      ['a', 1],
      ['c', 1],
    ])
    expect((await redrive(group, { ids })).json()).toEqual({ redriven: 0 })
    expect(await group.pull()).toEqual([])
    for (const { lease } of pulled) expect(await group.say(lease, 'ack')).toBe('ok')
    expect(await group.lag()).toBe(0)
  })

  test('gives all of them back', async () => {
    const group = await rejected('a', 'b')
    expect((await redrive(group, { all: true })).json()).toEqual({ redriven: 2 })
    expect((await group.pull()).map(({ event }) => event.id)).toEqual(['a', 'b'])
    expect(await group.dead()).toEqual([])
    expect((await redrive(group, { all: true })).json()).toEqual({ redriven: 0 })
  })

  test('one that dies again is a dead letter again', async () => {
    const group = await rejected('a')
    await redrive(group, { all: true })
    await group.say((await group.one()).lease, 'reject', { reason: 'still' })
    expect(await group.dead()).toMatchObject([{ attempts: 1, reason: 'still', event: { id: 'a' } }])
  })

  test('ids that are none are none', async () => {
    const group = await rejected('a')
    for (const ids of [['x'], ['0', '-1', '999999'], ['__proto__']]) {
      expect((await redrive(group, { ids })).json()).toEqual({ redriven: 0 })
    }
    expect((await group.dead()).length).toBe(1)
  })

  test.each([
    [{}, ['/ids']],
    [{ ids: [] }, ['/ids']],
    [{ ids: ['a'], all: true }, ['/ids']],
    [{ all: false }, ['/all']],
    [{ ids: [1] }, ['/ids/0']],
    [{ ids: [''] }, ['/ids/0']],
    [{ ids: 'a' }, ['/ids']],
    [{ all: true, bogus: 1 }, ['/bogus']],
  ])('is refused with %j', async (body, pointers) => {
    const group = await rejected('a')
    const { problem } = await redrive(group, body)
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(pointers)
    expect((await group.dead()).length).toBe(1)
  })
})

describe('deleting', () => {
  test('takes one away, once', async () => {
    const group = await rejected('a', 'b')
    const [letter] = await group.dead()
    const path = `${group.path}/dead/${encodeURIComponent(letter!.id)}`
    expect((await client.delete(path)).status).toBe(204)
    expect((await client.delete(path)).problem.code).toBe('not_found')
    expect((await group.dead()).map(({ event }) => event.id)).toEqual(['b'])
    expect((await redrive(group, { ids: [letter!.id] })).json()).toEqual({ redriven: 0 })
    for (const id of ['x', '-1', '%00', '9'.repeat(300)]) {
      expect((await client.delete(`${group.path}/dead/${id}`)).problem.code, id).toBe('not_found')
    }
  })

  test('a group that is not there has none', async () => {
    const group = new Group(client, await gateway.topic(), 'nowhere')
    expect((await client.get(`${group.path}/dead`)).problem.code).toBe('not_found')
    expect((await redrive(group, { all: true })).problem.code).toBe('not_found')
    expect((await client.delete(`${group.path}/dead/1`)).problem.code).toBe('not_found')
  })
})
