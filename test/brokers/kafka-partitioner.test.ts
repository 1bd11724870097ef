import { beforeAll, describe, expect, test } from 'vitest'
import { event } from '../conformance/events.ts'
import { gateway } from './kafka/gateway.ts'
import { partitionsByJava } from './kafka/java.ts'

const counts = [1, 2, 3, 7, 12, 100]
const alphabets = [
  'customer-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG',
  'äß€漢字🎈éλЖ-żółć-日本語テキスト-🚀ümläut-ελληνικά-кириллица',
]
const lengths = Array.from({ length: 40 }, (_, i) => i + 1)
const keys = [
  ...lengths.flatMap((length) => alphabets.map((alphabet) => [...alphabet].slice(-length).join(''))),
  ...[' ', '0', '-', '\u00a0', '\u200b', 'ÿ', '\u07ff', '\uffee', '𝄞', 'a'.repeat(1000), 'EU-1', 'US-1', '\ufeffmark'],
]

const gate = gateway(1)

describe('a key', () => {
  /** Of each key: its partition by Kafka's own client for each of `counts`. */
  let byJava: number[][]

  beforeAll(async () => {
    byJava = await partitionsByJava(
      gate.cluster.classpath,
      keys.map((key) => Buffer.from(key)),
      counts,
    )
  }, 120_000)

  test.each(counts.map((count, at) => [count, at]))(
    'goes where Java’s producer sends it, of %i partitions',
    async (count, at) => {
      const topic = await gate.topic('spread', { partitions: count })
      const events = keys.map((partitionkey, i) => event(`e-${i}`, { partitionkey }))
      const positions = await gate.publish(topic, events)
      const partitions = positions.map((position) => Number(position.split('-')[0]))
      expect(partitions).toEqual(byJava.map((row) => row[at]))
      expect(new Set(partitions).size).toBeGreaterThan(count / 3)
    },
  )

  test('goes to the same partition in an atomic publish', async () => {
    const topic = await gate.topic('spread-atomic', { partitions: 12 })
    const events = keys.map((partitionkey, i) => event(`e-${i}`, { partitionkey }))
    const results = await gate.broker.publish(topic, events, { atomic: true, signal: AbortSignal.timeout(20_000) })
    const partitions = results.map((result) => 'position' in result && Number(result.position?.split('-')[0]))
    expect(partitions).toEqual(byJava.map((row) => row[counts.indexOf(12)]))
  })

  test('goes by the first rule whose prefix it has, and else as if there were none', async () => {
    const rules = [
      { prefix: 'EU-', partitions: [0, 1] },
      { prefix: 'E', partitions: [6] },
    ]
    const broker = await gate.open({ partitioner: { rules, otherwise: 'hash' } })
    const topic = await gate.topic('rules', { partitions: 7 })
    const named = ['EU-1', 'EU-2', 'EU-3', 'EU-4', 'EU-5', 'EU-6', 'EU-', 'E', 'EW-1', 'eu-1', 'US-1', 'XEU-1']
    const events = named.map((partitionkey) => event(partitionkey, { partitionkey }))
    const positions = await gate.publish(topic, events, broker)
    const partitionOf = Object.fromEntries(named.map((key, i) => [key, Number(positions[i]!.split('-')[0])]))
    const [hashed, halves] = await Promise.all(
      [7, 2].map((count) =>
        partitionsByJava(
          gate.cluster.classpath,
          named.map((key) => Buffer.from(key)),
          [count],
        ),
      ),
    )
    const expected = named.map((key, i) => {
      if (key.startsWith('EU-')) return [key, halves![i]![0]]
      return [key, key.startsWith('E') ? 6 : hashed![i]![0]]
    })
    expect(partitionOf).toEqual(Object.fromEntries(expected))
    const europe = new Set(named.filter((key) => key.startsWith('EU-')).map((key) => partitionOf[key]))
    expect([...europe].sort()).toEqual([0, 1])
  })

  test('is refused where its rule names a partition that the topic has not, and nothing of the publish is stored', async () => {
    const broker = await gate.open({ partitioner: { rules: [{ prefix: 'EU-', partitions: [3] }] } })
    const topic = await gate.topic('beyond', { partitions: 3 })
    const events = [event('good', { partitionkey: 'US-1' }), event('bad', { partitionkey: 'EU-1' })]
    const publishing = broker.publish(topic, events, { signal: AbortSignal.timeout(20_000) })
    await expect(publishing).rejects.toMatchObject({ code: 'misconfigured', message: expect.stringContaining('EU-') })
    expect(await gate.read(topic)).toEqual([])
  })
})

test.each([
  [1, 5],
  [4, 12],
])('without a key, %i partitions take turns', async (count, times) => {
  const topic = await gate.topic('turns', { partitions: count })
  const partitions: number[] = []
  for (let i = 0; i < times; i++) {
    const [position] = await gate.publish(topic, [event(`e-${i}`)])
    partitions.push(Number(position!.split('-')[0]))
  }
  expect(partitions).toEqual(Array.from({ length: times }, (_, i) => i % count))
})
