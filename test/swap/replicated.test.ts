import { afterAll, beforeAll, expect, test } from 'vitest'
import { capabilitiesIn, describeTopic } from './described.ts'
import { Installation, type TopicLine, topicName } from './installation.ts'

// On three nodes an acknowledgement may survive the loss of one; whether it does is up to the topic.

let installation: Installation
beforeAll(async () => {
  installation = await Installation.create(['main'], 3)
}, 180_000)
afterAll(() => installation?.remove())

const lines = (topics: Readonly<Record<string, number>>) =>
  new Map<string, TopicLine>(
    Object.entries(topics).map(([name, replicas]) => {
      const more = `requires: { durability: replicated }, ensure: { partitions: 4, replicas: ${replicas} }`
      return [name, { broker: 'main', more }]
    }),
  )

test('a topic of one replica is not replicated, whatever its broker can do', async () => {
  const [one, three] = [topicName('one'), topicName('three')]
  for (const attempt of ['not there', 'there since the first attempt']) {
    const stderr = await installation.refused(lines({ [three]: 3, [one]: 1 }))
    expect(stderr, attempt).toContain(
      `Topic ${one} on broker main: requires capability durability: replicated, and the topic has process`,
    )
    expect(stderr).not.toContain(three)
  }
  const client = await installation.start(lines({ [three]: 3 }))
  const capabilities = capabilitiesIn(await describeTopic(client, three))
  expect(capabilities.durability).toBe('replicated')
  expect((await client.publish(three, '1', 'application/json')).status).toBe(200)
  expect((await installation.stop())?.code).toBe(0)
}, 180_000)
