import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Receiver } from '../delivery/receiver.ts'
import { cloudEvent, entriesOf, ndjsonType, type Page } from '../http/events.ts'
import { ensured, type Word } from './brokers.ts'
import { capabilitiesIn, describeTopic } from './described.ts'
import { Hook } from './hook.ts'
import { Installation, type TopicLine, topicName } from './installation.ts'
import type { WatchedClient } from './watched-client.ts'

const topic = topicName('word')
const target = `/v1/topics/${topic}/events`

const line = (broker: Word, more?: string) =>
  new Map<string, TopicLine>([[topic, { broker, ...(more !== undefined && { more }) }]])

/** Each goes on from the one before; the last is where it began, which is a binding of its own again. */
const words: readonly Word[] = ['local', 'main', 'jobs', 'queues', 'fast', 'memory', 'local']
const changes = words.slice(1).map((to, i) => [words[i]!, to, i + 2] as const)

describe('one word is changed', () => {
  let receiver: Receiver
  let installation: Installation
  let client: WatchedClient
  let hook: Hook
  /** What was published with a word, and where reading it ended. */
  const published = new Map<Word, string[]>()
  const cursors: string[] = []

  beforeAll(async () => {
    receiver = await Receiver.start()
    installation = await Installation.create([...new Set(words)])
    client = await installation.start(line('local'))
    hook = await Hook.subscribe(() => client, receiver, topic)
    await publish('local', 1)
  }, 300_000)
  afterAll(() => Promise.all([installation?.remove(), receiver?.close()]))

  const read = async (query: string) => (await client.get(`${target}?${query}`)).json<Page>()
  const idsOf = ({ events }: Page) => events.map(({ event }) => event.id)

  /** Publishes two, which the one endpoint gets whoever the broker is, and keeps the cursor after the first. */
  async function publish(word: Word, epoch: number): Promise<void> {
    const ids = [0, 1].map((i) => `${word}-${epoch}-${i}`)
    const events = ids.map((id) => cloudEvent(id, { partitionkey: 'k' }))
    const answer = await client.batch(topic, events)
    expect(answer.status, answer.text).toBe(200)
    await hook.received(2 * epoch)
    expect(hook.ids.slice(-2).toSorted()).toEqual(ids)
    const all = [...(published.get(word) ?? []), ...ids]
    published.set(word, all)
    if (!capabilitiesIn(await describeTopic(client, topic)).replay) return
    expect((await entriesOf(client, topic)).map(({ event }) => event.id)).toEqual(all)
    const { next } = await read(`from=earliest&limit=${all.length - 1}`)
    expect(idsOf(await read(`from=${encodeURIComponent(next)}`))).toEqual([ids[1]])
    cursors.push(next)
  }

  test.each(changes)(
    'from %s to %s: nothing is stranded unasked, every old cursor is stale, and webhooks go on',
    async (from, to, epoch) => {
      await installation.stop()
      const stderr = await installation.refused(line(to))
      expect(stderr).toContain(`Topic ${topic} was bound to broker ${from} before, and is bound to broker ${to} now`)

      client = await installation.start(line(to, `${ensured(to)}, abandon: true`))
      const described = await describeTopic(client, topic)
      expect(described).toMatchObject({ broker: to, epoch, groups: [], subscriptions: [hook.id] })
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
      await publish(to, epoch)
    },
    90_000,
  )
})
