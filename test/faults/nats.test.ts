import type { ConsumerInfo, StreamInfo } from '@nats-io/jetstream'
import { connect, errors, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { NatsClient } from '../../adapters/nats/client.ts'
import { nats } from '../../adapters/nats/index.ts'
import type { Consumer } from '../../src/core/broker.ts'
import { configOf } from '../brokers/nats-target.ts'
import { type NatsCluster, startNats } from '../brokers/services/nats.ts'
import { events } from '../conformance/events.ts'
import { seedOfRun } from '../conformance/random.ts'
import { until } from '../conformance/waiting.ts'
import { checked, group, groupOptions, healthy, type Ordering, Scene, summary } from './nats/scene.ts'

// Fault 9: the leader steps down, the consumer is deleted, a server is restarted. Fault 10: a retry and a redrive inside
// the deduplication window.

const seed = seedOfRun()
const timeout = 150_000
let cluster: NatsCluster
/** A client that is not the gateway's. */
let operator: NatsConnection
const open: Scene[] = []

beforeAll(async () => {
  cluster = await startNats({ nodes: 3 })
  const { servers, user, password: pass } = cluster
  operator = await connect({ servers: [...servers], user, pass, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
}, 300_000)
afterEach(async () => {
  vi.restoreAllMocks()
  for (const scene of open.splice(0)) await scene.close()
})
afterAll(async () => {
  await operator?.close()
  await cluster?.stop()
})

async function scene(ordering: Ordering = 'none', replicas = 3): Promise<Scene> {
  const one = await Scene.open(cluster, seed, ordering, { replicas, dedupWindowMs: 120_000 })
  open.push(one)
  return one
}

/** One request to JetStream, as an operator's tool sends it, until it is answered. */
async function api<T>(name: string, body?: object): Promise<T> {
  return until(30_000, `JetStream answers ${name}`, async () => {
    const payload = body === undefined ? '' : JSON.stringify(body)
    const answer = await operator.request(`$JS.API.${name}`, payload, { timeout: 2000 }).catch(() => undefined)
    const told = answer?.json<T & { error?: unknown }>()
    return told?.error === undefined ? told : undefined
  })
}

function leaderOf(topic: string): Promise<string> {
  return until(30_000, 'the stream has a leader', async () => {
    return (await api<StreamInfo>(`STREAM.INFO.${topic}`)).cluster?.leader
  })
}

async function restart(name: string, end: 'stop' | 'kill'): Promise<void> {
  const node = cluster.nodes.find((one) => one.name === name)!
  await node[end]()
  await node.start()
  await node.ready()
}

describe.each<[how: string, ordering: Ordering]>([
  ['in no order', 'none'],
  ['in the order of keys', 'key'],
])('under load, %s', (_, ordering) => {
  test('leaders step down: both ways go on, nothing acknowledged is lost', { timeout }, async () => {
    const one = await scene(ordering)
    one.load.start()
    one.worker.start()
    for (let round = 0; round < 3; round++) {
      await one.load.acknowledges(200)
      await api(`STREAM.LEADER.STEPDOWN.${one.topic}`)
      await api(`CONSUMER.LEADER.STEPDOWN.${one.topic}.${group}`)
      await one.recovered()
    }
    await checked(one, seed)
  })

  test('the consumer is deleted by hand: it is said so, and the group that is made again goes on', {
    timeout,
  }, async () => {
    const one = await scene(ordering)
    one.load.start()
    one.worker.start()
    await one.load.acknowledges(300)
    await api(`CONSUMER.DELETE.${one.topic}.${group}`)
    await until(30_000, 'pulls say that there is no such group', async () => one.worker.faults.has('not_found'))
    // And they go on to say so, also those that began when it was gone.
    one.worker.faults.clear()
    await until(30_000, 'pulls still say so', async () => one.worker.faults.has('not_found'))
    one.worker.forget()
    expect(await one.broker.groups.create(one.topic, group, groupOptions)).toBe(true)
    await one.recovered()
    await checked(one, seed)
  })
})

test('under load the leader’s server is restarted, in order and by force: the exact set, by the same consumer', {
  timeout,
}, async () => {
  const one = await scene()
  one.load.start()
  one.worker.start()
  for (const end of ['stop', 'kill'] as const) {
    await one.load.acknowledges(300)
    await restart(await leaderOf(one.topic), end)
    await one.recovered()
  }
  await checked(one, seed)
})

test('what a replica says of a group before it takes part counts for nothing: the order of a key holds', {
  timeout,
}, async () => {
  const one = await scene('key')
  await one.publish(events(2, 'early', { partitionkey: 'k' }))
  const lost = await one.broker.open(one.topic, group, { prefetch: 10 })
  expect(await pulled(lost)).toBe('early-0')
  // Its process dies with the first event; another one comes while a server has just been started again.
  vi.spyOn(NatsClient.prototype, 'request').mockRejectedValue(new errors.TimeoutError())
  await one.broker.close()
  vi.restoreAllMocks()
  const other = await nats.open(configOf(cluster, { ordering: 'key' }))
  let before = 0
  const ask = NatsClient.prototype.ask
  vi.spyOn(NatsClient.prototype, 'ask').mockImplementation(async function (this: NatsClient, ...args) {
    const answer = await ask.apply(this, args)
    return args[0].startsWith('CONSUMER.INFO.') && before-- > 0 ? beforeTakingPart(answer as ConsumerInfo) : answer
  } as typeof ask)
  const consumer = await other.open(one.topic, group, { prefetch: 10 })
  before = 3
  await other.publish(one.topic, events(1, 'late', { partitionkey: 'k' }), { signal: AbortSignal.timeout(5000) })
  expect(await pulled(consumer)).toBe('early-0')
  await other.close()
})

async function pulled(consumer: Consumer): Promise<string> {
  return until(30_000, 'an event comes', async () => {
    const { deliveries } = await consumer.pull({ max: 10, waitMs: 1000, signal: AbortSignal.timeout(10_000) })
    return deliveries[0]?.event.attributes.id
  })
}

/** As nats-server 2.15 answers while it starts: the replica knows of the group, and nothing of its state. */
function beforeTakingPart({ type, stream_name, name, created, config, ts }: ConsumerInfo & { type?: string }): object {
  const nothing = { consumer_seq: 0, stream_seq: 0 }
  const counts = { num_ack_pending: 0, num_redelivered: 0, num_waiting: 0, num_pending: 0 }
  return { type, stream_name, name, created, config, delivered: nothing, ack_floor: nothing, ...counts, ts }
}

describe('inside the deduplication window', () => {
  test('a retry of what is stored, or may be, is a success, and nothing is there twice', { timeout }, async () => {
    const one = await scene()
    const first = events(50, 'first')
    const stored = await one.publish(first)
    expect(stored.every(({ status }) => status === 'stored')).toBe(true)
    // A retry need not come from the same process.
    const other = await nats.open(configOf(cluster))
    const again = await other.publish(one.topic, first, { signal: AbortSignal.timeout(5000) })
    await other.close()
    expect(again).toEqual(stored.map((result) => ({ ...result, duplicate: true })))

    for (const node of cluster.nodes) await node.pause()
    const later = events(50, 'later')
    const results = await one.publish(later, 1000).finally(() => {
      for (const node of cluster.nodes) node.resume()
    })
    for (const result of results) expect(result).toMatchObject({ status: 'unknown' })
    await healthy(one)
    const retried = await one.publish(later)
    expect(retried.map(({ status }) => status)).toEqual(later.map(() => 'stored'))
    const report = await one.check()
    console.log(summary(seed, report))
    expect(report.violations).toEqual([])
    expect(report).toMatchObject({ acknowledged: 100, checked: 100 })
  })

  test('a dead letter is redriven under a message id of its own, and delivered, each time', { timeout }, async () => {
    const one = await scene()
    const [event] = events(1, 'poison')
    await one.publish([event!])
    const consumer = await one.broker.open(one.topic, group, { prefetch: 10 })
    const ids = [await messageId(one.topic, one.topic)]
    for (let round = 1; round <= 3; round++) {
      const { deliveries } = await consumer.pull({ max: 1, waitMs: 10_000, signal: AbortSignal.timeout(15_000) })
      expect(deliveries).toMatchObject([{ attempt: 1, event: { attributes: { id: 'poison-0' } } }])
      const outcome = { kind: 'reject', reason: 'poison' } as const
      expect(await consumer.settle([{ receipt: deliveries[0]!.receipt, outcome }])).toEqual([{ status: 'ok' }])
      expect(await one.broker.deadLetters!.redrive(one.topic, group, 'all')).toBe(1)
      ids.push(await messageId(one.topic, `sluice.redrive.${one.topic}.${group}`))
    }
    expect(new Set(ids).size).toBe(4)
    // The event itself is known all the while.
    expect(await one.publish([event!])).toMatchObject([{ status: 'stored', duplicate: true }])
    await consumer.close()
    const report = await one.check()
    expect(report.violations).toMatchObject([])
  })
})

async function messageId(stream: string, subject: string): Promise<string | undefined> {
  const { message } = await api<{ message: { hdrs: string } }>(`STREAM.MSG.GET.${stream}`, { last_by_subj: subject })
  return /Nats-Msg-Id: (.*)\r/.exec(Buffer.from(message.hdrs, 'base64').toString())?.[1]
}

test('without a majority its health is not good, though the server that is left calls itself the leader', async () => {
  const one = await scene()
  await one.publish(events(1, 'before'))
  await one.broker.health()
  // As nats-server 2.15 answers for ten seconds after the others died, where the one that is left leads JetStream too.
  const ask = NatsClient.prototype.ask
  let silent = 1
  vi.spyOn(NatsClient.prototype, 'ask').mockImplementation(async function (this: NatsClient, ...args) {
    const answer = await ask.apply(this, args)
    if (args[0].startsWith('STREAM.INFO.')) {
      const { replicas } = (answer as StreamInfo).cluster!
      for (const replica of replicas!.slice(0, silent)) replica.active = 6e9
    }
    return answer
  } as typeof ask)
  await one.broker.health()
  silent = 2
  await expect(one.broker.health()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('no majority'),
  })
})

describe('while the one server that has a topic is down', () => {
  async function whileDown(topic: string, doing: () => Promise<void>): Promise<void> {
    const leader = await leaderOf(topic)
    const node = cluster.nodes.find(({ name }) => name === leader)!
    await node.kill()
    try {
      await doing()
    } finally {
      await node.start()
      await node.ready()
    }
  }

  test('what was learnt of the topic holds: its health is not good, and a publish says that it may be tried again', {
    timeout,
  }, async () => {
    const one = await scene('none', 1)
    await one.publish(events(1, 'before'))
    await whileDown(one.topic, async () => {
      await expect(one.broker.admin!.describe(one.topic)).rejects.toMatchObject({ code: 'unavailable' })
      await expect(one.broker.health()).rejects.toMatchObject({ code: 'unavailable' })
      expect(await one.publish(events(1, 'during'), 1000)).toMatchObject([{ status: 'failed' }])
    })
    await healthy(one)
  })

  test('nothing is said to be stored', { timeout }, async () => {
    const one = await scene('none', 1)
    await one.publish(events(10, 'before'))
    await whileDown(one.topic, async () => {
      const results = await one.publish(events(10, 'during'), 3000)
      for (const { status } of results) expect(status).not.toBe('stored')
    })
    await healthy(one)
    expect(await one.publish(events(1, 'after'))).toMatchObject([{ status: 'stored' }])
    const report = await one.check()
    console.log(summary(seed, report))
    expect(report.violations).toEqual([])
  })

  test('negative control: a publisher that does not wait for the acknowledgement is found to lose events', {
    timeout,
  }, async () => {
    const one = await scene('none', 1)
    await one.publish(events(10, 'before'))
    const send = NatsClient.prototype.send
    vi.spyOn(NatsClient.prototype, 'send').mockImplementation(function (this: NatsClient, ...args) {
      const [subject, payload, headers, answered] = args
      if (subject !== one.topic) return send.apply(this, args)
      this.post(subject, payload, headers === undefined ? {} : { headers })
      queueMicrotask(() => answered({ json: () => ({ stream: one.topic }) } as Msg))
      return () => undefined
    })
    await whileDown(one.topic, async () => {
      const results = await one.publish(events(10, 'during'), 3000)
      for (const { status } of results) expect(status).toBe('stored')
    })
    const { violations } = await one.check()
    expect(violations.map(({ kind }) => kind)).toEqual(Array.from({ length: 10 }, () => 'lost'))
  })
})
