import { expect, test } from 'vitest'
import { ensured, hasPartitions } from './brokers.ts'
import { requirable, strongerThan } from './expectation.ts'
import { Installation, type TopicLine, topicName } from './installation.ts'
import type { Stage } from './stage.ts'

const windowMs = 3_600_000
/** Against hanging: a boot takes seconds. */
const bootMs = 90_000

/** What a topic requires stops the boot where the broker has less, and only there. */
export function requirements(at: () => Stage): void {
  async function installed<T>(use: (installation: Installation) => Promise<T>): Promise<T> {
    const installation = await Installation.create([at().word])
    try {
      return await use(installation)
    } finally {
      await installation.remove()
    }
  }

  const window = 'ensure: { dedupWindow: 1h }'
  const hasWindow = () => at().own.dedupWindowMs >= windowMs
  const lines = (topics: ReadonlyMap<string, string>) =>
    new Map<string, TopicLine>([...topics].map(([name, more]) => [name, { broker: at().word, more }]))
  const met = () => [...requirable(at().own)]
  const requires = (values: readonly (readonly [string, unknown])[]) =>
    `requires: { ${values.map(([name, value]) => `${name}: ${value}`).join(', ')} }, ${ensured(at().word)}`

  test(
    'whatever is stronger than what the broker has stops the boot, naming topic, broker and capability',
    async () => {
      const { own, word } = at()
      const topics = new Map<string, string>()
      const sentences: string[] = []
      const refuse = (topic: string, more: string, why: string) => {
        topics.set(topic, more)
        sentences.push(`Topic ${topic} on broker ${word}: ${why}`)
      }
      for (const [name, value] of strongerThan(own)) {
        const has = requirable(own).get(name)
        const why = `requires capability ${name}: ${value}, and the broker has ${has}.`
        refuse(topicName('wants'), requires([[name, value]]), why)
        // Among many that are met, the one is named.
        refuse(topicName('among'), requires([...met().filter(([one]) => one !== name), [name, value]]), why)
      }
      expect(sentences.length).toBeGreaterThan(0)
      const [good, unmade] = [topicName('good'), topicName('unmade')]
      topics.set(good, requires(met()))
      if (!hasWindow()) topics.set(unmade, window)
      const stderr = await installed((one) => one.refused(lines(topics)))
      for (const sentence of sentences) expect(stderr).toContain(sentence)
      expect(stderr.match(/requires capability/g)?.length).toBe(sentences.length)
      expect(stderr).not.toContain(good)
      const lacks = new RegExp(`Topic ${unmade} on broker ${word}: .*\\(capability dedupWindowMs\\)`)
      if (!hasWindow()) expect(stderr).toMatch(lacks)
    },
    bootMs,
  )

  test(
    'more copies than the broker can have stop the boot, naming topic, broker and capability',
    async () => {
      const { own, word } = at()
      if (own.durability === 'replicated') return
      const topic = topicName('copies')
      const stderr = await installed((one) => one.refused(lines(new Map([[topic, 'ensure: { replicas: 3 }']]))))
      expect(stderr).toMatch(new RegExp(`Topic ${topic} on broker ${word}: .*\\(capability replicas\\)`))
    },
    bootMs,
  )

  test(
    'partitions stop the boot where the broker has none, naming topic, broker and capability',
    async () => {
      const { word } = at()
      if (hasPartitions(word)) return
      const topic = topicName('split')
      const stderr = await installed((one) => one.refused(lines(new Map([[topic, 'ensure: { partitions: 4 }']]))))
      expect(stderr).toMatch(new RegExp(`Topic ${topic} on broker ${word}: .*\\(capability partitions\\)`))
    },
    bootMs,
  )

  test(
    'what the broker has can be required, and a window of deduplication had',
    async () => {
      const { word } = at()
      const [fits, deduplicates] = [topicName('fits'), topicName('window')]
      const topics = new Map([[fits, requires(met())]])
      if (hasWindow()) topics.set(deduplicates, window)
      await installed(async (one) => {
        const client = await one.start(lines(topics))
        expect((await client.get(`/v1/topics/${fits}`)).json()).toMatchObject({ topic: fits, broker: word })
        if (hasWindow()) {
          expect((await client.get(`/v1/topics/${deduplicates}`)).json()).toMatchObject({ dedupWindow: '1h' })
        }
        expect((await one.stop())?.code).toBe(0)
      })
    },
    bootMs,
  )
}
