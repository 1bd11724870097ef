import { describe, expect, test } from 'vitest'
import { pause, until } from '../conformance/waiting.ts'
import { cloudEvent } from '../http/events.ts'
import { brokersOf, keepsLog, topicOn, type Word } from './brokers.ts'
import { installations, metric, topicName } from './installation.ts'
import { Witness } from './witness.ts'

const minute = { timeout: 120_000 }

const everyByte = Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte)).toString('base64')
const verbatim = '{"z":9007199254740993,"a":1.0,"e":1E400,"a":[123456789012345678901234567890]}'

/** Events of every kind, as a publisher writes them. */
const kinds = [
  cloudEvent('plain', { data: { a: 1 }, datacontenttype: 'application/json' }),
  cloudEvent('bytes', { datacontenttype: 'application/octet-stream', data_base64: everyByte }),
  cloudEvent('none'),
  cloudEvent('empty', { datacontenttype: 'text/plain', data: '' }),
  cloudEvent('every attribute', {
    source: 'urn:x:ü?a=1#b',
    subject: 'Ω ',
    time: '2026-01-31T12:00:00.100000001+05:30',
    dataschema: 'https://example.com/schema?x=%20',
    partitionkey: 'k é€😀',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'a=1,b=2',
    sequence: '000000000001',
    flag: true,
    count: -2147483648,
    data: { n: [1, null, '€'] },
  }),
] as const

