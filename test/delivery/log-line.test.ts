import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLog } from '../../src/runtime/log.ts'
import { answer, Receiver } from './receiver.ts'
import { eventually, Whole } from './whole.ts'

const order = [
  'outcome',
  'status',
  'ms',
  'waitedMs',
  'host',
  'topic',
  'event',
  'subscription',
  'name',
  'delivery',
  'attempt',
]

describe('over a whole gateway', () => {
  let whole: Whole
  let receiver: Receiver

  beforeEach(async () => {
    receiver = await Receiver.start()
    whole = await Whole.start()
  })
  afterEach(async () => {
    await whole.stop()
    await receiver.close()
  })

  function lines(): Record<string, unknown>[] {
    const found = whole.logged.filter((line) => / delivery \{/.test(line))
    return found.map((line) => JSON.parse(line.slice(line.indexOf('{'))) as Record<string, unknown>)
  }

  test('every attempt leaves one line, with what happened first, and what is next last', async () => {
    let left = 1
    receiver.script = (...given) => answer({ status: left-- > 0 ? 503 : 200, body: 'canary-body' })(...given)
    const id = await whole.subscribe(`${receiver.url}/canary-path?token=canary-query`, {
      name: 'shop',
      headers: { 'x-secret': 'canary-header' },
      policy: { retry: { schedule: ['10ms'] } },
    })
    await whole.publish('line-1')
    const [first, second] = await eventually(lines, (found) => found.length === 2)
    expect(Object.keys(first!)).toEqual([...order, 'stage', 'error', 'next'])
    expect(first).toMatchObject({
      outcome: 'parked',
      status: 503,
      host: receiver.url.replace('http://', ''),
      topic: 'orders',
      event: 'line-1',
      subscription: id,
      name: 'shop',
      delivery: receiver.requests[0]!.headers['webhook-id'],
      attempt: 1,
      stage: 'response',
    })
    expect(Date.parse(String(first!.next))).toBeGreaterThan(Date.now() - 60_000)
    expect(Object.keys(second!)).toEqual(order)
    expect(second).toMatchObject({ outcome: 'succeeded', status: 200, attempt: 2, delivery: first!.delivery })
    expect(second!.waitedMs).toBeGreaterThan(5)
    expect(whole.logged.join('\n')).not.toContain('canary')
  })

  test('an operation says when it begins and how it ended', async () => {
    receiver.script = answer({ status: 500 })
    const id = await whole.subscribe(receiver.url, { policy: { noRetry: [500] } })
    await whole.publish('redriven')
    await eventually(
      () => whole.deliveries(id, 'dead'),
      (found) => found.length === 1,
    )
    receiver.script = answer()
    await whole.client.post('/v1/deliveries/redrive', { subscription: id, status: 'dead', all: true })
    const told = () => whole.logged.filter((line) => line.includes('An operation'))
    await eventually(told, (found) => found.length === 2)
    expect(told()[0]).toMatch(/^info An operation begins, or goes on\. .*"kind":"redrive".*"state":"running"/)
    expect(told()[1]).toMatch(/^info An operation is succeeded\. .*"matched":1,"done":1,"failed":0/)
  })
})

describe('where it is written', () => {
  const fields = { outcome: 'succeeded', status: 200, ms: 3.2, waitedMs: 4, host: 'example.com', topic: 'orders' }
  const more = { event: 'e1', subscription: 'sub_1', name: undefined, delivery: 'dlv_1', attempt: 1 }

  async function written(isTTY: boolean): Promise<string> {
    let text = ''
    const log = createLog({ isTTY, write: (part) => (text += part) }, false, () => 0)
    log('info', 'delivery', { ...fields, ...more })
    return eventually(
      () => text,
      (found) => found !== '',
    )
  }

  test('a terminal shows a short line', async () => {
    const line = await written(true)
    expect(line).toBe(
      '00:00:00.000 info  delivery outcome=succeeded status=200 ms=3.2 host=example.com topic=orders event=e1 attempt=1\n',
    )
  })

  test('anything else gets everything, as JSON', async () => {
    expect(JSON.parse(await written(false))).toEqual({
      time: '1970-01-01T00:00:00.000Z',
      level: 'info',
      message: 'delivery',
      ...fields,
      ...more,
      name: undefined,
    })
  })
})
