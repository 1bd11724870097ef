import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Delivery, SettleResult } from '../../src/core/broker.ts'
import { type SqsServers, startSqs } from '../brokers/services/sqs.ts'
import { AwsProxy } from '../brokers/sqs/proxy.ts'
import type { Mode } from '../brokers/sqs-target.ts'
import { Random, seedOfRun } from '../conformance/random.ts'
import { type Fault, failing, faults, ignored, throttling } from './sqs/entries.ts'
import { Scene, summary } from './sqs/scene.ts'

// Fault 11: a 200 with `Failed[]` on Send, Delete and ChangeVisibility, and throttles.

const seed = seedOfRun()
const timeout = 120_000
let servers: SqsServers
let queues: AwsProxy
let topics: AwsProxy
const open: Scene[] = []

beforeAll(async () => {
  servers = await startSqs()
  queues = await AwsProxy.before(servers.queues)
  topics = await AwsProxy.before(servers.topics)
}, 180_000)
afterEach(async () => {
  for (const scene of open.splice(0)) await scene.close()
})
afterAll(async () => {
  await queues?.close()
  await topics?.close()
  await servers?.stop()
})

const modes: [name: string, mode: Mode, send: string, action: string][] = [
  ['a standard queue', {}, 'SendMessageBatch', 'sqs:SendMessage'],
  ['a FIFO queue', { fifo: true }, 'SendMessageBatch', 'sqs:SendMessage'],
  ['a topic of SNS', { sns: true }, 'PublishBatch', 'sns:Publish'],
]

async function scene(mode: Mode): Promise<Scene> {
  const one = await Scene.open(mode.sns || mode.fifo ? topics : queues, mode)
  open.push(one)
  return one
}

describe.each(modes)('%s', (_, mode, send, action) => {
  const random = new Random(seed)
  const anyFault = (): Fault => random.pick([faults.refused, faults.throttled, faults.failed, faults.doneAndFailed])
  const some = (): Fault | undefined => (random.next() < 0.2 ? anyFault() : undefined)

  test('what is stored is there, what failed is not, and what nobody knows is said to be unknown', {
    timeout,
  }, async () => {
    const one = await scene(mode)
    one.meddle(failing(send, some))
    const results = []
    for (let round = 0; round < 6; round++) {
      const told = await one.publish(100, `r${round}`, mode.fifo ? (i) => `k${i % 7}` : undefined)
      // Of a key nothing is stored after what was not.
      for (let key = 0; key < (mode.fifo ? 7 : 0); key++) {
        const ofKey = told.filter((_, i) => i % 7 === key).map(({ status }) => status === 'stored')
        expect(ofKey, `key ${key}`).toEqual(ofKey.toSorted((a, b) => Number(b) - Number(a)))
      }
      results.push(...told)
    }
    one.heal()
    const report = await one.check()
    console.log(summary(seed, report))
    // A standard queue keeps no order.
    const broken = report.violations.filter(({ kind }) => mode.fifo || kind !== 'reordered')
    expect(broken.slice(0, 10), summary(seed, report)).toEqual([])
    const statuses = new Set(results.map(({ status }) => status))
    // Where AWS deduplicates, an unknown outcome is asked again until it is known.
    expect(statuses.has('stored') && statuses.has('failed')).toBe(true)
    if (!mode.fifo) expect(statuses).toContain('unknown')
  })

  test('each entry is answered by its own fault', { timeout }, async () => {
    const one = await scene(mode)
    const byId: Readonly<Record<string, Fault>> = {
      'e-1': faults.refused,
      'e-3': faults.throttled,
      'e-5': faults.failed,
      'e-7': faults.doneAndFailed,
    }
    one.meddle(failing(send, (entry) => byId[/\be-\d+\b/.exec(entry)?.[0] ?? '']))
    const results = await one.publish(10, 'e')
    const said = results.map((result) => [result.status, result.status === 'stored' ? undefined : result.error.code])
    const stored = ['stored', undefined]
    expect(said).toEqual([
      stored,
      ['failed', 'unprocessable'],
      stored,
      ['failed', 'throttled'],
      stored,
      ['unknown', 'unknown_outcome'],
      stored,
      ['unknown', 'unknown_outcome'],
      stored,
      stored,
    ])
    const throttled = results[3]!
    expect(throttled.status !== 'stored' && throttled.error.detail).toContain(action)
    one.heal()
    const seen = (await one.drain()).map(({ id }) => id)
    expect([...new Set(seen)].sort()).toEqual(['e-0', 'e-2', 'e-4', 'e-6', 'e-7', 'e-8', 'e-9'])
  })

  test('a throttle that passes is waited for, and one that stays is said', { timeout }, async () => {
    const one = await scene(mode)
    const short = one.meddle(throttling(send, 2))
    expect((await one.publish(3, 'short')).map(({ status }) => status)).toEqual(['stored', 'stored', 'stored'])
    expect(short.asked).toBe(3)
    one.heal()
    const long = one.meddle(throttling(send, Number.POSITIVE_INFINITY))
    for (const result of await one.publish(3, 'long')) {
      expect(result).toMatchObject({ status: 'failed', error: { code: 'throttled' } })
    }
    // A few times, and then it is the caller's to wait.
    expect(long.asked).toBe(3)
    one.heal()
    expect((await one.check()).violations).toEqual([])
  })

  test('the control: whoever ignores Failed[] loses events, and is caught', { timeout }, async () => {
    const one = await scene(mode)
    // What is answered is changed twice: first it fails, then it is believed to have succeeded.
    one.meddle(failing(send, () => (random.next() < 0.2 ? random.pick([faults.refused, faults.failed]) : undefined)))
    one.meddle(ignored(send))
    const results = await one.publish(200, 'lost')
    expect(results.every(({ status }) => status === 'stored')).toBe(true)
    one.heal()
    const report = await one.check()
    console.log(`control: ${summary(seed, report)}`)
    expect(report.violations.filter(({ kind }) => kind === 'lost').length).toBeGreaterThan(0)
  })
})