/** What a bridge does between brokers; call at the top of a file. */
export function moving(pairs: readonly (readonly [Word, Word])[]): void {
  const installation = installations()
  describe.each(pairs)('from %s to %s', (source, target) => {
    async function bridged(bridge: object = {}) {
      const [from, to] = [topicName('from'), topicName('to')]
      const config = {
        brokers: await brokersOf(source, target),
        topics: { [from]: topicOn(source), [to]: topicOn(target) },
        bridges: [{ from, to, name: 'b', ...bridge }],
      }
      const one = await installation()
      const client = await one.start(config)
      return { one, from, to, config, client, there: await Witness.of(client, to) }
    }

    test('ids, sources, keys, bytes and all attributes stay as they are', minute, async () => {
      const { client, from, to, there } = await bridged()
      const here = keepsLog(source) ? await Witness.of(client, from) : undefined
      expect((await client.batch(from, kinds)).status).toBe(200)
      const text = `{"specversion":"1.0","id":"verbatim","source":"/s","type":"t","data":${verbatim}}`
      expect((await client.publish(from, text, 'application/cloudevents+json')).status).toBe(200)
      const moved = await there.arrived(kinds.length + 1)
      const byId = (events: readonly { id: string }[]) => events.toSorted((a, b) => (a.id < b.id ? -1 : 1))
      if (here !== undefined) expect(byId(moved)).toEqual(byId(await here.events()))
      for (const kind of kinds) expect(moved.find(({ id }) => id === kind.id)).toMatchObject(kind)
      if (keepsLog(target)) {
        const wire = await client.get(`/v1/topics/${to}/events?from=earliest`, { accept: 'application/x-ndjson' })
        expect(wire.text).toContain(`"data":${verbatim}`)
      }
      await until(20_000, 'the count', async () => (await metric(client, 'moved_total', 'b')) === kinds.length + 1)
      expect(await metric(client, 'up', 'b')).toBe(1)
    })

    test('the order of every key, and nothing twice', minute, async () => {
      const { client, from, there } = await bridged()
      const [keys, each] = [16, 60]
      for (let at = 0; at < each; at += 20) {
        const events = Array.from({ length: keys * 20 }, (_, i) => {
          const [key, place] = [i % keys, at + Math.floor(i / keys)]
          return cloudEvent(`${key}-${place}`, { partitionkey: `key ${key}`, data: place })
        })
        expect((await client.batch(from, events)).status).toBe(200)
      }
      const moved = await there.arrived(keys * each)
      expect(moved).toHaveLength(keys * each)
      for (let key = 0; key < keys; key++) {
        const places = moved.filter(({ partitionkey }) => partitionkey === `key ${key}`).map(({ data }) => data)
        expect(places).toEqual(Array.from({ length: each }, (_, place) => place))
      }
    })

    test('only what its filters match', minute, async () => {
      const filters = [{ prefix: { type: 'order.' } }, { not: { data: { '/test': true } } }]
      const { client, from, there } = await bridged({ filters })
      const events = Array.from({ length: 90 }, (_, i) =>
        cloudEvent(`e${i}`, { type: i % 3 === 0 ? 'order.placed' : 'user.made', data: { test: i % 2 === 0 } }),
      )
      expect((await client.batch(from, events)).status).toBe(200)
      const last = cloudEvent('last', { type: 'order.last', data: {} })
      expect((await client.structured(from, last)).status).toBe(200)
      const wanted = events.filter(({ type, data }) => type === 'order.placed' && !(data as { test: boolean }).test)
      const moved = await there.arrived(wanted.length + 1)
      expect(moved.map(({ id }) => id).sort()).toEqual([...wanted.map(({ id }) => id), 'last'].sort())
      await until(20_000, 'the rest', async () => (await metric(client, 'filtered_total', 'b')) === 91 - moved.length)
    })

    test('a new one begins with what comes; what came while it was stopped is moved', minute, async () => {
      const { one, client, from, to, config, there } = await bridged()
      expect((await client.structured(from, cloudEvent('first'))).status).toBe(200)
      await there.arrived(1)
      await one.stop()
      // Without it, the same topics.
      const without = await one.start({ ...config, bridges: [] })
      expect((await without.structured(from, cloudEvent('second'))).status).toBe(200)
      await one.stop()
      const again = await one.start(config)
      const later = await Witness.of(again, to, there)
      expect((await again.structured(from, cloudEvent('third'))).status).toBe(200)
      // What is in memory is gone with its process.
      const kept = target === 'other' ? [] : ['first']
      const moved = await later.arrived(kept.length + 2)
      expect(moved.map(({ id }) => id).sort()).toEqual([...kept, 'second', 'third'].sort())
      await one.stop()
      const starting = one.start({ ...config, bridges: [{ from, to, name: 'later' }] })
      if (source === 'queues') {
        const there = 'has room for one group (capability groups), and sluice.bridge.b is there.'
        await expect(starting).rejects.toThrow(`Bridge later: topic ${from} on broker queues ${there}`)
        return
      }
      const another = await starting
      const last = await Witness.of(another, to, later)
      expect((await another.structured(from, cloudEvent('fourth'))).status).toBe(200)
      const since = await last.arrived(target === 'other' ? 1 : 4)
      await pause(500)
      expect(await last.events()).toHaveLength(since.length)
    })

    test('start: earliest moves what is there already, or is refused where nothing is kept', minute, async () => {
      const { one, client, from, config, there } = await bridged()
      const events = Array.from({ length: 500 }, (_, i) => cloudEvent(`e${i}`, { partitionkey: `${i % 7}` }))
      expect((await client.batch(from, events)).status).toBe(200)
      await there.arrived(events.length)
      await one.stop()
      const history = topicName('history')
      const topics = { ...config.topics, [history]: topicOn(target) }
      // Where there is no log, nobody sees what comes before he is there.
      const seen = await Witness.of(await one.start({ ...config, topics, bridges: [] }), history)
      await one.stop()
      const starting = one.start({
        ...config,
        topics,
        bridges: [{ from, to: history, start: 'earliest', name: 'all' }],
      })
      if (!keepsLog(source)) {
        const who = `Bridge all from topic ${from}, broker ${source}, to topic ${history}, broker ${target}`
        await expect(starting).rejects.toThrow(
          `${who}: start: earliest requires capability replay, and broker ${source}`,
        )
        return
      }
      const moved = await (await Witness.of(await starting, history, seen)).arrived(events.length)
      expect(new Set(moved.map(({ id }) => id))).toEqual(new Set(events.map(({ id }) => id)))
    })
  })
}
