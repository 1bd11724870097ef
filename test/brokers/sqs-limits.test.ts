import { expect, test } from 'vitest'
import { event, eventOfSize, events } from '../conformance/events.ts'
import type { Answer, Asked } from './sqs/proxy.ts'
import { idsOf, publish, take, workbench } from './sqs/workbench.ts'

// What AWS documents, where the emulators take more: the adapter keeps to it by itself.
const bench = workbench('topics')

interface Sent {
  readonly Entries: readonly {
    readonly MessageBody: string
    readonly MessageAttributes?: Record<string, { DataType: string; StringValue: string }>
    readonly DelaySeconds?: number
  }[]
}

/** The requests that `run` sends to a queue. */
async function requestsOf(run: () => Promise<unknown>): Promise<Sent['Entries'][]> {
  const sent: Sent['Entries'][] = []
  const note = ({ action, body }: Asked): undefined => {
    if (action === 'SendMessageBatch') sent.push((JSON.parse(body) as Sent).Entries)
  }
  await bench.meddled({ instead: note }, run)
  return sent
}

const bytesOf = (entries: Sent['Entries']) =>
  entries.reduce((sum, { MessageBody, MessageAttributes = {} }) => {
    const attributes = Object.entries(MessageAttributes).map(([name, one]) => name + one.DataType + one.StringValue)
    return sum + Buffer.byteLength(MessageBody + attributes.join(''))
  }, 0)

test('a request has ten messages and 1 MiB at the most, whatever they are made of', async () => {
  const broker = await bench.open()
  const { topic, consumer } = await bench.stage(broker)
  const { maxEventBytes } = broker.capabilities
  const binary = (id: string) => event(id, {}, new Uint8Array(maxEventBytes - 500).fill(0xff))
  const all = [...events(25, 'small'), binary('one'), eventOfSize('two', maxEventBytes), ...events(3, 'more')]
  const sent = await requestsOf(() => publish(broker, topic, ...all))
  expect(sent.flat().length).toBe(all.length)
  for (const entries of sent) {
    expect(entries.length).toBeLessThanOrEqual(10)
    expect(bytesOf(entries)).toBeLessThanOrEqual(1 << 20)
  }
  expect(idsOf(await take(consumer, all.length)).sort()).toEqual(all.map(({ attributes }) => attributes.id).sort())
})

test('an event whose attributes do not fit is too large by itself', async () => {
  const broker = await bench.open()
  const topic = await bench.topic(broker)
  // By its own count it fits; as JSON each quote has two bytes.
  const quotes = event('quotes', { extension: '', many: '"'.repeat(700_000) })
  const empty = Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [`a${i}`, '']))
  const sent = await requestsOf(async () => {
    const results = await broker.publish(topic, [event('empty', empty), event('good')], {
      signal: AbortSignal.timeout(9000),
    })
    expect(results.map(({ status }) => status)).toEqual(['stored', 'stored'])
    const [result] = await broker.publish(topic, [{ ...quotes, attributes: { ...many(9), ...quotes.attributes } }], {
      signal: AbortSignal.timeout(9000),
    })
    expect(result).toMatchObject({ status: 'failed', error: { code: 'too_large' } })
  })
  expect(sent.flat().length).toBe(2)
})

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`x${i}`, 'x']))

test('no message has more than ten attributes', async () => {
  const broker = await bench.open()
  const topic = await bench.topic(broker)
  const sent = await requestsOf(() =>
    publish(broker, topic, event('a', many(30)), event('b', many(4)), event('c', many(5))),
  )
  for (const { MessageAttributes = {} } of sent.flat())
    expect(Object.keys(MessageAttributes).length).toBeLessThanOrEqual(10)
})

test('a delay is whole seconds, rounded up, and 15 minutes at the most', async () => {
  const broker = await bench.open()
  expect(broker.capabilities.publishDelayMs).toBe(900_000)
  const topic = await bench.topic(broker)
  const late = (delayMs: number) => () =>
    broker.publish(topic, [event(`${delayMs}`)], { delayMs, signal: AbortSignal.timeout(9000) })
  for (const [delayMs, seconds] of [
    [1, 1],
    [1001, 2],
    [900_000, 900],
  ] as const) {
    const sent = await requestsOf(late(delayMs))
    expect(sent[0]![0]!.DelaySeconds).toBe(seconds)
  }
})

test('a permission that lacks is named, and does not look like a missing topic', async () => {
  const broker = await bench.open()
  const { topic, consumer } = await bench.stage(broker)
  const denied = (action: string) => ({
    instead: (asked: Asked): Answer | undefined =>
      asked.action === action
        ? {
            status: 400,
            body: '{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"User is not authorized"}',
          }
        : undefined,
  })
  const [refused] = await bench.meddled(denied('SendMessageBatch'), () =>
    broker.publish(topic, [event('e')], { signal: AbortSignal.timeout(9000) }),
  )
  const detail = (action: string) => expect.stringContaining(`may not do ${action}: allow it`)
  expect(refused).toMatchObject({
    status: 'failed',
    error: { code: 'misconfigured', detail: detail('sqs:SendMessage') },
  })
  await bench.meddled(denied('ReceiveMessage'), async () => {
    const pulling = consumer.pull({ max: 1, waitMs: 5000, signal: new AbortController().signal })
    await expect(pulling).rejects.toMatchObject({ code: 'misconfigured', message: detail('sqs:ReceiveMessage') })
  })
  // Who may send but not list is well.
  await bench.meddled(denied('ListQueues'), () => broker.health())
})
