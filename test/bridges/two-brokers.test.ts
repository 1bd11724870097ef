import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type KafkaCluster, startKafka } from '../brokers/services/kafka.ts'
import { until } from '../conformance/waiting.ts'
import type { Client } from '../fixtures/client.ts'
import { cloudEvent } from '../http/events.ts'
import { Group } from '../http/groups.ts'
import { Installation, installations, metric, topicName } from './installation.ts'
import { Witness } from './witness.ts'

/** Against hanging: what a start of Kafka, or its joining a group again, may take. */
const longMs = 90_000

let cluster: KafkaCluster
let one: Installation
let client: Client
const own = topicName('own')
const far = topicName('far')
const outward = { from: topicName('out'), to: topicName('out-there'), name: 'outward' }
const inward = { from: topicName('in-there'), to: topicName('in'), name: 'inward' }

function config() {
  const [local, main] = ['local', 'main'].map((broker) => ({ broker, ensure: { partitions: 4 } }))
  return {
    brokers: {
      local: { type: 'embedded', path: 'log.db' },
      main: { type: 'kafka', bootstrap: [...cluster.bootstrap], requestTimeout: '1500ms', sessionTimeout: '6s' },
    },
    topics: {
      [own]: local,
      [far]: main,
      [outward.from]: local,
      [outward.to]: main,
      [inward.from]: main,
      [inward.to]: local,
    },
    bridges: [outward, inward],
    limits: { publishDeadline: '3s' },
  }
}

beforeAll(async () => {
  cluster = await startKafka({ nodes: 1 })
  one = await Installation.create()
  client = await one.start(config())
}, 180_000)
afterAll(async () => {
  const [node] = cluster.nodes
  if (node!.paused) await node!.resume()
  await one?.remove()
  await cluster?.stop()
})

const installation = installations()
let next = 0
let ownCount = 0
const some = (count: number) =>
  Array.from({ length: count }, () => cloudEvent(`e${next++}`, { partitionkey: `k${next % 5}` }))

/** Everything that a topic can do on the broker that lives. */
async function works(): Promise<void> {
  const events = some(20)
  expect((await client.batch(own, events)).status).toBe(200)
  const group = new Group(client, own, `g${next}`)
  expect((await group.create()).status).toBe(201)
  expect((await client.structured(own, cloudEvent(`last-${next}`))).status).toBe(200)
  const { lease } = await group.one()
  expect(await group.say(lease, 'ack')).toBe('ok')
  ownCount += events.length + 1
  await (await Witness.of(client, own)).arrived(ownCount)
}

const deaths = {
  'stands still': {
    die: () => cluster.nodes[0]!.pause(),
    heal: () => cluster.nodes[0]!.resume(),
  },
  'is killed': {
    die: () => cluster.nodes[0]!.kill(),
    heal: () => cluster.nodes[0]!.start(),
  },
}

describe.each(Object.entries(deaths))('one of two brokers that %s', (_, { die, heal }) => {
  test('leaves the other alone, is named, and has what waited for it afterwards', { timeout: 240_000 }, async () => {
    const [out, back] = [some(30), some(30)]
    expect((await client.batch(inward.from, back)).status).toBe(200)
    await (await Witness.of(client, inward.to)).arrived(back.length)
    const [lines, before] = [one.log.length, (await metric(client, 'failures_total', 'outward'))!]
    const already = (await entries(outward.to)).length
    await die()
    try {
      await until(longMs, 'it is named', async () => {
        const { status, text } = await client.get('/readyz')
        return status === 503 && text.includes('brokers/main') && !text.includes('brokers/local')
      })
      const refused = await client.structured(far, cloudEvent('far'))
      expect([503, 504]).toContain(refused.status)
      expect((await client.batch(outward.from, out)).status).toBe(200)
      await works()
      await until(longMs, 'it is held back', async () => (await metric(client, 'up', 'outward')) === 0)
      await works()
      // It is asked again and again, and not more often than that.
      expect((await metric(client, 'failures_total', 'outward'))! - before).toBeLessThan(20)
    } finally {
      await heal()
    }
    const moved = await (await Witness.of(client, outward.to)).arrived(already + out.length)
    expect(new Set(moved.map(({ id }) => id)).size).toBeGreaterThanOrEqual(already + out.length)
    await until(longMs, 'it is ready', async () => (await client.get('/readyz')).status === 200)
    const later = some(10)
    expect((await client.batch(inward.from, later)).status).toBe(200)
    const inside = await (await Witness.of(client, inward.to)).arrived((await entries(inward.from)).length)
    expect(inside.map(({ id }) => id)).toEqual(expect.arrayContaining(later.map(({ id }) => id)))
    // What arrived was published; that it was, the bridge is told a moment later.
    const told = () => one.log.slice(lines).filter(({ fields }) => fields.bridge === 'outward')
    await until(longMs, 'the bridge says that it moves again', async () => told().length >= 2)
    expect(told().map(({ message }) => message)).toEqual([
      'The target of a bridge takes no events; trying again.',
      'A bridge moves events again.',
    ])
    expect(told()[0]!.fields).toMatchObject({ from: outward.from, to: outward.to, broker: 'main' })
  })
})

async function entries(topic: string) {
  return (await Witness.of(client, topic)).arrived(0)
}

test('a start where one of two brokers does not answer names it, and makes nothing', { timeout: 120_000 }, async () => {
  const other = await installation()
  const settings = config()
  const main = { ...settings.brokers.main, bootstrap: ['127.0.0.1:1'] }
  const starting = other.start({ ...settings, brokers: { ...settings.brokers, main } })
  await expect(starting).rejects.toThrow(/^Broker main \(kafka\): /)
})
