import { describe, expect, test } from 'vitest'
import { kafka } from '../../adapters/kafka/index.ts'
import { configOf } from '../brokers/kafka-target.ts'
import { sharedKafka } from '../brokers/services/shared.ts'
import { until } from '../conformance/waiting.ts'
import type { Client } from '../fixtures/client.ts'
import { cloudEvent, entriesOf } from '../http/events.ts'
import type { DeadLetter } from '../http/groups.ts'
import { installations, metric, topicName } from './installation.ts'
import { Witness } from './witness.ts'

const installation = installations()
const minute = { timeout: 120_000 }

async function bridged(source: string, target: string, more: object = {}) {
  const { bootstrap } = await sharedKafka(1)
  const [from, to] = [topicName('from'), topicName('to')]
  const one = await installation()
  const client = await one.start({
    brokers: {
      local: { type: 'embedded', path: 'log.db' },
      main: { type: 'kafka', bootstrap: [...bootstrap], sessionTimeout: '6s' },
    },
    topics: { [from]: { broker: source, ensure: {} }, [to]: { broker: target, ensure: {} } },
    bridges: [{ from, to, name: 'b' }],
    ...more,
  })
  return { one, client, from, to }
}

/** What the gateway told of refused events. */
async function told(client: Client): Promise<Record<string, unknown>[]> {
  const found = await entriesOf(client, 'sluice.events')
  return found
    .map(({ event }) => event)
    .filter(({ type }) => type === 'sluice.bridge.refused')
    .map(({ data }) => data as Record<string, unknown>)
}

describe('an event that is too large for the target', () => {
  // More than a batch of Kafka may have, and less than the gateway takes.
  const large = (id: string) => cloudEvent(id, { partitionkey: 'k', data: 'x'.repeat(1_047_200) })

  test('becomes a dead letter of the bridge, is told, and can be redriven', minute, async () => {
    const { client, from, to } = await bridged('local', 'main')
    expect((await client.structured(from, cloudEvent('before', { partitionkey: 'k' }))).status).toBe(200)
    expect((await client.structured(from, large('large'))).status).toBe(200)
    expect((await client.structured(from, cloudEvent('after', { partitionkey: 'k' }))).status).toBe(200)
    const moved = await (await Witness.of(client, to)).arrived(2)
    expect(moved.map(({ id }) => id)).toEqual(['before', 'after'])
    await until(20_000, 'it is counted', async () => (await metric(client, 'refused_total', 'b')) === 1)
    const dead = `/v1/topics/${from}/groups/sluice.bridge.b/dead`
    const letters = await until(20_000, 'the dead letter', async () => {
      const { items } = (await client.get(dead)).json<{ items: DeadLetter[] }>()
      return items.length > 0 && items
    })
    expect(letters).toMatchObject([{ event: { id: 'large' }, reason: expect.stringContaining('too_large') }])
    expect(await until(20_000, 'it is told', async () => (await told(client)).at(0))).toMatchObject({
      bridge: 'b',
      from,
      to,
      event: 'large',
      source: '/test',
      reason: expect.stringContaining('too_large'),
      deadLetter: true,
    })
    expect((await client.post(`${dead}/redrive`, { all: true })).json()).toEqual({ redriven: 1 })
    await until(20_000, 'it is refused again', async () => (await metric(client, 'refused_total', 'b')) === 2)
    // Nobody else may touch the group.
    const group = `/v1/topics/${from}/groups/sluice.bridge.b`
    for (const answer of [
      await client.post(`${group}/pull`, {}),
      await client.put(group),
      await client.delete(group),
      await client.post(`${group}/settle`, { settlements: [{ lease: 'x', outcome: 'ack' }] }),
    ]) {
      expect(answer.problem.code).toBe('invalid_argument')
    }
  })

  test('is told with its place where the source keeps no dead letters', minute, async () => {
    const { one, client, from, to } = await bridged('main', 'local', { limits: { event: '4KiB' } })
    const { bootstrap } = await sharedKafka(1)
    const other = await kafka.open(configOf(bootstrap))
    try {
      const attributes = { specversion: '1.0', source: '/other', type: 't', partitionkey: 'k' } as const
      const events = ['before', 'large', 'after'].map((id) => ({
        attributes: { ...attributes, id },
        data: new Uint8Array(id === 'large' ? 5000 : 5),
      }))
      const results = await other.publish(from, events, { signal: AbortSignal.timeout(20_000) })
      expect(results.map(({ status }) => status)).toEqual(['stored', 'stored', 'stored'])
      const moved = await (await Witness.of(client, to)).arrived(2)
      expect(moved.map(({ id }) => id)).toEqual(['before', 'after'])
      const { position } = results[1] as { position: string }
      const fact = { event: 'large', source: '/other', position, deadLetter: false }
      expect(await until(20_000, 'it is told', async () => (await told(client)).at(0))).toMatchObject(fact)
      const [line] = one.lines('An event was not moved')
      expect(line).toMatchObject({ level: 'error', fields: { bridge: 'b', event: 'large', position, kept: false } })
      expect((await client.get(`/v1/topics/${from}/groups/sluice.bridge.b/dead`)).problem.code).toBe('unsupported')
    } finally {
      await other.close()
    }
  })
})
