import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cloudEvent, entriesOf, ndjsonType, type Page } from '../http/events.ts'
import type { Word } from './brokers.ts'
import { capabilitiesIn, describeTopic } from './described.ts'
import { Installation, type TopicLine, topicName } from './installation.ts'
import type { WatchedClient } from './watched-client.ts'

const abandon = 'ensure: { partitions: 4 }, abandon: true'
const topic = topicName('word')
const target = `/v1/topics/${topic}/events`

const line = (broker: Word, more?: string) =>
  new Map<string, TopicLine>([[topic, { broker, ...(more !== undefined && { more }) }]])

describe('one word is changed', () => {
  let installation: Installation
  let client: WatchedClient
  /** What was published with a word, and where reading it ended. */
  const published = new Map<Word, string[]>()
  const cursors: string[] = []

  beforeAll(async () => {
    installation = await Installation.create(['local', 'memory', 'main'])
    client = await installation.start(line('local'))
    await publish('local')
  }, 180_000)
  afterAll(() => installation?.remove())

  const read = async (query: string) => (await client.get(`${target}?${query}`)).json<Page>()
  const idsOf = ({ events }: Page) => events.map(({ event }) => event.id)

  /** Publishes two, and keeps the cursor after the first. */
  async function publish(word: Word): Promise<void> {
    const ids = [0, 1].map((i) => `${word}-${cursors.length}-${i}`)
    const events = ids.map((id) => cloudEvent(id, { partitionkey: 'k' }))
    const answer = await client.batch(topic, events)
    expect(answer.status, answer.text).toBe(200)
    const all = [...(published.get(word) ?? []), ...ids]
    published.set(word, all)
    if (!capabilitiesIn(await describeTopic(client, topic)).replay) return
    expect((await entriesOf(client, topic)).map(({ event }) => event.id)).toEqual(all)
    const { next } = await read(`from=earliest&limit=${all.length - 1}`)
    expect(idsOf(await read(`from=${encodeURIComponent(next)}`))).toEqual([ids[1]])
    cursors.push(next)
  }

  // Each goes on from the one before; the last is where it began, which is a binding of its own again.
  test.each([
    ['local', 'main', 2],
    ['main', 'memory', 3],
    ['memory', 'local', 4],
  ] as const)(
    'from %s to %s: nothing is stranded unasked, and every old cursor is stale',
    async (from, to, epoch) => {
      await installation.stop()
      const stderr = await installation.refused(line(to))
      expect(stderr).toContain(`Topic ${topic} was bound to broker ${from} before, and is bound to broker ${to} now`)

      client = await installation.start(line(to, abandon))
      const described = await describeTopic(client, topic)
      expect(described).toMatchObject({ broker: to, epoch, groups: [] })
      const capabilities = capabilitiesIn(described)
      if (capabilities.durability === 'memory') published.delete(to)
      if (capabilities.replay) {
        for (const cursor of cursors) {
          for (const accept of ['application/json', ndjsonType, 'text/event-stream']) {
            const stale = await client.get(`${target}?from=${encodeURIComponent(cursor)}`, { accept })
            expect(stale.problem.code).toBe('stale_cursor')
          }
        }
      }
      await publish(to)
    },
    90_000,
  )
})
