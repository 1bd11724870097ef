import { connect } from 'amqplib'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Broker, PublishResult } from '../../src/core/broker.ts'
import { passageTo, through } from '../brokers/services/passage.ts'
import { type RabbitServer, startRabbitmq } from '../brokers/services/rabbitmq.ts'
import { events } from '../conformance/events.ts'
import { seedOfRun } from '../conformance/random.ts'
import { pause, until, within } from '../conformance/waiting.ts'
import { acked, group, Scene, summary } from './rabbitmq/scene.ts'

const seed = seedOfRun()
const timeout = 120_000
const MiB = 1 << 20
let server: RabbitServer
const open: Scene[] = []

beforeAll(async () => {
  server = await startRabbitmq()
}, 180_000)
afterEach(async () => {
  vi.restoreAllMocks()
  for (const scene of open.splice(0)) await scene.close()
})
afterAll(() => server?.stop())

async function scene(url = server.url): Promise<Scene> {
  const one = await Scene.open(url, seed)
  open.push(one)
  return one
}

async function checked(one: Scene): Promise<void> {
  const report = await one.check()
  console.log(summary(seed, report))
  expect(report.violations.slice(0, 10), summary(seed, report)).toEqual([])
  expect(report.acknowledged).toBeGreaterThan(0)
}

/** With a client that is not the gateway's. */
async function bound(topic: string, isBound: boolean): Promise<void> {
  const client = await connect(server.url)
  const channel = await client.createChannel()
  if (isBound) await channel.bindQueue(`${topic}:${group}`, topic, '#')
  else await channel.unbindQueue(`${topic}:${group}`, topic, '#')
  await client.close()
}

const statuses = (results: readonly PublishResult[]) => [...new Set(results.map(({ status }) => status))]

describe('an event that no queue takes', () => {
  test('is failed, in whatever batch, and stored again once a queue is bound', { timeout }, async () => {
    const one = await scene()
    expect(statuses(await one.publish(events(10, 'before')))).toEqual(['stored'])
    await bound(one.topic, false)
    const batches = await Promise.all(['a', 'b', 'c'].map((stem) => one.publish(events(300, stem))))
    for (const result of batches.flat()) {
      expect(result).toMatchObject({ status: 'failed', error: { code: 'unprocessable' } })
    }
    await bound(one.topic, true)
    expect(statuses(await one.publish(events(10, 'after')))).toEqual(['stored'])
    await checked(one)
  })

  test('negative control: with mandatory dropped it is acknowledged, and found lost', { timeout }, async () => {
    const client = await connect(server.url)
    const prototype = Object.getPrototypeOf(await client.createConfirmChannel())
    await client.close()
    const publish = prototype.publish
    vi.spyOn(prototype, 'publish').mockImplementation(function (this: unknown, ...args: unknown[]) {
      const [exchange, key, content, options, ...rest] = args
      return publish.call(this, exchange, key, content, { ...(options as object), mandatory: false }, ...rest)
    })
    const one = await scene()
    await bound(one.topic, false)
    expect(statuses(await one.publish(events(10, 'dropped')))).toEqual(['stored'])
    const { violations } = await one.check()
    expect(violations.map(({ kind }) => kind)).toEqual(Array.from({ length: 10 }, () => 'lost'))
  })
})

describe('an alarm', () => {
  const alarms: [what: string, raise: string[], clear: string[]][] = [
    ['memory', ['set_vm_memory_high_watermark', '0'], ['set_vm_memory_high_watermark', 'absolute', '1GiB']],
    ['disk', ['set_disk_free_limit', '9000GB'], ['set_disk_free_limit', '50MB']],
  ]
  test.each(alarms)(
    'of %s: 503 at once, bounded memory, and everything goes on after it',
    { timeout },
    async (...of) => {
      const [, raise, clear] = of
      const one = await scene()
      const consumer = await one.broker.open(one.topic, group, { prefetch: 100 })
      one.load.start()
      await one.load.acknowledges(500)
      await server.node.ctl(...raise)
      try {
        await until(5000, 'health says so', async () => (await faultOf(one.broker))?.includes('takes no events'))
        // What was on its way is given up within seconds; from then on nothing is sent.
        const refused = await until(5000, 'publishes are refused', async () => {
          const [result] = await one.broker
            .publish(one.topic, events(1, 'x'), { signal: AbortSignal.timeout(4000) })
            .catch((error: { code: string }) => [error])
          return result !== undefined && 'code' in result ? result : undefined
        })
        expect(refused).toMatchObject({ code: 'unavailable' })
        const before = process.memoryUsage()
        const big = new Uint8Array(MiB)
        for (let i = 0; i < 300; i++) {
          const large = events(1, `large-${i}`).map((event) => ({ ...event, data: big }))
          await expect(
            one.broker.publish(one.topic, large, { signal: AbortSignal.timeout(4000) }),
          ).rejects.toMatchObject({ code: 'unavailable' })
        }
        const { external, heapUsed } = process.memoryUsage()
        expect(external + heapUsed - before.external - before.heapUsed).toBeLessThan(64 * MiB)
        // Whoever consumes is not stopped.
        const batch = await consumer.pull({ max: 10, waitMs: 5000, signal: AbortSignal.timeout(10_000) })
        expect(batch.deliveries.length).toBeGreaterThan(0)
        await consumer.close()
        // Those that began when it was known already.
        const known = Date.now()
        const during = () => one.load.requests.filter(({ began }) => began >= known)
        await until(20_000, 'the publishers go on asking', async () => during().length >= 50)
        expect(statuses(during().flatMap(({ results }) => results))).toEqual(['failed'])
      } finally {
        await server.node.ctl(...clear)
      }
      await one.recovered()
      await one.broker.health()
      await one.load.stop()
      await checked(one)
    },
  )
})