describe('settling', () => {
  const mode: Mode = {}

  test('an ack that failed is said to have, and its event comes again; one that is ok does not', {
    timeout,
  }, async () => {
    const one = await scene(mode)
    const random = new Random(seed)
    await one.publish(200, 'e')
    // The service fails for a while, by entry: what it fails at three times is not acknowledged.
    one.meddle(failing('DeleteMessageBatch', () => (random.next() < 0.5 ? faults.failed : undefined)))
    const acked = new Set<string>()
    const refused = new Set<string>()
    const seen: string[] = []
    await one.drain(({ event }: Delivery, result: SettleResult) => {
      const { id } = event.attributes
      seen.push(id)
      expect(acked.has(id), `${id} came again after its ack`).toBe(false)
      if (result.status === 'ok') acked.add(id)
      else refused.add(result.error.code)
    })
    expect(acked.size).toBe(200)
    expect(seen.length).toBeGreaterThan(200)
    expect([...refused]).toEqual(['unavailable'])
  })

  test('a handle that SQS does not know any more is a lost lease', { timeout }, async () => {
    const one = await scene(mode)
    await one.publish(1, 'e')
    const { consumer, delivery } = await one.one()
    const settle = (kind: 'ack' | 'nack' | 'extend') =>
      consumer.settle([{ receipt: delivery.receipt, outcome: { kind } }])
    one.meddle(failing('DeleteMessageBatch', () => faults.staleHandle))
    one.meddle(failing('ChangeMessageVisibilityBatch', () => faults.staleHandle))
    for (const kind of ['ack', 'nack', 'extend'] as const) {
      expect(await settle(kind)).toMatchObject([{ status: 'failed', error: { code: 'lease_lost' } }])
    }
  })

  test('an extension that failed renews nothing', { timeout }, async () => {
    const one = await scene(mode)
    await one.publish(1, 'e')
    const { consumer, delivery } = await one.one()
    one.meddle(failing('ChangeMessageVisibilityBatch', () => faults.failed))
    const [result] = await consumer.settle([{ receipt: delivery.receipt, outcome: { kind: 'extend' } }])
    expect(result).toMatchObject({ status: 'failed', error: { code: 'unavailable' } })
    expect(result).not.toHaveProperty('renewed')
  })

  test('a pull that is throttled waits, and fails where it stays so: it is never empty', { timeout }, async () => {
    const one = await scene(mode)
    await one.publish(1, 'e')
    const short = one.meddle(throttling('ReceiveMessage', 2))
    const { consumer, delivery } = await one.one()
    expect([delivery.event.attributes.id, short.asked]).toEqual(['e-0', 3])
    one.heal()
    one.meddle(throttling('ReceiveMessage', Number.POSITIVE_INFINITY))
    const pulling = consumer.pull({ max: 1, waitMs: 1500, signal: new AbortController().signal })
    await expect(pulling).rejects.toMatchObject({ code: 'throttled', retryAfterMs: 1000 })
  })

  test('the control: whoever ignores Failed[] of a delete believes to be done, and is caught', {
    timeout,
  }, async () => {
    const one = await scene(mode)
    const random = new Random(seed)
    await one.publish(50, 'e')
    one.meddle(failing('DeleteMessageBatch', () => (random.next() < 0.3 ? faults.failed : undefined)))
    one.meddle(ignored('DeleteMessageBatch'))
    const acked = new Set<string>()
    let again = 0
    await one.drain(({ event }: Delivery, { status }: SettleResult) => {
      expect(status).toBe('ok')
      if (acked.has(event.attributes.id)) again++
      acked.add(event.attributes.id)
    })
    expect(again).toBeGreaterThan(0)
  })
})
