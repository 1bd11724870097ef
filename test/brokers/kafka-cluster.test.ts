import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { KafkaNode } from './services/kafka/node.ts'
import { type KafkaCluster, startKafka } from './services/kafka.ts'
import { sharedKafka } from './services/shared.ts'

/** Against hanging: longer than a killed node's session. */
const patience = { timeout: 20_000, interval: 200 }

/** Without retries of its own, so that a refusal is seen at once. */
const connect = (brokers: readonly string[], more: Partial<KafkaConfig> = {}): Kafka =>
  new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING, retry: { retries: 0 }, ...more })

/** The nodes that a client who connects so is told of. */
async function nodesSeen(brokers: readonly string[], more?: Partial<KafkaConfig>): Promise<number[]> {
  const admin = connect(brokers, more).admin()
  try {
    await admin.connect()
    return (await admin.describeCluster()).brokers.map(({ nodeId }) => nodeId).sort()
  } finally {
    await admin.disconnect()
  }
}

async function createTopic(brokers: readonly string[], topic: string): Promise<void> {
  const admin = connect(brokers).admin()
  try {
    await admin.connect()
    // Who asks another node than the one that made it may be told that there is none: publishing waits for it.
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false })
  } finally {
    await admin.disconnect()
  }
}

/** Again until it is stored: a topic's leader is not known at once, nor that a killed one is gone. */
async function publish(brokers: readonly string[], topic: string, value: string): Promise<void> {
  await vi.waitFor(async () => {
    const producer = connect(brokers).producer()
    try {
      await producer.connect()
      await producer.send({ topic, acks: -1, messages: [{ value }] })
    } finally {
      await producer.disconnect()
    }
  }, patience)
}

async function firstValue(brokers: readonly string[], topic: string): Promise<string | undefined> {
  const consumer = connect(brokers, { retry: { retries: 20, maxRetryTime: 500 } }).consumer({
    groupId: 'readers',
    sessionTimeout: 1000,
    heartbeatInterval: 200,
    // Its end waits for a request that waits.
    maxWaitTimeInMs: 100,
  })
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>()
  consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || reject(payload.error))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => resolve(message.value?.toString()) })
  return await promise.finally(() => consumer.disconnect())
}

test('a node that test files share is started once, and stores and gives an event', async () => {
  const [one, same] = await Promise.all([sharedKafka(1), sharedKafka(1)])
  expect(same.bootstrap).toEqual(one.bootstrap)
  const topic = `orders.${randomUUID()}`
  await createTopic(one.bootstrap, topic)
  await publish(one.bootstrap, topic, 'first')
  expect(await firstValue(one.bootstrap, topic)).toBe('first')
  const oauth = { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: one.token() }) } as const
  const ssl = { ca: readFileSync(one.tls.ca, 'utf8') }
  expect(await nodesSeen(one.listeners.oauth, { ssl, sasl: oauth })).toEqual([1])
})

describe('three nodes', () => {
  const all = [1, 2, 3]
  let cluster: KafkaCluster
  let ssl: { ca: string; cert?: string; key?: string }
  const text = (path: string): string => readFileSync(path, 'utf8')

  beforeAll(async () => {
    cluster = await startKafka({ nodes: 3 })
    ssl = { ca: text(cluster.tls.ca) }
  })
  afterAll(() => cluster?.stop())

  const sasl = (options: SASLOptions): Promise<number[]> => nodesSeen(cluster.listeners.sasl, { ssl, sasl: options })
  const bearer = (value: string): Promise<number[]> => {
    const oauthBearerProvider = async () => ({ value })
    return nodesSeen(cluster.listeners.oauth, { ssl, sasl: { mechanism: 'oauthbearer', oauthBearerProvider } })
  }

  test('accept a name and password by PLAIN and by both of SCRAM, and no other', async () => {
    const { plain, scram } = cluster.users
    for (const [mechanism, user] of [
      ['plain', plain],
      ['scram-sha-256', scram],
      ['scram-sha-512', scram],
    ] as const) {
      expect(await sasl({ mechanism, ...user })).toEqual(all)
      await expect(sasl({ mechanism, ...user, password: 'wrong' })).rejects.toThrow(/authentication/i)
    }
  })

  test('accept a client certificate, and no client without one', async () => {
    const certificate = { cert: text(cluster.tls.cert), key: text(cluster.tls.key) }
    expect(await nodesSeen(cluster.listeners.mtls, { ssl: { ...ssl, ...certificate } })).toEqual(all)
    await expect(nodesSeen(cluster.listeners.mtls, { ssl })).rejects.toThrow(/certificate/i)
  })

  test('accept a signed token, and none that has expired, is for another or is changed', async () => {
    expect(await bearer(cluster.token())).toEqual(all)
    const [head, , signature] = cluster.token().split('.')
    const forged = Buffer.from(JSON.stringify({ sub: 'mallory', exp: 4e9 })).toString('base64url')
    const refused = [
      [cluster.token({ exp: Math.floor(Date.now() / 1000) - 3600 }), 'is no longer valid'],
      [cluster.token({ aud: 'another' }), 'Audience (aud)'],
      [cluster.token({ iss: 'https://another.test' }), 'Issuer (iss)'],
      [`${head}.${forged}.${signature}`, 'Invalid JWS Signature'],
    ] as const
    const logs = (): string => cluster.nodes.map(({ output }) => output).join('')
    for (const [value, reason] of refused) {
      await expect(bearer(value)).rejects.toThrow()
      // The client does not say why it was refused.
      await expect.poll(logs).toContain(reason)
    }
  })

  test('have a node back that was killed, with what it stored', async () => {
    const first = cluster.nodes[0]!
    await createTopic(cluster.bootstrap, 'kept')
    await publish(cluster.bootstrap, 'kept', 'before')
    const before = first.pid
    await first.kill()
    expect(first).toMatchObject({ running: false, pid: undefined })
    await expect(nodesSeen([first.bootstrap])).rejects.toThrow(/ECONNREFUSED/)
    await first.start()
    expect(first.pid).not.toBe(before)
    expect(await nodesSeen([first.bootstrap])).toEqual(all)
    expect(await firstValue([first.bootstrap], 'kept')).toBe('before')
  })

  test('stand still when paused, and answer when resumed', async () => {
    const last = cluster.nodes[2]!
    await last.pause()
    expect(last).toMatchObject({ running: true, paused: true })
    await expect(nodesSeen([last.bootstrap], { requestTimeout: 300 })).rejects.toThrow()
    await last.resume()
    expect(await nodesSeen([last.bootstrap])).toContain(3)
  })

  test('store an event while a node is stopped, which has it when it is back', async () => {
    const [first, second] = cluster.nodes as [KafkaNode, KafkaNode]
    await second.stop()
    expect(second.running).toBe(false)
    await createTopic([first.bootstrap], 'later')
    await publish([first.bootstrap], 'later', 'while it is gone')
    await second.start()
    expect(await nodesSeen(cluster.bootstrap)).toEqual(all)
    expect(await firstValue([second.bootstrap], 'later')).toBe('while it is gone')
  })
})