async function faultOf(broker: Broker): Promise<string | undefined> {
  return broker.health().then(
    () => undefined,
    (error: Error) => error.message,
  )
}

describe('a connection that is ended', () => {
  test('with 1,000 confirms pending: every publish settles within 5 s as unknown, and nothing is lost', {
    timeout,
  }, async () => {
    const passage = await passageTo(new URL(server.url).host)
    const one = await scene(through(passage, server.url))
    await one.publish(events(1, 'first'))
    const release = passage.hold('server')
    const pending = Array.from({ length: 4 }, (_, i) => one.publish(events(250, `p${i}`), 60_000))
    const counter = await connect(server.url)
    const channel = await counter.createChannel()
    const depth = async () => (await channel.checkQueue(`${one.topic}:${group}`)).messageCount
    await until(20_000, 'the server has all of them', async () => (await depth()) === 1001)
    await counter.close()
    const heal = passage.cut()
    const results = (await within(5000, 'every publish settles', Promise.all(pending))).flat()
    expect(results).toHaveLength(1000)
    for (const result of results)
      expect(result).toMatchObject({ status: 'unknown', error: { code: 'unknown_outcome' } })
    release()
    heal()
    await until(20_000, 'it is connected again', async () => (await faultOf(one.broker)) === undefined)
    await checked(one)
    const report = await one.check()
    expect(report.checked).toBe(0)
    await one.close()
    await passage.close()
  })

  test('by an operator, three times under load: nothing acknowledged is lost', { timeout }, async () => {
    const one = await scene()
    one.load.start()
    for (let round = 0; round < 3; round++) {
      await one.load.acknowledges(300)
      await server.node.ctl('close_all_connections', 'by hand')
      await one.recovered()
    }
    await one.load.stop()
    expect(one.load.longestMs).toBeLessThan(12_000)
    await checked(one)
  })
})

describe('a restart of the server', () => {
  test('twice under load, in order and by force: the exact set, and consumers go on by themselves', {
    timeout,
  }, async () => {
    const one = await scene()
    const consumer = await one.broker.open(one.topic, group, { prefetch: 200 })
    const seen = new Set<string>()
    const stopping = new AbortController()
    const consuming = (async () => {
      while (!stopping.signal.aborted) {
        const pulling = consumer.pull({ max: 100, waitMs: 500, signal: stopping.signal })
        const { deliveries } = await pulling.catch(async () => {
          await pause(50)
          return { deliveries: [] }
        })
        for (const { event } of deliveries) seen.add(event.attributes.id)
        await consumer.settle(deliveries.map(acked)).catch(() => undefined)
      }
    })()
    one.load.start()
    for (const end of ['stop', 'kill'] as const) {
      await one.load.acknowledges(300)
      await server.node[end]()
      await pause(500)
      await server.node.start()
      await one.recovered()
    }
    await one.load.stop()
    await until(30_000, 'the group is empty', async () => {
      return (await one.broker.groups.describe(one.topic, group)).lag?.events === 0
    })
    stopping.abort()
    await consuming
    await consumer.close()
    const read = [...seen].map((token, at) => ({ token, id: token, position: String(at) }))
    const { violations, ...counts } = one.ledger.check(read, true)
    console.log(`seed ${seed}, ${JSON.stringify(counts)}`)
    expect(violations.filter(({ kind }) => kind !== 'reordered')).toEqual([])
  })
})
