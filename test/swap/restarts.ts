import { afterAll, beforeAll, expect, test } from 'vitest'
import { cloudEvent, entriesOf, type Page } from '../http/events.ts'
import { Group } from '../http/groups.ts'
import { pull, replay } from './expectation.ts'
import { Stage } from './stage.ts'

/** Against hanging: a boot takes seconds. */
const bootMs = 90_000

/** What of a broker is still there after the gateway was ended: what its `durability` says. */
export function restarts(at: () => Stage): void {
  let stage: Stage
  beforeAll(async () => {
    stage = await Stage.create(at().word, 2)
  }, bootMs)
  afterAll(() => stage?.remove())

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'after %s, events and cursors are there where they last',
    async (signal) => {
      const topic = await stage.topic()
      const ids = Array.from({ length: 40 }, (_, i) => `e-${i}`)
      const events = ids.map((id, i) => cloudEvent(id, { partitionkey: `k${i % 9}` }))
      const headers = { 'idempotency-key': `once-${topic}` }
      const target = `/v1/topics/${topic}/events`
      expect((await stage.client.batch(topic, events)).status).toBe(200)
      const first = await stage.client.publish(topic, '1', 'application/json', { headers })
      const all = [...ids, first.json<{ id: string }>().id]
      const before = stage.can(replay)
        ? (await stage.client.get(`${target}?from=earliest&limit=10`)).json<Page>()
        : undefined
      const entries = stage.can(replay) ? await entriesOf(stage.client, topic) : []
      let group = new Group(stage.client, topic)
      if (stage.can(pull, replay)) {
        await group.create({ start: 'earliest', lease: '1h' })
        const held = await group.pull(5, '20s')
        await group.settle(...held.map(({ lease }) => ({ lease, outcome: 'ack' })))
      }

      const ended = await stage.restart(signal)
      if (signal === 'SIGTERM') expect(ended?.code, ended?.stderr).toBe(0)

      const { client } = stage
      const lasts = stage.capabilities.durability !== 'memory'
      if (before !== undefined) {
        const rest = await client.get(`${target}?from=${encodeURIComponent(before.next)}&limit=1000`)
        const sse = await client.stream('GET', target, {
          headers: { accept: 'text/event-stream', 'last-event-id': before.next },
        })
        if (lasts) {
          const after = rest.json<Page>().events.map(({ event }) => event.id)
          expect([...before.events.map(({ event }) => event.id), ...after].sort()).toEqual(all.toSorted())
          expect((await sse.event<{ event: { id: string } }>())?.data.event.id).toBe(after[0])
          expect(await entriesOf(client, topic)).toEqual(entries)
          const { position } = entries[7]!
          expect((await client.get(`${target}/${position}`)).json()).toEqual(entries[7])
        } else {
          expect(rest.problem.code).toBe('stale_cursor')
          expect(sse.status).toBe(409)
          expect(await entriesOf(client, topic)).toEqual([])
        }
        sse.close()
      }
      if (stage.can(pull, replay)) {
        group = new Group(client, topic)
        if (lasts) {
          expect((await group.create()).status).toBe(200)
          if (stage.capabilities.lag === 'exact') expect(await group.lag()).toBe(all.length - 5)
        } else {
          expect((await group.get()).problem.code).toBe('not_found')
        }
      }
      // The answer is the gateway's to remember, whatever became of the event.
      const again = await client.publish(topic, '1', 'application/json', { headers })
      expect([again.status, again.text]).toEqual([200, first.text])
      expect((await client.structured(topic, cloudEvent('new'))).status).toBe(200)
      await stage.holds(topic, lasts ? [...all, 'new'] : ['new'])
    },
  )
}
